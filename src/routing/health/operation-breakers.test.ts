import { expect, test } from 'bun:test';
import { GatewayError } from '../../core/errors.ts';
import type { Operation } from '../../core/inference.ts';
import { DEFAULT_HEALTH, TargetState } from './target-state.ts';

const broken = new GatewayError('upstream_error', 'it failed');
const silent = new GatewayError('upstream_timeout', 'silence');

function fail(state: TargetState, operation: Operation, error = broken, times = 5): void {
  for (let count = 0; count < times; count += 1) {
    state.begin(0, false, undefined, false, operation).end(0, error, undefined);
  }
}

test('an operation that fails leaves the others of its target alone', () => {
  const state = new TargetState(() => DEFAULT_HEALTH);
  state.begin(0).end(0, undefined, 1);
  fail(state, 'embedding');
  expect(state.unavailable(0, 'embedding')).toBe('breaker_open');
  expect(state.availableAt(0, 'embedding')).toBe(30_000);
  for (const operation of ['chat', 'completion', 'rerank', 'count-tokens'] as const) {
    expect([operation, state.unavailable(0, operation)]).toEqual([operation, undefined]);
  }
  // As a whole, it is usable and not without fault.
  expect([state.unavailable(0), state.breakerState(0), state.isHealthy(0)]).toEqual([
    undefined,
    'open',
    false,
  ]);
  expect(state.breakers.openOperations(0)).toEqual(['embedding']);
  state.begin(30_000, false, undefined, false, 'embedding').end(30_001, undefined, 1);
  expect(state.breakerState(30_001)).toBe('closed');
});

test('a target is unavailable when all operations that it was used for fail', () => {
  const state = new TargetState(() => DEFAULT_HEALTH);
  fail(state, 'rerank');
  expect([state.unavailable(0), state.availableAt(0)]).toEqual(['breaker_open', 30_000]);
  state.reset(0);
  expect([state.unavailable(0), state.breakerState(0)]).toEqual([undefined, 'closed']);
});

test('failures of different operations are not counted together, except to find outliers', () => {
  const state = new TargetState(() => DEFAULT_HEALTH);
  fail(state, 'chat', broken, 4);
  fail(state, 'embedding', broken, 4);
  expect([state.breakerState(0), state.breakers.recent(0)]).toEqual(['closed', { requests: 8, failures: 8 }]);
});

test('an operation that stops responding ends only its own pending attempts', () => {
  const state = new TargetState(() => DEFAULT_HEALTH);
  const ended: string[] = [];
  for (const operation of ['chat', 'embedding'] as const) {
    state.begin(0, false, undefined, false, operation).onAbandon = () => ended.push(operation);
  }
  fail(state, 'embedding', silent);
  expect(ended).toEqual(['embedding']);
});
