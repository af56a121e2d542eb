import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../core/errors.ts';
import { readableOf } from '../core/push-stream.ts';
import { SourceStream } from '../core/stream/frame-stream.ts';
import { KEEP_ALIVE_COMMENT, KeepAlives } from './keep-alives.ts';
import { StreamRenderer } from './stream-renderer.ts';

const encoder = new TextEncoder();

/** Keep-alives whose timer is the test. */
function create(intervalMs: number | null = 3_000) {
  const settings = { intervalMs };
  const ticks = new Set<() => void>();
  let timers = 0;
  const keepAlives = new KeepAlives(
    () => settings.intervalMs,
    (tick) => {
      ticks.add(tick);
      timers += 1;
      return () => ticks.delete(tick);
    },
  );
  const seconds = (count: number) => {
    for (let second = 0; second < count; second += 1) for (const tick of [...ticks]) tick();
  };
  return { keepAlives, seconds, settings, running: () => ticks.size, timers: () => timers };
}

function stream(keepAlives: KeepAlives, keepAlive: Uint8Array = KEEP_ALIVE_COMMENT) {
  const calls: string[] = [];
  const source = new SourceStream('bytes', {
    observed: { usage: undefined, finishReason: undefined, chunks: 0 },
    pause: () => calls.push('pause'),
    resume: () => calls.push('resume'),
    cancel: (reason: GatewayError) => calls.push(reason.code),
    renderFailure: () => undefined,
  });
  const renderer = new StreamRenderer({
    stream: source,
    writer: undefined,
    renderStreamError: (error) => encoder.encode(`error ${error.code}`),
    keepAlives,
    keepAlive,
    endOf: (end) => end,
    onLateError: () => undefined,
    onEnd: () => undefined,
  });
  const send = (text: string, isLast = false) =>
    source.push({ bytes: encoder.encode(text), events: [], ...(isLast ? { isLast } : {}) });
  const text = () => new Response(readableOf(renderer.body)).text();
  return { source, renderer, send, text, calls };
}

describe('a stream', () => {
  test('that is silent gets keep-alives, between events and until its end', async () => {
    const { keepAlives, seconds } = create();
    const { send, source, text } = stream(keepAlives);
    send('a|');
    seconds(2);
    send('b|');
    seconds(2);
    send('c|');
    seconds(6);
    source.finish({ kind: 'done' });
    seconds(60);
    expect(await text()).toBe('a|b|c|: keep-alive\n\n: keep-alive\n\n');
  });

  test('gets the keep-alive of its dialect', async () => {
    const { keepAlives, seconds } = create();
    const { source, text } = stream(keepAlives, encoder.encode('ping|'));
    seconds(3);
    source.finish({ kind: 'done' });
    expect(await text()).toBe('ping|');
  });

  test('gets none after its last event, and none that its client does not take', async () => {
    const { keepAlives, seconds } = create();
    const complete = stream(keepAlives);
    complete.send('a|', true);
    seconds(9);
    complete.source.finish({ kind: 'done' });
    expect(await complete.text()).toBe('a|');
    const stalled = stream(keepAlives);
    for (let count = 0; count < 20; count += 1) stalled.send('x');
    expect(stalled.calls).toEqual(['pause']);
    seconds(60);
    stalled.source.finish({ kind: 'done' });
    expect(await stalled.text()).toBe('x'.repeat(20));
  });

  test('gets none without an interval, also after a reload', async () => {
    const { keepAlives, seconds, settings } = create(null);
    const { source, text } = stream(keepAlives);
    seconds(60);
    settings.intervalMs = 1_000;
    seconds(1);
    settings.intervalMs = null;
    seconds(60);
    source.finish({ kind: 'done' });
    expect(await text()).toBe(': keep-alive\n\n');
  });
});

test('one timer serves all streams, and none runs without them', () => {
  const { keepAlives, seconds, running, timers } = create();
  expect(running()).toBe(0);
  const streams = Array.from({ length: 1_000 }, () => stream(keepAlives));
  expect([running(), timers(), keepAlives.size]).toEqual([1, 1, 1_000]);
  for (const { source } of streams.slice(0, 500)) source.finish({ kind: 'done' });
  for (const { source } of streams.slice(500, 700)) {
    source.finish({ kind: 'failed', error: new GatewayError('upstream_closed', 'cut') });
  }
  for (const { renderer } of streams.slice(700)) renderer.onCancel();
  expect(keepAlives.size).toBe(0);
  seconds(1);
  expect(running()).toBe(0);
});
