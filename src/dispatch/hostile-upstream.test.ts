import { describe, expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { FakeTransport } from '../../test/support/fake-transport.ts';
import { chatEvent, testCall, testContext, testProvider, testTarget } from '../../test/support/inference.ts';
import { anthropicMessagesDialect } from '../api/anthropic/dialect.ts';
import { GatewayError } from '../core/errors.ts';
import { drainStream } from '../core/stream/drain.ts';
import type { StreamMode } from '../core/stream/frame.ts';
import { Attempt } from './attempt.ts';
import type { AttemptEnd } from './attempt-options.ts';
import { DeadlineMonitor } from './deadlines.ts';

/** Upstreams that send without end: the gateway keeps a bounded part of it, and fails the attempt. */

const DEADLINE = 10_000;
const MIB = 1024 * 1024;

interface Variant {
  readonly mode?: StreamMode;
  readonly stream?: boolean;
  /** The client speaks another dialect, so that the stream is translated. */
  readonly translated?: boolean;
  readonly maxResponseBytes?: number;
  readonly prompt?: string;
}

function begin({
  mode = 'bytes',
  stream = true,
  translated = false,
  maxResponseBytes,
  prompt = 'Hi',
}: Variant) {
  const clock = new FakeClock();
  const transport = new FakeTransport();
  const ends: AttemptEnd[] = [];
  const deadlines = new DeadlineMonitor(
    () => clock.now(),
    () => () => undefined,
  );
  const body = { model: 'asked', stream, max_tokens: 10, messages: [{ role: 'user', content: prompt }] };
  const dialect = anthropicMessagesDialect;
  const attempt = new Attempt({
    call: testCall(body, translated ? { dialect, chat: () => dialect.toChat(body) } : {}),
    target: testTarget(testProvider({ transport })),
    context: testContext(),
    now: () => clock.now(),
    deadlines,
    firstTokenMs: 200,
    streamIdleMs: 300,
    maxResponseBytes,
    deadlineAt: DEADLINE,
    streamMode: mode,
    onFirstEvent: () => undefined,
    onEnd: (end) => ends.push(end),
  });
  const response = attempt.response.catch((error: unknown) => {
    if (error instanceof GatewayError) return error;
    throw error;
  });
  attempt.start();
  const { last: upstreamCall } = transport;
  /** Sends pieces until the attempt ends. @returns the number of bytes that it took */
  const flood = (piece: string, most = 64 * MIB) => {
    let sent = 0;
    while (ends.length === 0 && sent < most) {
      upstreamCall.data(piece);
      sent += piece.length;
    }
    return sent;
  };
  const pass = (ms: number) => {
    clock.advance(ms);
    deadlines.sweep();
  };
  return { upstreamCall, response, ends, flood, pass };
}

const variants: readonly (readonly [string, Variant])[] = [
  ['forwarded', {}],
  ['observed', { mode: 'observe' }],
  ['rewritten', { mode: 'rewrite' }],
  ['translated', { translated: true }],
  ['translated and rewritten', { translated: true, mode: 'rewrite' }],
];

describe.each(variants)('before the first event of a stream that is %s', (_name, variant) => {
  test.each([
    ['comments', ': waiting\n\n'],
    ['empty comments', ':\n\n'],
    ['events without data', 'event: ping\n\n'],
    ['events with empty data', 'data: \n\n'],
    ['blank lines', '\n\n\n\n'],
    ['chunks without choices', `data: ${JSON.stringify({ id: 'x', created: 1, choices: [] })}\n\n`],
    ['chunks without id and choices', `data: ${JSON.stringify({ id: '', choices: [] })}\n\n`],
    ['usage', `data: ${JSON.stringify({ id: 'x', choices: [], usage: { prompt_tokens: 1 } })}\n\n`],
  ])('%s without end are not kept', (_case, piece) => {
    const { upstreamCall, ends, flood, pass } = begin(variant);
    upstreamCall.head();
    const before = memory();
    const sent = flood(piece.repeat(Math.ceil(16_384 / piece.length)), 5 * MIB);
    expect(memory() - before).toBeLessThan(3 * MIB);
    if (ends.length > 0) {
      expect(ends).toMatchObject([{ kind: 'failed', error: { code: 'upstream_invalid_response' } }]);
      expect(sent).toBeLessThan(MIB);
      expect(upstreamCall.state).toBe('aborted');
      return;
    }
    // Pieces without meaning are dropped, and are no first event either.
    pass(200);
    expect(ends).toMatchObject([{ kind: 'failed', error: { code: 'upstream_timeout' } }]);
  });

  test('the usual comments and announcements are let through', async () => {
    const { upstreamCall, response, ends } = begin(variant);
    upstreamCall.head();
    for (let index = 0; index < 500; index += 1) upstreamCall.data(': OPENROUTER PROCESSING\n\n');
    upstreamCall.data(chatEvent('a'));
    expect(await response).toMatchObject({ body: { kind: 'stream' } });
    expect(ends).toEqual([]);
  });
});

test('events that repeat a large request before the first one are let through', async () => {
  const { upstreamCall, response } = begin({ prompt: 'x'.repeat(2 * MIB) });
  upstreamCall.head();
  const echo = { id: 'x', created: 1, choices: [], prompt: 'x'.repeat(2 * MIB) };
  for (let times = 0; times < 3; times += 1) upstreamCall.data(`data: ${JSON.stringify(echo)}\n\n`);
  upstreamCall.data(chatEvent('a'));
  expect(await response).toMatchObject({ body: { kind: 'stream' } });
});

test('a first event of a few megabytes, such as a picture, is let through', async () => {
  const { upstreamCall, response } = begin({});
  upstreamCall.head();
  const event = chatEvent('x'.repeat(4 * MIB));
  for (let at = 0; at < event.length; at += 16_384) upstreamCall.data(event.slice(at, at + 16_384));
  expect(await response).toMatchObject({ body: { kind: 'stream' } });
});

describe.each(variants)('in a stream that is %s', (_name, variant) => {
  test.each([
    ['a line', 'x'.repeat(65_536)],
    ['an event of many lines', 'data: x\n'.repeat(8_192)],
    ['fields that mean nothing', 'x: y\n'.repeat(8_192)],
  ])('%s without end fails the attempt', (_case, piece) => {
    const { upstreamCall, ends, flood } = begin(variant);
    upstreamCall.head();
    upstreamCall.data(': hello\n\ndata: ');
    flood(piece, 72 * MIB);
    expect(ends).toMatchObject([{ kind: 'failed', error: { code: 'upstream_invalid_response' } }]);
  });

  test('text without end is kept in part only', async () => {
    const { upstreamCall, response, flood } = begin(variant);
    upstreamCall.head();
    upstreamCall.data(chatEvent('a'));
    const settled = await response;
    if (settled instanceof GatewayError || settled.body.kind !== 'stream') throw new Error('no stream');
    drainStream(settled.body.stream);
    const before = memory();
    flood(chatEvent('x'.repeat(16_384)), 64 * MIB);
    expect(memory() - before).toBeLessThan(24 * MIB);
  });

  test('one byte at a time costs no more than its bytes', () => {
    const { upstreamCall, ends } = begin(variant);
    upstreamCall.head();
    const before = memory();
    upstreamCall.data('data: ');
    for (let sent = 0; sent < 500_000; sent += 1) upstreamCall.data('x');
    expect(memory() - before).toBeLessThan(24 * MIB);
    expect(ends).toEqual([]);
  });
});

describe('a body', () => {
  test('larger than the bound fails the attempt, complete or streamed', async () => {
    for (const stream of [true, false]) {
      const { upstreamCall, ends, flood } = begin({ stream, maxResponseBytes: MIB });
      upstreamCall.head(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
      if (stream) upstreamCall.data(chatEvent('a'));
      const sent = flood(stream ? '\n'.repeat(4_096) : ' '.repeat(4_096));
      expect(sent).toBeLessThanOrEqual(MIB + 4_096);
      expect(ends).toMatchObject([
        {
          kind: 'failed',
          error: { code: 'upstream_invalid_response', message: expect.stringContaining('1048576') },
        },
      ]);
      expect(upstreamCall.state).toBe('aborted');
    }
  });

  test('of an error is kept up to 256 KiB', async () => {
    const { upstreamCall, ends, flood } = begin({ stream: false });
    upstreamCall.head(500, { 'content-type': 'application/json' });
    expect(flood('x'.repeat(4_096))).toBeLessThanOrEqual(256 * 1024 + 4_096);
    expect(ends).toMatchObject([{ kind: 'failed', error: { code: 'upstream_error' } }]);
  });

  test('in pieces of one byte costs no more than its bytes', () => {
    const { upstreamCall } = begin({ stream: false });
    upstreamCall.head(200, { 'content-type': 'application/json' });
    const before = memory();
    for (let sent = 0; sent < 1_000_000; sent += 1) upstreamCall.data(' ');
    expect(memory() - before).toBeLessThan(24 * MIB);
  });
});

describe('an upstream that sends a byte now and then', () => {
  test('owes its first event in time nevertheless', () => {
    const { upstreamCall, ends, pass } = begin({});
    upstreamCall.head();
    for (let turn = 0; turn < 20 && ends.length === 0; turn += 1) {
      upstreamCall.data('d');
      pass(50);
    }
    expect(ends).toMatchObject([{ kind: 'failed', error: { code: 'upstream_timeout' } }]);
  });

  test('is ended by the deadline of the request', () => {
    const { upstreamCall, ends, pass } = begin({});
    upstreamCall.head();
    upstreamCall.data(chatEvent('a'));
    let turns = 0;
    for (; turns < 200 && ends.length === 0; turns += 1) {
      upstreamCall.data(':');
      pass(299);
    }
    expect(ends).toMatchObject([{ kind: 'failed', error: { code: 'deadline_exceeded' } }]);
    expect(turns).toBe(Math.ceil(DEADLINE / 299));
  });

  test('that is a complete response must send all of it in time', () => {
    const { upstreamCall, ends, pass } = begin({ stream: false });
    upstreamCall.head(200, { 'content-type': 'application/json' });
    for (let turn = 0; turn < 20 && ends.length === 0; turn += 1) {
      upstreamCall.data(' ');
      pass(50);
    }
    expect(ends).toMatchObject([{ kind: 'failed', error: { code: 'upstream_timeout' } }]);
  });
});

/** Bytes in use. */
function memory(): number {
  Bun.gc(true);
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
