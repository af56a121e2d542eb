import { expect, test } from 'bun:test';
import { settle } from '../../test/support/fake-clock.ts';
import { createGate } from '../../test/support/gate.ts';
import { GatewayError } from '../core/errors.ts';
import { PasswordQueue } from './password-queue.ts';

function queue() {
  const gate = createGate();
  let running = 0;
  let most = 0;
  const work = async () => {
    running += 1;
    most = Math.max(most, running);
    await gate.pass();
    running -= 1;
  };
  const passwords = new PasswordQueue({
    hash: async (password) => {
      await work();
      return `hash of ${password}`;
    },
    verify: async (password, hash) => {
      await work();
      if (password === 'breaks') throw new Error('no memory');
      return hash === `hash of ${password}`;
    },
    isCurrent: () => true,
  });
  return { gate, passwords, most: () => most };
}

test('hashes two passwords at once, the rest in their order, also after a failure', async () => {
  const { gate, passwords, most } = queue();
  const order: number[] = [];
  const all = Array.from({ length: 20 }, async (_, index) => {
    await passwords.verify(index === 5 ? 'breaks' : 'p', 'hash of p').catch(() => undefined);
    order.push(index);
  });
  gate.open();
  await Promise.all(all);
  expect(most()).toBe(2);
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(await passwords.hash('p')).toBe('hash of p');
});

test('refuses more than can be hashed within a second', async () => {
  const { gate, passwords } = queue();
  const outcomes = Array.from({ length: 400 }, () =>
    passwords.verify('p', 'hash of p').catch((error: unknown) => error),
  );
  await settle();
  gate.open();
  const results = await Promise.all(outcomes);
  expect(results.filter((result) => result === true)).toHaveLength(102);
  expect(results.filter((result) => result instanceof GatewayError && result.status === 429)).toHaveLength(
    298,
  );
});
