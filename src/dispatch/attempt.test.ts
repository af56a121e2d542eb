import { describe, expect, test } from 'bun:test';
import zlib from 'node:zlib';
import { toText } from '../../test/support/bytes.ts';
import { eventData } from '../../test/support/event-stream.ts';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { FakeTransport } from '../../test/support/fake-transport.ts';
import {
  chatAnswer,
  chatEvent,
  testCall,
  testContext,
  testProvider,
  testTarget,
} from '../../test/support/inference.ts';
import { renderedBody } from '../../test/support/rendered-body.ts';
import { GatewayError } from '../core/errors.ts';
import { Attempt, anotherWasFaster } from './attempt.ts';
import type { AttemptEnd } from './attempt-options.ts';
import { DeadlineMonitor } from './deadlines.ts';

const DEADLINE = 10_000;

function begin(stream: boolean) {
  const clock = new FakeClock();
  const transport = new FakeTransport();
  const ends: AttemptEnd[] = [];
  let firstEvents = 0;
  const deadlines = new DeadlineMonitor(
    () => clock.now(),
    () => () => undefined,
  );
  const attempt = new Attempt({
    call: testCall({ model: 'asked', stream, messages: [{ role: 'user', content: 'Hi' }] }),
    target: testTarget(testProvider({ transport })),
    context: testContext(),
    now: () => clock.now(),
    deadlines,
    firstTokenMs: stream ? 200 : Number.POSITIVE_INFINITY,
    streamIdleMs: 300,
    deadlineAt: DEADLINE,
    streamMode: 'bytes',
    onFirstEvent: () => {
      firstEvents += 1;
    },
    onEnd: (end) => ends.push(end),
  });
  const answer = attempt.response.catch((error: unknown) => {
    if (error instanceof GatewayError) return error;
    throw error;
  });
  attempt.start();
  const pass = (ms: number) => {
    clock.advance(ms);
    deadlines.sweep();
  };
  const body = async () => {
    const settled = await answer;
    if (settled instanceof GatewayError || settled.body.kind !== 'stream')
      throw new Error('there is no stream');
    return renderedBody(settled.body.stream);
  };
  return { attempt, upstreamCall: transport.last, answer, ends, pass, body, firstEvents: () => firstEvents };
}

const codeOf = (value: unknown) => (value instanceof GatewayError ? value.code : undefined);

