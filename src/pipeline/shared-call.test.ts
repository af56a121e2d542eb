import { expect, test } from 'bun:test';
import { testTarget } from '../../test/support/inference.ts';
import { testRequest } from '../../test/support/pipeline.ts';
import { GatewayError } from '../core/errors.ts';
import type { Frame, StreamEnd } from '../core/stream/frame.ts';
import { isConnectable, SourceStream } from '../core/stream/frame-stream.ts';
import { RequestScope } from './call-scope.ts';
import { SharedCall, type SharedCallMember } from './shared-call.ts';

const GONE = new GatewayError('client_closed_request', 'gone');
const HOST = { now: () => 0, settleDetached: () => undefined, onFault: () => undefined };
const frame = (text: string, isLast = false): Frame => ({
  bytes: Buffer.from(text),
  events: [],
  ...(isLast ? { isLast } : {}),
});

/** A shared call whose upstream the test plays. */
function sharedCall(bufferBytes = 100) {
  const upstream = { pauses: 0, cancelled: false };
  const source: SourceStream = new SourceStream('bytes', {
    observed: { usage: undefined, finishReason: undefined, chunks: 0 },
    pause: () => {
      upstream.pauses += 1;
    },
    resume: () => {
      upstream.pauses -= 1;
    },
    cancel: (reason) => {
      upstream.cancelled = true;
      source.finish({ kind: 'cancelled', reason });
    },
    renderFailure: () => undefined,
  });
  const scope = () => new RequestScope(HOST, testRequest().request, Number.POSITIVE_INFINITY);
  const owner = scope();
  const watched = new Set<SharedCallMember>();
  let closed = 0;
  const call = new SharedCall({
    ...{ owner, bufferBytes },
    deadlines: { watch: (entry) => watched.add(entry), unwatch: (entry) => watched.delete(entry) },
    onClosed: () => {
      closed += 1;
    },
  });
  const respond = () =>
    call.respond({
      source: { kind: 'target', target: testTarget() },
      body: { kind: 'stream', stream: source },
    });
  return { ...{ call, source, scope, owner, upstream, respond, watched }, closed: () => closed };
}

/** Joins a call and reads its stream. `stop` and `go` are the client's backpressure. */
async function member(call: SharedCall, scope: RequestScope) {
  const { body } = await call.join(scope);
  if (body.kind !== 'stream' || !isConnectable(body.stream)) throw new Error('no stream');
  const { stream } = body;
  const read: { text: string; end: StreamEnd | undefined } = { text: '', end: undefined };
  stream.connect({
    frame: ({ bytes }) => {
      read.text += String(bytes);
    },
    end: (end) => {
      read.end = end;
    },
  });
  return { read, stop: () => stream.pause(), go: () => stream.resume(), leave: () => stream.cancel(GONE) };
}

test('a late joiner receives the beginning first', async () => {
  const { call, source, scope, respond, closed } = sharedCall();
  const early = member(call, scope());
  respond();
  const { read: first } = await early;
  for (const text of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']) source.push(frame(text));
  const { read: late } = await member(call, scope());
  source.push(frame('k', true));
  source.finish({ kind: 'done' });
  for (const read of [first, late]) expect(read).toEqual({ text: 'abcdefghijk', end: { kind: 'done' } });
  expect([call.isOpen, closed()]).toEqual([false, 1]);
});

test('one client that leaves cancels nothing, the last one cancels the call', async () => {
  const { call, scope, respond, source, owner, upstream } = sharedCall();
  const [one, other] = [scope(), scope()];
  const joining = [member(call, one), member(call, other)];
  respond();
  const [first, second] = await Promise.all(joining);
  one.request.abort(GONE);
  expect(first?.read.end).toEqual({ kind: 'cancelled', reason: GONE });
  source.push(frame('a'));
  expect([second?.read.text, upstream.cancelled]).toEqual(['a', false]);
  second?.leave();
  expect([upstream.cancelled, owner.cancellation.reason?.details.byGateway]).toEqual([true, true]);
});

test('a request that leaves before the response gets its own reason', async () => {
  const { call, scope, owner, respond } = sharedCall();
  const [one, other] = [scope(), scope()];
  const leaving = call.join(one);
  const staying = member(call, other);
  one.request.abort(GONE);
  expect(leaving).rejects.toBe(GONE);
  respond();
  await staying;
  expect(owner.cancellation.reason).toBeUndefined();
});

test('the slowest member is cut off, the others are not', async () => {
  const { call, scope, respond, source, upstream } = sharedCall(10);
  const joining = [member(call, scope()), member(call, scope())];
  respond();
  const [slow, fast] = await Promise.all(joining);
  slow?.stop();
  source.push(frame('12345'));
  source.push(frame('67890'));
  expect([slow?.read.end, upstream.pauses]).toEqual([undefined, 0]);
  source.push(frame('x'));
  expect(slow?.read.end).toMatchObject({ kind: 'failed', error: { code: 'gateway_overloaded' } });
  source.push(frame('y', true));
  source.finish({ kind: 'done' });
  expect(fast?.read).toEqual({ text: '1234567890xy', end: { kind: 'done' } });
});

test('the upstream pauses while all members are paused', async () => {
  const { call, scope, respond, source, upstream } = sharedCall(10);
  const joining = [member(call, scope()), member(call, scope())];
  respond();
  const [one, other] = await Promise.all(joining);
  one?.stop();
  expect(upstream.pauses).toBe(0);
  other?.stop();
  expect(upstream.pauses).toBe(1);
  source.push(frame('abc'));
  one?.go();
  expect([upstream.pauses, one?.read.text, other?.read.text]).toEqual([0, 'abc', '']);
  other?.go();
  expect(other?.read.text).toBe('abc');
});

test('a paused member receives the rest after the end', async () => {
  const { call, scope, respond, source } = sharedCall();
  const joining = [member(call, scope()), member(call, scope())];
  respond();
  const [one, other] = await Promise.all(joining);
  one?.stop();
  source.push(frame('abc', true));
  source.finish({ kind: 'done' });
  expect([one?.read.end, other?.read.end]).toEqual([undefined, { kind: 'done' }]);
  one?.go();
  expect(one?.read).toEqual({ text: 'abc', end: { kind: 'done' } });
});

test('no request joins a response that is larger than the buffer', async () => {
  const { call, scope, respond, source, closed } = sharedCall(10);
  const joining = member(call, scope());
  respond();
  const { read } = await joining;
  source.push(frame('12345678'));
  expect(call.isOpen).toBe(true);
  source.push(frame('90123'));
  expect([call.isOpen, closed(), read.text]).toEqual([false, 1, '1234567890123']);
});

test('a member has its own, earlier deadline', async () => {
  const { call, scope, respond, watched } = sharedCall();
  const hurried = new RequestScope(HOST, testRequest().request, 50);
  const joining = [member(call, hurried), member(call, scope())];
  expect(watched.size).toBe(1);
  respond();
  const [first, second] = await Promise.all(joining);
  for (const entry of watched) entry.expire();
  expect(first?.read.end).toMatchObject({ kind: 'failed', error: { code: 'deadline_exceeded' } });
  expect([second?.read.end, watched.size]).toEqual([undefined, 0]);
});
