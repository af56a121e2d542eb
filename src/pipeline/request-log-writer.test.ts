import { expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { PRINCIPAL } from '../../test/support/inference.ts';
import { sendChat } from '../../test/support/send-chat.ts';
import { GatewayError } from '../core/errors.ts';
import { SecretBox } from '../platform/secret-box.ts';
import type { LoggedRow } from '../storage/logged-request.ts';
import { UnknownTenantError } from '../storage/sql/tenant-databases.ts';
import { openContent } from '../tenancy/sealed-content.ts';
import { redactedValue } from './redacted-value.ts';
import { type CapturedRequest, MAX_LOGGED_TEXT, RequestCapture } from './request-capture.ts';
import { type Outcome, RequestContext } from './request-context.ts';
import { RequestLogWriter } from './request-log-writer.ts';

const KEY = { version: 1, box: new SecretBox('a secret', 'request log') };

function captured(
  id: string,
  text = '{"a":"b"}',
  tenant = 't',
  outcome: Outcome = { kind: 'done' },
): CapturedRequest {
  const principal = { ...PRINCIPAL, tenant };
  const request = new RequestContext({ id, principal, operation: 'chat', route: '/r', startedAt: 0 });
  request.routing.attempts.push({
    ...{ provider: 'p', model: 'm', startedAt: 0, firstEventAt: undefined, endedAt: 1 },
    failure: {
      code: 'upstream_error',
      message: 'it said: a secret',
      provider: 'p',
      model: 'm',
      durationMs: 1,
    },
  });
  request.complete(outcome);
  const capture = new RequestCapture(text);
  capture.complete('{"c":"d"}');
  return capture.taken(request, 5, 1_000);
}

function setUp(maxBytes?: number) {
  const rows: LoggedRow[] = [];
  let failure: Error | undefined;
  let lost = 0;
  let ids = 0;
  const pieces: number[] = [];
  const transactions: number[] = [];
  const writer = new RequestLogWriter({
    store: {
      put: async (_, some) => {
        if (failure) throw failure;
        rows.push(...some);
        transactions.push(some.length);
      },
    },
    keys: { current: async () => KEY },
    clock: new FakeClock(),
    prices: () => ({ of: () => undefined }),
    redact: (text) => {
      if (text === 'poison') throw new Error('a defect');
      return text.replaceAll('secret', '[X]');
    },
    redactStream: () => {
      let whole = '';
      return {
        push: (piece) => {
          pieces.push(piece.length);
          whole += piece;
          return { text: '' };
        },
        end: () => ({ text: whole.replaceAll('secret', '[X]') }),
      };
    },
    newId: () => `log_${++ids}`,
    onLost: (count) => {
      lost += count;
    },
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
  return {
    ...{ writer, rows, pieces, transactions },
    lost: () => lost,
    fail: (error: Error | undefined) => {
      failure = error;
    },
  };
}

test('requests are redacted and sealed, and open with their own row only', async () => {
  const { writer, rows } = setUp();
  writer.add(captured('one', '{"q":"my secret"}'));
  const error = new GatewayError('upstream_rejected', 'it said: a secret');
  writer.add(captured('two', 'no JSON, a secret', 't', { kind: 'failed', error }));
  await writer.flush();
  const [one, two] = rows;
  if (!one || !two) throw new Error('not stored');
  expect(JSON.stringify(rows)).not.toContain('secret');
  const keys = new Map([[1, KEY]]);
  expect(openContent(one, keys)).toMatchObject({ request: { q: 'my [X]' }, response: { c: 'd' } });
  expect(openContent(two, keys)).toMatchObject({
    request: 'no JSON, a [X]',
    explanation: { reason: 'it said: a [X]', attempts: [{ reason: 'it said: a [X]' }] },
  });
  expect(openContent({ ...one, sealed: two.sealed }, keys)).toBeUndefined();
  expect(openContent({ ...one, sealed: `AAAA${one.sealed.slice(4)}` }, keys)).toBeUndefined();
  expect(openContent(one, new Map())).toBeUndefined();
  expect(writer.bytes).toBe(0);
});

test('requests wait for a database that is away, up to a bound; further ones are counted', async () => {
  const { writer, rows, lost, fail } = setUp(2_000);
  fail(new Error('database is away'));
  for (let index = 0; index < 200; index += 1) writer.add(captured(`r${index}`));
  await writer.flush();
  const kept = 200 - lost();
  expect(kept).toBeGreaterThan(10);
  expect(writer.bytes).toBeLessThanOrEqual(2_000);
  fail(undefined);
  await writer.flush();
  expect(rows).toHaveLength(kept);
  // A tenant that was deleted meanwhile needs none of them.
  fail(new UnknownTenantError('no tenant'));
  writer.add(captured('gone'));
  await writer.flush();
  expect(writer.bytes).toBe(0);
});

test('a request that cannot be redacted is lost, and keeps no other from being stored', async () => {
  const { writer, rows, lost } = setUp();
  for (const text of ['{"a":1}', '{"q":"poison"}', '{"b":2}']) writer.add(captured(text, text));
  await writer.flush();
  expect(rows.map(({ requestId }) => requestId)).toEqual(['{"a":1}', '{"b":2}']);
  expect([lost(), writer.bytes]).toEqual([1, 0]);
});

test('what cannot be stored at the end is counted', async () => {
  const { writer, lost, fail } = setUp();
  fail(new Error('full disk'));
  writer.add(captured('one'));
  await writer.close();
  expect(lost()).toBe(1);
});

test('long texts are redacted in pieces, and long requests are few in one transaction', async () => {
  const { writer, rows, pieces, transactions } = setUp();
  const words = Array.from({ length: 30_000 }, (_, index) => `${(index * 7_919) % 99_991}`).join(' ');
  for (let index = 0; index < 12; index += 1)
    writer.add(captured(`r${index}`, JSON.stringify({ q: `secret ${words}` })));
  await writer.flush();
  expect(Math.max(...pieces)).toBeLessThanOrEqual(8 * 1024);
  expect(rows).toHaveLength(12);
  expect(transactions.length).toBeGreaterThan(1);
  const [row] = rows;
  const content = row && openContent(row, new Map([[1, KEY]]));
  expect(content?.request).toEqual({ q: `[X] ${words}` });
});

test('long texts are cut, and said to be', async () => {
  const { request } = await sendChat();
  const capture = new RequestCapture('x'.repeat(MAX_LOGGED_TEXT + 1));
  capture.complete('y'.repeat(MAX_LOGGED_TEXT + 1));
  const { truncated, request: text, response } = capture.taken(request, 1, 1);
  expect(truncated).toEqual(['request', 'response']);
  expect([text.length, String(response).length]).toEqual([MAX_LOGGED_TEXT, MAX_LOGGED_TEXT]);
});

test('streams are assembled: of events, or of bytes where they have none; and bounded', async () => {
  const { request } = await sendChat();
  const out = { write: () => undefined };
  const sink = { ...out, insert: () => undefined, hold: () => () => undefined };
  const rest = { splice: () => undefined, finish: () => undefined, fail: () => undefined };
  const bytes = new TextEncoder().encode('data: {}\n\n');
  const raw = new RequestCapture('{}');
  for (let index = 0; index < 3; index += 1) raw.frame({ bytes, events: [] }, { ...sink, ...rest });
  expect(raw.taken(request, 1, 1).response).toBe('data: {}\n\n'.repeat(3));
  const events = new RequestCapture('{}');
  const delta = { type: 'delta', choice: 0, text: 'z'.repeat(1_000) } as const;
  events.frame(
    { bytes, events: [{ type: 'part-start', choice: 0, part: { type: 'text' } }] },
    { ...sink, ...rest },
  );
  for (let index = 0; index < 2_000; index += 1)
    events.frame({ bytes, events: [delta] }, { ...sink, ...rest });
  const taken = events.taken(request, 1, 1);
  expect(taken.truncated).toEqual(['response']);
  expect(JSON.stringify(taken.response).length).toBeLessThan(MAX_LOGGED_TEXT + 2_000);
});

test('texts of any depth are redacted, names of members too, and binary content is not kept', () => {
  const redact = (text: string) => text.replaceAll('jane', '[NAME]');
  const image = `data:image/png;base64,${'A'.repeat(5_000)}`;
  expect(
    redactedValue({ jane: [{ a: 'jane', n: 1, t: true, z: null }, image, 'B'.repeat(2_000)] }, redact),
  ).toEqual({
    '[NAME]': [
      { a: '[NAME]', n: 1, t: true, z: null },
      '[image/png, 5022 characters]',
      '[base64, 2000 characters]',
    ],
  });
  let deep: unknown = 'jane';
  for (let depth = 0; depth < 10_000; depth += 1) deep = [deep];
  expect(JSON.stringify(redactedValue(deep, redact))).not.toContain('jane');
});
