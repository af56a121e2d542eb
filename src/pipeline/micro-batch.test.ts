import { expect, test } from 'bun:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { FakeTransport, type FakeUpstreamCall } from '../../test/support/fake-transport.ts';
import { testEmbeddingCall, testProvider } from '../../test/support/inference.ts';
import { testPipeline, testRequest } from '../../test/support/pipeline.ts';
import { GatewayError } from '../core/errors.ts';
import { isRecord, listOf } from '../core/json.ts';
import { DeadlineMonitor } from '../dispatch/deadlines.ts';
import { type MicroBatchSettings, ModelDirectory } from '../routing/directory.ts';
import { TargetStates } from '../routing/health/target-states.ts';
import { createRoutingState, Router } from '../routing/router.ts';

const WINDOW = 3;
const LEFT = new GatewayError('client_closed_request', 'left');

function start(settings: Partial<MicroBatchSettings> = {}) {
  const clock = new FakeClock();
  const transport = new FakeTransport();
  const states = new TargetStates();
  const provider = testProvider({ transport });
  const microBatch = { windowMs: WINDOW, maxInputs: 4, maxBytes: 10_000, ...settings };
  const directory = new ModelDirectory(
    [
      {
        ...{ id: 'asked', aliases: [], strategy: 'round-robin', fallbacks: [], microBatch },
        targets: [{ provider: provider.id, model: 'up', weight: 1 }],
      },
    ],
    [provider],
    () => new Map(),
  );
  const router = new Router({ ...createRoutingState(states), directory, random: () => 0 });
  const deadlines = new DeadlineMonitor(
    () => clock.now(),
    () => () => undefined,
  );
  const calls: string[] = [];
  const pipeline = testPipeline({
    ...{ clock, states, directory, router, deadlines },
    limits: { firstTokenMs: 60_000, answerMs: 1_000, streamIdleMs: 60_000, queueTimeoutMs: 500 },
    observer: {
      attemptEnded: () => undefined,
      queueLeft: () => undefined,
      callJoined: (model, requests, result) => calls.push(`${model} ${requests} ${result}`),
    },
  });
  let requests = 0;
  const send = (input: unknown, { deadlineAt = Number.POSITIVE_INFINITY, ...more } = {}) => {
    requests += 1;
    const { request } = testRequest(clock.now(), deadlineAt, `req_${requests}`);
    const call = testEmbeddingCall({ model: 'asked', input, ...more });
    const outcome = pipeline.handle(request, call).then(
      (response) => (response.kind === 'complete' ? firstOf(JSON.parse(response.result.text)) : 'stream'),
      (error: unknown) => (error instanceof GatewayError ? error.code : error),
    );
    return { request, outcome };
  };
  /** Lets time pass, for windows and for deadlines. */
  const pass = async (ms: number) => {
    await settle();
    clock.advance(ms);
    deadlines.sweep();
    await settle();
  };
  const target = directory.resolve('asked')?.targets[0];
  if (!target) throw new Error('no target');
  return { clock, transport, send, pass, calls, state: () => states.of(target) };
}

function firstOf(body: unknown): unknown {
  const [item] = listOf(isRecord(body) ? body.data : undefined);
  return isRecord(item) ? item.embedding : undefined;
}

const inputsOf = ({ request }: FakeUpstreamCall) => {
  const body: unknown = JSON.parse(String(request.body));
  return isRecord(body) ? body.input : undefined;
};

/** Responds with the length of each input. */
function respond(call: FakeUpstreamCall, status = 200, body?: unknown): void {
  const inputs = listOf(inputsOf(call));
  const all = inputs.length === 0 ? [inputsOf(call)] : inputs;
  const data = all.map((input, index) => ({ index, embedding: [String(input).length] }));
  call.head(status, { 'content-type': 'application/json' });
  call.data(JSON.stringify(body ?? { object: 'list', data, usage: { prompt_tokens: 9 } }));
  call.end();
}

test('calls within the window are one call, and one that no other joins is sent as it is', async () => {
  const { transport, send, pass, calls } = start();
  const some = [send('a'), send(['bb', 'ccc'])];
  await pass(WINDOW);
  const lone = send('dddd');
  await pass(WINDOW);
  expect(transport.upstreamCalls.map(inputsOf)).toEqual([['a', 'bb', 'ccc'], 'dddd']);
  for (const call of transport.upstreamCalls) respond(call);
  expect(await Promise.all([...some, lone].map(({ outcome }) => outcome))).toEqual([[1], [2], [4]]);
  expect(calls).toEqual(['asked 2 done']);
  expect(some[1]?.request.routing.attempts[0]?.joined).toMatchObject({ requests: 2, inputs: 3 });
  expect(lone.request.routing.attempts[0]?.joined).toBeUndefined();
});

test('a full batch is sent at once, and what does not fit begins the next one', async () => {
  const { transport, send, pass } = start();
  for (const input of ['a', 'b', ['c', 'd', 'e'], 'f', ['g', 'h', 'i', 'j']]) send(input);
  await pass(0);
  expect(transport.upstreamCalls.map(inputsOf)).toEqual([
    ['a', 'b'],
    ['c', 'd', 'e', 'f'],
    ['g', 'h', 'i', 'j'],
  ]);
  const small = start({ maxBytes: 70 });
  for (const input of ['a', 'b', 'c', 'd'.repeat(200)]) small.send(input);
  await small.pass(WINDOW);
  expect(small.transport.upstreamCalls.map(inputsOf)).toEqual([['a', 'b'], 'd'.repeat(200), 'c']);
});

