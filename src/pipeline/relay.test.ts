import { expect, test } from 'bun:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { testTarget } from '../../test/support/inference.ts';
import { MemoryRelay } from '../../test/support/memory-relay.ts';
import { testRequest } from '../../test/support/pipeline.ts';
import { GatewayError } from '../core/errors.ts';
import type { Frame, StreamEnd } from '../core/stream/frame.ts';
import { isConnectable, SourceStream } from '../core/stream/frame-stream.ts';
import { RequestScope } from './call-scope.ts';
import { RelayAbandonedError, RelayTable } from './relay-table.ts';
import { RelayWriter } from './relay-writer.ts';
import { SharedCall } from './shared-call.ts';

const GONE = new GatewayError('client_closed_request', 'gone');
const HOST = { now: () => 0, settleDetached: () => undefined, onFault: () => undefined };
const DEADLINES = { watch: () => undefined, unwatch: () => undefined };
const scope = () => new RequestScope(HOST, testRequest().request, Number.POSITIVE_INFINITY);
const frame = (text: string, isLast = false): Frame => ({
  bytes: new Uint8Array(Buffer.from(text)),
  events: [],
  ...(isLast ? { isLast } : {}),
});

/** Reads the stream of a request that joined a call. */
async function member(call: SharedCall, own = scope()) {
  const { body, source } = await call.join(own);
  if (body.kind !== 'stream' || !isConnectable(body.stream)) throw new Error('no stream');
  const { stream } = body;
  const read: { text: string; end: StreamEnd | undefined } = { text: '', end: undefined };
  stream.connect({
    frame: ({ bytes }) => {
      read.text += String(bytes && Buffer.from(bytes));
    },
    end: (end) => {
      read.end = end;
    },
  });
  return {
    ...{ read, source, observed: () => stream.observed },
    ...{ stop: () => stream.pause(), go: () => stream.resume(), leave: () => stream.cancel(GONE) },
  };
}

/** A gateway that makes a call, whose upstream the test plays, and others that read it. */
async function relayed(bufferBytes = 1_000) {
  const clock = new FakeClock();
  const relay = new MemoryRelay();
  const upstream = { pauses: 0, isCancelled: false };
  const source: SourceStream = new SourceStream('bytes', {
    observed: { usage: undefined, finishReason: 'stop', chunks: 3 },
    pause: () => {
      upstream.pauses += 1;
    },
    resume: () => {
      upstream.pauses -= 1;
    },
    cancel: (reason) => {
      upstream.isCancelled = true;
      source.finish({ kind: 'cancelled', reason });
    },
    renderFailure: () => undefined,
  });
  const { call } = await relay.claim('chat', 'acme');
  const shared = new SharedCall({
    ...{ owner: scope(), bufferBytes, deadlines: DEADLINES, onClosed: () => undefined },
  });
  const writer = new RelayWriter({ relay, call, clock, bufferBytes, shared, warnings: () => undefined });
  shared.add(writer);
  const respond = () =>
    shared.respond({
      source: { kind: 'target', target: testTarget() },
      body: { kind: 'stream', stream: source },
    });
  const table = new RelayTable(relay, clock, DEADLINES);
  let closed = 0;
  const follow = () =>
    table.read(call, {
      bufferBytes,
      onClosed: () => {
        closed += 1;
      },
    });
  /** Lets writer and readers work for some time. */
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 25) {
      await settle();
      clock.advance(25);
      await settle();
    }
  };
  return { ...{ clock, relay, upstream, source, call, shared, respond, follow, pass }, closed: () => closed };
}

test('a gateway that joins late receives the beginning first, and all of it', async () => {
  const { shared, respond, follow, source, pass, closed } = await relayed();
  const own = member(shared);
  respond();
  const { read } = await own;
  source.push(frame('one '));
  await pass(300);
  const { shared: other, relayed: known } = follow();
  const joining = [member(other), member(other)];
  await pass(200);
  const [first, second] = await Promise.all(joining);
  expect([first?.source, known.head?.provider]).toEqual([
    { kind: 'cache', name: testTarget().provider.id },
    testTarget().provider.id,
  ]);
  source.push(frame('two '));
  source.push(frame('three', true));
  source.finish({ kind: 'done' });
  await pass(300);
  for (const got of [read, first?.read, second?.read])
    expect(got).toEqual({ text: 'one two three', end: { kind: 'done' } });
  expect(first?.observed()).toMatchObject({ finishReason: 'stop', chunks: 3 });
  expect(closed()).toBe(1);
});

test('frames go together, and a gateway that reads gets them within 50 ms', async () => {
  const { shared, respond, follow, source, pass, relay } = await relayed();
  void member(shared);
  const reading = member(follow().shared);
  await pass(50);
  respond();
  await pass(200);
  const { read } = await reading;
  const before = relay.appended;
  for (let index = 0; index < 100; index += 1) source.push(frame('x'));
  await pass(50);
  expect([read.text.length, relay.appended - before]).toEqual([100, 1]);
});

