import { describe, expect, test } from 'bun:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { RecordedEvents } from '../../test/support/recorded-events.ts';
import { GatewayError } from '../core/errors.ts';
import { MAX_CLIENTS } from './client-table.ts';
import { CredentialThrottle } from './credential-throttle.ts';

function create() {
  const clock = new FakeClock();
  const events = new RecordedEvents();
  const throttle = new CredentialThrottle(clock, events);
  let checks = 0;
  /** @returns the status of a client that sends a key */
  const send = (key: string, client = '192.0.2.1'): number => {
    try {
      throttle.run({ client, kind: 'key', fingerprint: key }, () => {
        checks += 1;
        if (key !== 'right') throw new GatewayError('invalid_api_key', 'wrong');
      });
      return 200;
    } catch (error) {
      if (error instanceof GatewayError) return error.status;
      throw error;
    }
  };
  const guess = (count: number, client?: string) =>
    Array.from({ length: count }, (_, index) => send(`guess ${index}`, client));
  return { clock, events, throttle, send, guess, checks: () => checks };
}

describe('wrong credentials of one address', () => {
  test('get 429 after a burst of 60, and one more gets 401 every second', () => {
    const { clock, guess } = create();
    const statuses = guess(65);
    expect(statuses.slice(0, 60).every((status) => status === 401)).toBe(true);
    expect(statuses.slice(60)).toEqual([429, 429, 429, 429, 429]);
    clock.advance(10_000);
    expect(guess(3)).toEqual([401, 401, 401]);
  });

  test('say when to try again', () => {
    const { guess, throttle } = create();
    guess(70);
    const wrong = () =>
      throttle.run({ client: '192.0.2.1', kind: 'key', fingerprint: 'x' }, () => {
        throw new GatewayError('invalid_api_key', 'wrong');
      });
    expect(wrong).toThrow(expect.objectContaining({ status: 429, details: { retryAfterSeconds: 12 } }));
  });

  test('leave correct ones alone, and other addresses', () => {
    const { guess, send } = create();
    guess(100);
    expect([send('right'), send('right', '192.0.2.2'), send('wrong', '192.0.2.2')]).toEqual([200, 200, 401]);
  });

  test('are not even checked when there are far too many', () => {
    const { guess, send, checks, clock } = create();
    guess(1_000);
    expect(checks()).toBeLessThanOrEqual(260);
    expect(send('right')).toBe(429);
    clock.advance(1_000);
    expect(send('right')).toBe(200);
  });

  test('count little when they are one and the same: an expired key locks no other client out', () => {
    const { send } = create();
    for (let count = 0; count < 100; count += 1) expect(send('expired')).toBe(401);
    for (let count = 0; count < 1_000; count += 1) send('expired');
    expect([send('expired'), send('right')]).toEqual([429, 200]);
  });

  test('emit events: each failure, and once that the address is slowed down', () => {
    const { guess, events } = create();
    guess(70);
    expect(events.names.filter((name) => name === 'auth.failed')).toHaveLength(70);
    expect(events.names.filter((name) => name === 'auth.throttled')).toHaveLength(1);
  });
});

describe('checks that wait', () => {
  test('count as failures while they run: hundreds of parallel guesses are not checked', async () => {
    const { throttle } = create();
    const verdict = Promise.withResolvers<void>();
    let checked = 0;
    const guesses = Array.from({ length: 400 }, (_, index) =>
      throttle
        .runAsync({ client: 'a', kind: 'session', fingerprint: String(index) }, async () => {
          checked += 1;
          await verdict.promise;
          throw new GatewayError('invalid_api_key', 'wrong');
        })
        .catch((error: unknown) => error),
    );
    await settle();
    verdict.resolve();
    await Promise.all(guesses);
    expect(checked).toBeLessThanOrEqual(260);
  });

  test('cost nothing when they succeed, and earn nothing', async () => {
    const { throttle, guess, send } = create();
    const right = () =>
      throttle.runAsync({ client: '192.0.2.1', kind: 'session', fingerprint: 's' }, async () => 1);
    for (let count = 0; count < 100; count += 1) await right();
    expect(throttle.size).toBe(0);
    guess(80);
    for (let count = 0; count < 100; count += 1) await right();
    expect(send('another guess')).toBe(429);
  });

  test('do not count when something else fails', async () => {
    const { throttle } = create();
    const outage = throttle.runAsync({ client: 'a', kind: 'session' }, async () => {
      throw new GatewayError('store_unavailable', 'no database');
    });
    await expect(outage).rejects.toThrow('no database');
    expect(throttle.size).toBe(0);
  });
});

test('100,000 addresses take bounded memory, and do not help one that is slowed down', () => {
  const { throttle, send, guess } = create();
  guess(1_000, 'guesser');
  for (let index = 0; index < MAX_CLIENTS + 20_000; index += 1) send('wrong', `stranger ${index}`);
  expect(throttle.size).toBeLessThanOrEqual(MAX_CLIENTS);
  expect(send('another', 'guesser')).toBe(429);
});
