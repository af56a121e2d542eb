import { expect, test } from 'bun:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { FakeTransport, type FakeUpstreamCall } from '../../test/support/fake-transport.ts';
import { chatEvent, testCall, testProvider } from '../../test/support/inference.ts';
import { testPipeline, testRequest } from '../../test/support/pipeline.ts';
import { readableOf } from '../core/push-stream.ts';
import { DeadlineMonitor } from '../dispatch/deadlines.ts';
import { type HedgeSettings, ModelDirectory } from '../routing/directory.ts';
import { TargetStates } from '../routing/health/target-states.ts';
import { createRoutingState, Router } from '../routing/router.ts';

/** Milliseconds to the first event: as usual, with up to 50 more, and where the target has a bad moment. */
const USUAL = 100;
const SLOW = 2_000;
const TICK = 10;

/** Of so many attempts one is slow to begin; an odd number, so that both targets have their share of them. */
const PERIOD = 21;

/** Asks one request after another. */
async function run(requests: number, hedging: HedgeSettings | undefined) {
  const clock = new FakeClock();
  const transport = new FakeTransport();
  const states = new TargetStates();
  const providers = ['a', 'b'].map((id) => testProvider({ id, transport }));
  const targets = providers.map(({ id }) => ({ provider: id, model: 'up', weight: 1 }));
  const directory = new ModelDirectory(
    [{ id: 'asked', aliases: [], strategy: 'round-robin', targets, fallbacks: [], hedging }],
    providers,
    () => new Map(),
  );
  let turn = 0;
  const router = new Router({ ...createRoutingState(states), directory, random: () => 0 });
  const { handle } = testPipeline({
    ...{ clock, states, directory, router },
    deadlines: new DeadlineMonitor(
      () => clock.now(),
      () => () => undefined,
    ),
    limits: {
      firstTokenMs: 60_000,
      answerMs: Number.POSITIVE_INFINITY,
      streamIdleMs: 60_000,
      queueTimeoutMs: 500,
    },
  });
  const due = new Map<FakeUpstreamCall, number>();
  const firsts: number[] = [];
  let attempts = 0;
  let completed = 0;
  for (let number = 0; number < requests; number += 1) {
    const { request, outcomes } = testRequest(clock.now(), Number.POSITIVE_INFINITY, `r${number}`);
    const responding = handle(request, testCall({ model: 'asked', stream: true }));
    while (request.timing.committedAt === undefined) {
      await settle();
      for (const upstreamCall of transport.upstreamCalls) {
        if (!upstreamCall.open) continue;
        const at = due.get(upstreamCall);
        if (at === undefined) {
          // The fault is the attempt's, and comes evenly.
          turn += 1;
          due.set(upstreamCall, clock.now() + (turn % PERIOD === 0 ? SLOW : USUAL + ((turn * 7) % 50)));
        } else if (clock.now() + TICK >= at && upstreamCall.state === 'waiting') {
          upstreamCall.head();
          upstreamCall.data(chatEvent('hi') + chatEvent('', 'stop'));
          upstreamCall.data('data: [DONE]\n\n');
          upstreamCall.end();
        }
      }
      if (request.timing.committedAt === undefined) clock.advance(TICK);
    }
    firsts.push(request.timing.committedAt - request.timing.startedAt);
    attempts += request.routing.attempts.length;
    const response = await responding;
    if (response.kind === 'stream') for await (const _ of readableOf(response.body));
    await settle();
    completed += outcomes.length;
    expect(transport.upstreamCalls.filter(({ open }) => open)).toEqual([]);
    transport.upstreamCalls.length = 0;
    due.clear();
  }
  expect([completed, states.total(), clock.sleeping]).toEqual([requests, 0, 0]);
  return {
    p99: firsts.toSorted((a, b) => a - b)[Math.floor(requests * 0.99)] ?? 0,
    extra: attempts - requests,
  };
}

const REQUESTS = 1_000;
const HEDGED = { percent: 6, afterMs: undefined, maxPriceRatio: 2 };

test('hedging halves the p99 time to the first token where five in a hundred are slow, for less than 6 % more requests', async () => {
  const plain = await run(REQUESTS, undefined);
  const hedged = await run(REQUESTS, HEDGED);
  expect(plain.p99).toBeWithin(SLOW - TICK, SLOW + TICK);
  expect(plain.extra).toBe(0);
  expect(hedged.p99).toBeLessThan(plain.p99 / 2);
  expect(hedged.extra).toBeWithin(20, REQUESTS * 0.06);
}, 60_000);

test('hedges are never more than their share, however slow everything is', async () => {
  const { extra } = await run(400, { ...HEDGED, percent: 2, afterMs: 50 });
  expect(extra).toBe(8);
}, 60_000);
