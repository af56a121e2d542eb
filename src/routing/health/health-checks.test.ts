import { describe, expect, test } from 'bun:test';
import { FakeTransport } from '../../../test/support/fake-transport.ts';
import { testProvider, testTarget } from '../../../test/support/inference.ts';
import { eventsTo } from '../../../test/support/recorded-events.ts';
import { EngineLoads } from '../engine-loads.ts';
import { HealthChecks, readEngineLoads } from './health-checks.ts';
import { TargetStates } from './target-states.ts';

const SETTINGS = { timeoutMs: 1_000, failures: 3, successes: 2 };

function create(profile = { healthPath: '/health' }) {
  const transport = new FakeTransport();
  const provider = testProvider({ transport, profile });
  const states = new TargetStates();
  const changes: string[] = [];
  const checks = new HealthChecks(
    states,
    () => 0,
    eventsTo({
      'provider.health_changed': ({ provider: id, healthy }) =>
        changes.push(`${id} ${healthy ? 'well' : 'dead'}`),
    }),
  );
  const state = states.of(testTarget(provider));
  /** One round, answered with this status; without one the connection fails. */
  const round = async (status?: number) => {
    const done = checks.round([provider], SETTINGS);
    await Promise.resolve();
    const upstreamCall = transport.upstreamCalls.findLast(({ open }) => open);
    if (status === undefined) upstreamCall?.fail('connect');
    else {
      upstreamCall?.head(status, {});
      upstreamCall?.end();
    }
    await done;
    return upstreamCall?.request.url;
  };
  return { provider, transport, states, state, changes, round };
}

describe('an engine', () => {
  test('is checked at its host, and becomes unhealthy after consecutive failures only', async () => {
    const { state, changes, round } = create();
    expect(await round()).toBe('http://upstream.test/health');
    await round(503);
    expect([state.unavailable(0), changes]).toEqual([undefined, []]);
    await round();
    expect([state.unavailable(0), changes]).toEqual(['unhealthy', ['p dead']]);
  });

  test('becomes healthy after consecutive successes, with slow start', async () => {
    const { state, changes, round } = create();
    for (const _ of [1, 2, 3]) await round();
    await round(200);
    expect(state.unavailable(0)).toBe('unhealthy');
    await round(404);
    expect([state.unavailable(0), state.share(0), changes]).toEqual([undefined, 0.1, ['p dead', 'p well']]);
  });

  test('that is healthy from the start is not reported', async () => {
    const { state, changes, round } = create();
    for (const _ of [1, 2, 3]) await round(200);
    expect([state.unavailable(0), state.share(0), changes]).toEqual([undefined, 1, []]);
  });

  test('passes its verdict on to models that are first used later', async () => {
    const { provider, states, round } = create();
    for (const _ of [1, 2, 3]) await round();
    expect(states.of(testTarget(provider, 'another')).unavailable(0)).toBe('unhealthy');
  });

  test('is checked at its base URL where it has no health path', async () => {
    const { round } = create({ healthPath: 'models' });
    expect(await round(200)).toBe('http://upstream.test/v1/models');
  });
});

test('loads are read from the engines that report them', async () => {
  const transport = new FakeTransport();
  const provider = testProvider({ transport, profile: { loadPath: '/metrics' } });
  const loads = new EngineLoads(() => 0, 1_000);
  const reading = readEngineLoads([provider, testProvider({ id: 'q', transport })], loads, 1_000);
  await Promise.resolve();
  expect(transport.upstreamCalls.length).toBe(1);
  const [upstreamCall] = transport.upstreamCalls;
  upstreamCall?.head(200, {});
  upstreamCall?.data('vllm:num_requests_waiting 2\nvllm:num_requests_running 1\n');
  upstreamCall?.end();
  await reading;
  expect(loads.of('p')).toEqual({ waiting: 2, running: 1, cacheUsage: 0 });
});
