import { expect, test } from 'bun:test';
import { mergeHealth, mergeOverviews } from './merge-health.ts';
import { mergeCanaries, mergeTargets } from './merge-states.ts';

const target = {
  ...{ provider: 'p', model: 'm', key: null, available: true, unavailable_because: null, breaker: 'closed' },
  ...{ open_operations: [], healthy: null, override: null, share: 1, in_flight: 1, max_concurrency: 10 },
  ...{ queued: 0, ms_per_token: 10, first_event_p95_ms: 100, successes: 10, failures: 0, last_failure: null },
};

test('targets: counts are summed, times weighted, and the worst condition is shown', () => {
  const other = {
    ...target,
    ...{ available: false, unavailable_because: 'breaker open', breaker: 'open', open_operations: ['chat'] },
    ...{ in_flight: 3, ms_per_token: 20, successes: 30, failures: 2, share: 0.5, first_event_p95_ms: null },
    last_failure: { code: 'upstream_error', message: 'no', seconds_ago: 2 },
  };
  const list = (...data: unknown[]) => ({ object: 'list', data });
  const merged = JSON.parse(mergeTargets([list(target), list(other)]) ?? '');
  expect(merged.data).toEqual([
    {
      ...target,
      ...{ breaker: 'open', open_operations: ['chat'], share: 0.5, in_flight: 4, max_concurrency: 20 },
      ...{ ms_per_token: 17.5, successes: 40, failures: 2, last_failure: other.last_failure },
    },
  ]);
  expect(mergeTargets([])).toBeUndefined();
  expect(mergeTargets([{ error: {} }])).toBeUndefined();
});

test('canaries: sides are summed, and one that a worker has taken back counts as taken back', () => {
  const side = { requests: 10, error_rate: 0, ms_per_token: null, usd_per_request: 0.5 };
  const canary = { model: 'chat', canary: 'next', percent: 5, state: 'running', reason: null };
  const body = (state: string, reason: string | null, requests: number, error_rate: number) => ({
    object: 'list',
    data: [{ ...canary, state, reason, sides: { canary: { ...side, requests, error_rate }, stable: side } }],
  });
  const merged = JSON.parse(
    mergeCanaries([body('running', null, 10, 0), body('rolled_back', 'errors', 30, 0.4)]) ?? '',
  );
  expect(merged.data[0]).toMatchObject({ state: 'rolled_back', reason: 'errors' });
  expect(merged.data[0].sides.canary.requests).toBe(40);
  expect(merged.data[0].sides.canary.error_rate).toBeCloseTo(0.3);
  expect(merged.data[0].sides.stable.requests).toBe(20);
});

test('health: what a worker knows of providers and models counts, and losses are summed', () => {
  const losses = { traces: 1, logs: 0, usage: 0, audit: 0, metrics: 0, responses: 0, request_log: 0 };
  const provider = { id: 'p', kind: 'openai-compatible', status: 'ok', targets: 0, targets_available: 0 };
  const own = {
    ...{ status: 'ok', health: 'healthy', version: '1', uptime_seconds: 9, requests_in_flight: 3, losses },
    providers: [{ ...provider, breakers_open: 0 }],
    models: { a: true, b: true },
    workers: { configured: 2, ready: 2, restarts: 0 },
  };
  const worker = {
    ...{ status: 'ok', health: 'degraded', version: '1', uptime_seconds: 9, requests_in_flight: 1, losses },
    providers: [{ ...provider, status: 'degraded', targets: 3, targets_available: 1, breakers_open: 2 }],
    models: { a: true, b: false },
  };
  expect(JSON.parse(mergeHealth(own, [worker, { error: {} }]) ?? '')).toEqual({
    ...own,
    health: 'degraded',
    providers: [{ ...provider, status: 'degraded', targets: 3, targets_available: 1, breakers_open: 2 }],
    models: { a: true, b: false },
    losses: { ...losses, traces: 2 },
  });
  const stranger = { status: 'ok', health: 'healthy', version: '1', uptime_seconds: 9 };
  expect(JSON.parse(mergeHealth(stranger, [stranger]) ?? '')).toEqual(stranger);
});

test('an overview has each problem once, the failing ones first', () => {
  const problem = (subject: string, severity: string) => ({
    ...{ kind: 'target_unavailable', severity, subject, message: 'no', tenant: null, details: {} },
  });
  const overview = (...problems: unknown[]) => ({
    object: 'overview',
    at: 'now',
    problems,
    incomplete: false,
  });
  const merged = JSON.parse(
    mergeOverviews(overview(problem('limit', 'warning')), [
      overview(problem('a', 'warning')),
      overview(problem('a', 'failing')),
    ]) ?? '',
  );
  expect(merged.problems).toEqual([problem('a', 'failing'), problem('limit', 'warning')]);
});