test('the call goes on for other gateways when the last client of its own has left', async () => {
  const { shared, respond, follow, source, pass, upstream } = await relayed();
  const own = member(shared);
  const reading = member(follow().shared);
  await pass(25);
  respond();
  (await own).leave();
  await pass(200);
  const { read, leave } = await reading;
  expect(upstream.isCancelled).toBe(false);
  source.push(frame('on', true));
  await pass(100);
  expect(read.text).toBe('on');
  leave();
  expect(upstream.isCancelled).toBe(false);
});

test('without a client here or elsewhere, the call is cancelled', async () => {
  const { shared, respond, relay, call, follow, pass, upstream } = await relayed();
  const own = member(shared);
  const reading = member(follow().shared);
  await pass(25);
  respond();
  const first = await own;
  await pass(200);
  (await reading).leave();
  first.leave();
  await pass(50);
  expect(upstream.isCancelled).toBe(false);
  // Its note that it reads expires.
  relay.readers.delete(call.id);
  await pass(10_100);
  expect(upstream.isCancelled).toBe(true);
});

test('a failure after the response ends the streams of all gateways with it', async () => {
  const { shared, respond, follow, source, pass } = await relayed();
  void member(shared);
  const reading = member(follow().shared);
  respond();
  source.push(frame('one'));
  source.finish({ kind: 'failed', error: new GatewayError('upstream_timeout', 'too slow') });
  await pass(300);
  expect((await reading).read).toMatchObject({
    text: 'one',
    end: { kind: 'failed', error: { code: 'upstream_timeout', message: 'too slow' } },
  });
});

test('a call that fails before its response, or is not a stream, is left to others', async () => {
  for (const end of ['fails', 'is complete'] as const) {
    const { shared, follow, pass } = await relayed();
    const own = shared.join(scope());
    own.catch(() => undefined);
    const reading = follow().shared.join(scope());
    reading.catch(() => undefined);
    await pass(25);
    if (end === 'fails') shared.fail(new GatewayError('upstream_error', 'down'));
    else {
      const result = Object.create(null);
      shared.respond({
        source: { kind: 'target', target: testTarget() },
        body: { kind: 'complete', result },
      });
    }
    await pass(100);
    await expect(reading).rejects.toBeInstanceOf(RelayAbandonedError);
  }
});

test('the gateway that makes the call stops: before the response another makes it, later the stream is cut', async () => {
  for (const hasBegun of [false, true]) {
    const { shared, respond, follow, source, pass, relay, call } = await relayed();
    void member(shared);
    const reading = hasBegun ? member(follow().shared) : follow().shared.join(scope());
    reading.catch(() => undefined);
    if (hasBegun) {
      respond();
      source.push(frame('one'));
      await pass(100);
    }
    relay.release(call);
    await pass(400);
    if (!hasBegun) await expect(reading).rejects.toBeInstanceOf(RelayAbandonedError);
    else expect(await reading).toMatchObject({ read: { text: 'one', end: { kind: 'failed' } } });
  }
});

test('the store keeps no more than the buffer, and a gateway that is further behind is cut off', async () => {
  const { shared, respond, follow, source, pass, relay } = await relayed(100);
  const own = member(shared);
  respond();
  const { read } = await own;
  const early = member(follow().shared);
  await pass(50);
  const slow = await early;
  slow.stop();
  for (let index = 0; index < 50; index += 1) {
    source.push(frame('0123456789'));
    await pass(25);
  }
  expect(relay.bytes).toBeLessThanOrEqual(100);
  slow.go();
  await pass(1_200);
  expect(slow.read.end).toMatchObject({ kind: 'failed' });
  source.finish({ kind: 'done' });
  await pass(50);
  expect([read.text.length, read.end]).toEqual([500, { kind: 'done' }]);
  // The beginning is gone: a gateway that joins now makes a call of its own.
  const late = follow().shared.join(scope());
  late.catch(() => undefined);
  await pass(50);
  await expect(late).rejects.toBeInstanceOf(RelayAbandonedError);
});

test('a lost store costs the other gateways their streams, and this one nothing', async () => {
  const { shared, respond, follow, source, pass, relay, upstream } = await relayed();
  const own = member(shared);
  const reading = member(follow().shared);
  respond();
  source.push(frame('one '));
  await pass(200);
  relay.isLost = true;
  source.push(frame('two', true));
  await pass(600);
  source.finish({ kind: 'done' });
  expect((await own).read).toEqual({ text: 'one two', end: { kind: 'done' } });
  expect((await reading).read).toMatchObject({ text: 'one ', end: { kind: 'failed' } });
  expect(upstream.isCancelled).toBe(false);
});
