import { describe, expect, test } from 'bun:test';
import { sendChat } from '../../test/support/send-chat.ts';
import { explain } from './explain.ts';
import { recordOf } from './request-record.ts';
import { RequestSlot } from './request-slot.ts';

const PRICE = { input: { base: '0.000001' }, output: { base: '0.000002' } };
const prices = { of: () => PRICE };

/** A completed request, as settlement leaves it. */
async function completed(body: Readonly<Record<string, unknown>> = {}, costPico: number | undefined = 17) {
  const { request } = await sendChat({ body });
  for (const attempt of request.routing.attempts) {
    if (costPico !== undefined) attempt.costPico = costPico;
  }
  return request;
}

describe('a slot explains a request as its whole record does', () => {
  test.each([
    ['a complete response', { temperature: 0 }],
    ['a stream', { stream: true, stream_options: { include_usage: true } }],
  ])('%s', async (_, body) => {
    const request = await completed(body);
    const slot = new RequestSlot();
    expect(slot.fill(request, 50, 1_000)).toBe(true);
    const expected = JSON.stringify(explain(recordOf(request, 50, 1_000), prices));
    expect(JSON.stringify(explain(slot.record(), prices))).toBe(expected);
  });
});

describe('a slot does not take', () => {
  const taken = async (change: (request: Awaited<ReturnType<typeof completed>>) => void) => {
    const request = await completed();
    change(request);
    return new RequestSlot().fill(request, 50, 1_000);
  };

  test('an attempt whose cost is not known yet', async () => {
    const { request } = await sendChat();
    expect(new RequestSlot().fill(request, 50, 1_000)).toBe(false);
  });

  test.each([
    ['failure', { code: 'upstream_error', message: 'broken', provider: 'p', model: 'up' }],
    ['hedge', 'lost'],
    ['rejected', 'empty'],
    ['continued', true],
  ])('an attempt with %s', async (name, value) => {
    expect(await taken(({ routing }) => Object.assign(routing.attempts[0] ?? {}, { [name]: value }))).toBe(
      false,
    );
  });

  test('a second attempt', async () => {
    expect(await taken(({ routing }) => routing.attempts.push(...routing.attempts))).toBe(false);
  });
});

test('a slot is filled again, after a whole record too', async () => {
  const [first, second] = [await completed({ temperature: 0 }), await completed({ stream: true })];
  const slot = new RequestSlot();
  slot.keep(recordOf(first, 10, 1_000));
  expect(slot.record().stream).toBe(false);
  expect(slot.fill(second, 20, 2_000)).toBe(true);
  expect(slot.record()).toMatchObject({ stream: true, endedAt: 20, at: 2_000 - 20 });
});