describe('a plain answer', () => {
  test('is forwarded complete, and the connection is kept for reuse', async () => {
    const { upstreamCall, answer, ends, firstEvents } = begin(false);
    upstreamCall.head(200, { 'content-type': 'application/json' });
    const text = chatAnswer('hi');
    upstreamCall.data(text.slice(0, 20));
    upstreamCall.data(text.slice(20));
    expect(firstEvents()).toBe(0);
    upstreamCall.end();
    expect(await answer).toMatchObject({ body: { kind: 'complete', result: { finishReason: 'stop' } } });
    expect(ends).toMatchObject([{ kind: 'done', observed: { usage: { inputTokens: 3, outputTokens: 2 } } }]);
    expect([upstreamCall.state, firstEvents()]).toEqual(['ended', 1]);
  });

  test('may take until the deadline, and no longer', async () => {
    const { upstreamCall, answer, pass, ends } = begin(false);
    pass(DEADLINE - 1);
    expect(upstreamCall.open).toBe(true);
    pass(1);
    expect(codeOf(await answer)).toBe('deadline_exceeded');
    expect([upstreamCall.state, ends.length]).toEqual(['aborted', 1]);
  });

  test.each(['text/event-stream', 'application/json', 'text/plain', ''])(
    'that comes as an event stream of the type "%s" is read from it',
    async (type) => {
      const { upstreamCall, answer, ends, pass } = begin(false);
      upstreamCall.head(200, { 'content-type': type });
      upstreamCall.data(`: waiting\n\n${chatEvent('Good ')}`);
      upstreamCall.data(chatEvent('day'));
      upstreamCall.data(`${chatEvent('', 'stop')}data: [DONE]\n\n`);
      const settled = await answer;
      if (settled instanceof GatewayError || settled.body.kind !== 'complete') throw new Error('no answer');
      expect(JSON.parse(settled.body.result.text)).toMatchObject({
        object: 'chat.completion',
        choices: [{ message: { content: 'Good day' }, finish_reason: 'stop' }],
      });
      expect(ends).toMatchObject([{ kind: 'done' }]);
      // An upstream that does not end its body is not waited for.
      pass(1_001);
      expect(upstreamCall.state).toBe('aborted');
    },
  );

  test('that comes as an event stream without an end is a failure', async () => {
    const { upstreamCall, answer } = begin(false);
    upstreamCall.head(200, { 'content-type': 'text/event-stream' });
    upstreamCall.data(chatEvent('Good '));
    upstreamCall.end();
    expect(codeOf(await answer)).toBe('upstream_closed');
  });

  test('that is complete and unreadable is not asked for again', async () => {
    const { upstreamCall, answer } = begin(false);
    upstreamCall.head(200, { 'content-type': 'text/html' });
    upstreamCall.data('<html>');
    upstreamCall.end();
    expect(await answer).toMatchObject({ code: 'upstream_invalid_response', details: { isFinal: true } });
  });

  test.each([
    ['gzip', zlib.gzipSync, 'gzip'],
    ['br', zlib.brotliCompressSync, 'br'],
    ['zstd', zlib.zstdCompressSync, 'zstd'],
    ['gzip, without saying so', zlib.gzipSync, undefined],
  ])('that is compressed with %s is read', async (_, compress, encoding) => {
    const { upstreamCall, answer, ends } = begin(false);
    const coding: Record<string, string> = encoding === undefined ? {} : { 'content-encoding': encoding };
    upstreamCall.head(200, { 'content-type': 'application/json', ...coding });
    const body = compress(chatAnswer('packed'));
    upstreamCall.data(body.subarray(0, 10));
    upstreamCall.data(body.subarray(10));
    upstreamCall.end();
    expect(await answer).toMatchObject({ body: { kind: 'complete', result: { finishReason: 'stop' } } });
    expect(ends).toMatchObject([{ kind: 'done' }]);
  });

  test('whose compressed body is malformed, or of an unknown coding, is a failure', async () => {
    const broken = begin(false);
    broken.upstreamCall.head(200, { 'content-encoding': 'gzip' });
    broken.upstreamCall.data('no gzip at all');
    broken.upstreamCall.end();
    expect(await broken.answer).toMatchObject({ message: expect.stringContaining('not valid gzip') });
    const unknown = begin(false);
    unknown.upstreamCall.head(200, { 'content-encoding': 'pack200' });
    expect(await unknown.answer).toMatchObject({ message: expect.stringContaining('"pack200"') });
    expect(unknown.upstreamCall.state).toBe('aborted');
  });

  test('with an error status is explained, however endless its body', async () => {
    const { upstreamCall, answer } = begin(false);
    upstreamCall.head(500, { 'content-type': 'text/plain' });
    for (let count = 0; upstreamCall.open && count < 100; count += 1) upstreamCall.data('x'.repeat(10_000));
    expect(codeOf(await answer)).toBe('upstream_error');
    expect(upstreamCall.state).toBe('aborted');
  });
});