test('a client that leaves takes nothing from the others', async () => {
  const { transport, send, pass, calls } = start();
  const early = send('a');
  const [late, staying] = [send('bb'), send('ccc')];
  await settle();
  early.request.abort(LEFT);
  // No upstream has worked for it.
  expect(early.request.routing.attempts[0]?.usage).toMatchObject({ inputTokens: 0, outputTokens: 0 });
  await pass(WINDOW);
  expect(transport.upstreamCalls.map(inputsOf)).toEqual([['bb', 'ccc']]);
  late.request.abort(LEFT);
  await settle();
  expect(transport.last.aborts).toBe(0);
  respond(transport.last);
  expect(await Promise.all([early, late, staying].map(({ outcome }) => outcome))).toEqual([
    'client_closed_request',
    'client_closed_request',
    [3],
  ]);
  expect(calls).toEqual(['asked 2 done']);
  const all = [send('a'), send('b')];
  await pass(WINDOW);
  for (const { request } of all) request.abort(LEFT);
  await Promise.all(all.map(({ outcome }) => outcome));
  expect([transport.last.aborts, calls.at(-1)]).toEqual([1, 'asked 2 cancelled']);
});

test('a window as long as the time of the target joins nothing', async () => {
  const { transport, send } = start({ windowMs: 500 });
  const sent = [send('a'), send('bb')];
  await settle();
  expect(transport.upstreamCalls.map(inputsOf)).toEqual(['a', 'bb']);
  for (const call of transport.upstreamCalls) respond(call);
  expect(await Promise.all(sent.map(({ outcome }) => outcome))).toEqual([[1], [2]]);
});

test('each request keeps its own deadline, and one without time is sent alone', async () => {
  const { transport, send, pass } = start();
  const [short, long] = [send('a', { deadlineAt: 50 }), send('bb')];
  const hurried = send('ccc', { deadlineAt: 2 * WINDOW });
  await pass(WINDOW);
  expect(transport.upstreamCalls.map(inputsOf)).toEqual(['ccc', ['a', 'bb']]);
  for (const call of transport.upstreamCalls.slice(0, 1)) respond(call);
  await pass(100);
  expect(await short.outcome).toBe('deadline_exceeded');
  respond(transport.last);
  expect(await Promise.all([long.outcome, hurried.outcome])).toEqual([[2], [3]]);
});

test('one bad input fails its own request only', async () => {
  const { transport, send, pass, calls, state } = start();
  const three = [send('a'), send('bad'), send('cc')];
  await pass(WINDOW);
  respond(transport.last, 400, { error: { message: 'bad input', type: 'invalid_request_error' } });
  await settle();
  const [, ...alone] = transport.upstreamCalls;
  expect(alone.map(inputsOf)).toEqual(['a', 'bad', 'cc']);
  for (const call of alone) {
    if (inputsOf(call) === 'bad') respond(call, 400, { error: { message: 'bad input' } });
    else respond(call);
  }
  expect(await Promise.all(three.map(({ outcome }) => outcome))).toEqual([[1], 'upstream_rejected', [2]]);
  expect(calls).toEqual(['asked 3 rejected']);
  expect(three[0]?.request.routing.attempts).toHaveLength(1);
  expect(state().inflight).toBe(0);
});

test('a failure counts once for the target, and requests are tried again alone', async () => {
  const { transport, send, pass, calls, state } = start();
  const some = [send('a'), send('bb'), send('ccc')];
  await pass(WINDOW);
  respond(transport.last, 500, { error: { message: 'broken' } });
  await pass(5_000);
  expect(state().failures).toBe(1);
  const [, ...again] = transport.upstreamCalls;
  expect(again.map(inputsOf)).toEqual(['a', 'bb', 'ccc']);
  for (const call of again) respond(call);
  expect(await Promise.all(some.map(({ outcome }) => outcome))).toEqual([[1], [2], [3]]);
  expect([calls, state().successes]).toEqual([['asked 3 failed'], 3]);
});

test('a timeout counts once, and ends the upstream call', async () => {
  const { transport, send, pass, calls, state } = start();
  const some = [send('a', { deadlineAt: 1_500 }), send('bb', { deadlineAt: 1_500 })];
  await pass(WINDOW);
  await pass(1_100);
  expect([transport.upstreamCalls[0]?.aborts, state().failures, calls]).toEqual([1, 1, ['asked 2 failed']]);
  await pass(5_000);
  for (const { outcome } of some) expect(await outcome).toMatch(/upstream_timeout|deadline_exceeded/);
});

test('a response without a vector for each input is an error, and is not asked for again', async () => {
  const { transport, send, pass, state } = start();
  const some = [send('a'), send('bb')];
  await pass(WINDOW);
  respond(transport.last, 200, { object: 'list', data: [{ index: 0, embedding: [1] }] });
  await pass(5_000);
  expect(await Promise.all(some.map(({ outcome }) => outcome))).toEqual([
    'upstream_invalid_response',
    'upstream_invalid_response',
  ]);
  expect([transport.upstreamCalls.length, state().failures, state().inflight]).toEqual([1, 1, 0]);
});