describe('a stream', () => {
  test('commits at its first event, not at its head or at a comment', async () => {
    const { upstreamCall, body, firstEvents } = begin(true);
    upstreamCall.head();
    upstreamCall.data(': ping\n\n');
    expect(firstEvents()).toBe(0);
    upstreamCall.data(chatEvent('a'));
    expect(firstEvents()).toBe(1);
    const { value } = await (await body()).getReader().read();
    expect(toText(value ?? new Uint8Array())).toBe(': ping\n\n');
  });

  test('that fails in the same read as its first event leaves the way to another target open', async () => {
    const { upstreamCall, answer, firstEvents, ends } = begin(true);
    upstreamCall.head();
    upstreamCall.data(`${chatEvent('a')}data: {"error":{"message":"no"}}\n\n`);
    expect(codeOf(await answer)).toBe('upstream_error');
    expect([firstEvents(), ends.length, upstreamCall.state]).toEqual([0, 1, 'aborted']);
  });

  test('that fails later ends with an error event', async () => {
    const { upstreamCall, body, ends } = begin(true);
    upstreamCall.head();
    upstreamCall.data(chatEvent('a'));
    upstreamCall.fail('closed_mid_body');
    const data = eventData(new Uint8Array(await new Response(await body()).arrayBuffer()));
    expect(data).toHaveLength(2);
    expect(JSON.parse(data[1] ?? '')).toMatchObject({ error: { code: 'upstream_closed' } });
    expect(ends).toMatchObject([{ kind: 'failed', observed: { chunks: 1 } }]);
  });

  test('makes the upstream wait for a slow reader, whose slowness is not the upstream’s silence', async () => {
    const { upstreamCall, body, pass, ends } = begin(true);
    upstreamCall.head();
    let sent = 0;
    while (!upstreamCall.paused && sent < 100) {
      upstreamCall.data(chatEvent('a'));
      sent += 1;
    }
    expect(sent).toBeLessThan(20);
    pass(5_000);
    expect(ends).toEqual([]);

    const reader = (await body()).getReader();
    for (let count = 0; count < sent && upstreamCall.paused; count += 1) {
      await reader.read();
      await settle();
    }
    expect(upstreamCall.paused).toBe(false);
    // From now on it is the upstream's turn again.
    pass(301);
    expect(ends).toMatchObject([{ kind: 'failed', error: { code: 'upstream_timeout' } }]);
  });

  test('owes its first event and each next one in time', async () => {
    const late = begin(true);
    late.upstreamCall.head();
    late.pass(200);
    expect(codeOf(await late.answer)).toBe('upstream_timeout');

    const { upstreamCall, pass, ends } = begin(true);
    upstreamCall.head();
    for (let count = 0; count < 5; count += 1) {
      upstreamCall.data(chatEvent('a'));
      pass(299);
    }
    expect(ends).toEqual([]);
    pass(1);
    expect(ends).toMatchObject([{ kind: 'failed', error: { code: 'upstream_timeout' } }]);
  });

  test('gives its connection a moment to end after the last event', async () => {
    const kept = begin(true);
    kept.upstreamCall.head();
    kept.upstreamCall.data(`${chatEvent('', 'stop')}data: [DONE]\n\n`);
    expect(kept.ends).toMatchObject([{ kind: 'done' }]);
    kept.pass(999);
    kept.upstreamCall.end();
    kept.pass(5_000);
    expect([kept.upstreamCall.state, kept.upstreamCall.aborts]).toEqual(['ended', 0]);

    const dropped = begin(true);
    dropped.upstreamCall.head();
    dropped.upstreamCall.data(`${chatEvent('', 'stop')}data: [DONE]\n\n`);
    dropped.pass(1_000);
    expect([dropped.upstreamCall.state, dropped.ends.length]).toEqual(['aborted', 1]);
  });

  test('that lost its reader is stopped at its source', async () => {
    const { upstreamCall, body, ends } = begin(true);
    upstreamCall.head();
    upstreamCall.data(chatEvent('a'));
    await (await body()).cancel();
    expect(upstreamCall.state).toBe('aborted');
    expect(ends).toMatchObject([{ kind: 'client_gone', observed: { chunks: 1 } }]);
  });

  test('that the gateway does not need is stopped, and no client left', async () => {
    const { attempt, upstreamCall, answer, ends } = begin(true);
    upstreamCall.head();
    attempt.cancel(anotherWasFaster());
    expect([codeOf(await answer), upstreamCall.state]).toEqual(['client_closed_request', 'aborted']);
    expect(ends.map(({ kind }) => kind)).toEqual(['stopped']);
  });

  test('is recognised whatever the case of its content type', async () => {
    const { upstreamCall, firstEvents } = begin(true);
    upstreamCall.head(200, { 'content-type': 'Text/Event-Stream; charset=utf-8' });
    upstreamCall.data(chatEvent('a'));
    expect(firstEvents()).toBe(1);
  });

  test.each(['application/json', 'text/event-stream', ''])(
    'that comes as a complete response of the type "%s" is made of it',
    async (type) => {
      const { upstreamCall, body, ends, firstEvents } = begin(true);
      upstreamCall.head(200, { 'content-type': type });
      const text = chatAnswer('All at once');
      upstreamCall.data(text.slice(0, 30));
      upstreamCall.data(text.slice(30));
      expect(firstEvents()).toBe(0);
      upstreamCall.end();
      const events = eventData(await new Response(await body()).bytes());
      expect(events.at(-1)).toBe('[DONE]');
      expect(events.join('\n')).toContain('All at once');
      expect(ends).toMatchObject([
        { kind: 'done', observed: { usage: { inputTokens: 3 }, finishReason: 'stop' } },
      ]);
    },
  );

  test('that is compressed waits for a slow client, also after the upstream has ended', async () => {
    const { upstreamCall, body } = begin(true);
    upstreamCall.head(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
    const texts = Array.from({ length: 2_000 }, (_, at) => `${at} ${'x'.repeat(500)}`);
    const events = texts.map((text) => chatEvent(text)).join('');
    upstreamCall.data(zlib.gzipSync(`${events}${chatEvent('', 'stop')}data: [DONE]\n\n`));
    upstreamCall.end();
    const parts: Uint8Array[] = [];
    for await (const part of await body()) {
      parts.push(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(eventData(Buffer.concat(parts)).length).toBe(2_002);
  });

  test('is recognised without its content type, also in small pieces', async () => {
    for (const type of ['', 'text/plain', 'application/json', 'application/octet-stream']) {
      const { upstreamCall, body } = begin(true);
      upstreamCall.head(200, { 'content-type': type });
      const text = `\r\n${chatEvent('piece')}${chatEvent('', 'stop')}data: [DONE]\n\n`;
      for (const character of text) upstreamCall.data(character);
      upstreamCall.end();
      expect(eventData(await new Response(await body()).bytes()).at(-1)).toBe('[DONE]');
    }
  });

  test.each(['gzip', undefined])('that is compressed, with the header %p, is read', async (encoding) => {
    const { upstreamCall, body } = begin(true);
    const coding: Record<string, string> = encoding === undefined ? {} : { 'content-encoding': encoding };
    upstreamCall.head(200, { 'content-type': 'text/event-stream', ...coding });
    upstreamCall.data(zlib.gzipSync(`${chatEvent('packed')}${chatEvent('', 'stop')}data: [DONE]\n\n`));
    upstreamCall.end();
    const events = eventData(await new Response(await body()).bytes());
    expect([events.length, events.at(-1)]).toEqual([3, '[DONE]']);
  });
});

test.each([
  ['connect', 'upstream_unreachable'],
  ['connect_timeout', 'upstream_timeout'],
  ['closed_before_response', 'upstream_closed'],
  ['protocol', 'upstream_invalid_response'],
] as const)('a transport failure "%s" is reported as %s', async (failure, code) => {
  const { upstreamCall, answer } = begin(false);
  upstreamCall.fail(failure);
  expect(codeOf(await answer)).toBe(code);
});

test('an attempt that was cancelled before its start sends nothing', async () => {
  const transport = new FakeTransport();
  const ends: AttemptEnd[] = [];
  const attempt = new Attempt({
    call: testCall(),
    target: testTarget(testProvider({ transport })),
    context: testContext(),
    now: () => 0,
    deadlines: new DeadlineMonitor(() => 0),
    firstTokenMs: 1,
    streamIdleMs: 1,
    deadlineAt: 1,
    streamMode: 'bytes',
    onFirstEvent: () => undefined,
    onEnd: (end) => ends.push(end),
  });
  attempt.cancel(new GatewayError('client_closed_request', 'gone'));
  attempt.start();
  expect(codeOf(await attempt.response.catch((error: unknown) => error))).toBe('client_closed_request');
  expect([transport.upstreamCalls.length, ends.map(({ kind }) => kind)]).toEqual([0, ['client_gone']]);
});
