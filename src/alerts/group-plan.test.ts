import { describe, expect, test } from 'bun:test';
import type { Alert } from './alert.ts';
import { type GroupState, planGroup } from './group-plan.ts';
import { isLike, type Silence, silenceOfAlert } from './silences.ts';

const TIMING = { groupWaitMs: 30, groupIntervalMs: 300, repeatIntervalMs: 4_000 };

const alert = (id: string, firedAt = 0, tenant: string | null = 'acme'): Alert => ({
  ...{ id, tenant, rule: 'latency', kind: 'latency', subject: 'fast', labels: { model: 'fast-1' } },
  ...{ severity: 'warning', summary: '', value: 1, threshold: 1, unit: 'ms', state: 'firing', since: 0 },
  ...{ firedAt, clearSince: null, resolvedAt: null, flaps: 0, updatedAt: 0 },
});
const state = (reported: readonly string[], sentAt: number): GroupState => ({
  episode: 'e',
  reported,
  sentAt,
});

function plan(
  before: GroupState | undefined,
  ids: readonly string[],
  now: number,
  all = ids,
  wantsResolved = true,
) {
  const firing = ids.map((id) => alert(id));
  const found = planGroup(
    { state: before, firing, isFiring: (id) => all.includes(id), wantsResolved },
    TIMING,
    now,
  );
  return found && [found.firing.map(({ id }) => id), found.resolved, found.isRepeated, found.isSent];
}

describe('messages about a group', () => {
  test('the first alert waits for others', () => {
    expect(plan(undefined, ['a'], 29)).toBeUndefined();
    expect(plan(undefined, ['a', 'b'], 30)).toEqual([['a', 'b'], [], false, true]);
    expect(plan(undefined, [], 30)).toBeUndefined();
  });

  test('news wait for the interval, the recovery of all does not', () => {
    expect(plan(state(['a'], 0), ['a', 'b'], 299)).toBeUndefined();
    expect(plan(state(['a'], 0), ['a', 'b'], 300)).toEqual([['a', 'b'], [], false, true]);
    expect(plan(state(['a', 'b'], 0), ['b'], 299)).toBeUndefined();
    expect(plan(state(['a', 'b'], 0), ['b'], 300)).toEqual([['b'], ['a'], false, true]);
    expect(plan(state(['a'], 0), [], 30)).toEqual([[], ['a'], false, true]);
  });

  test('what still fires is repeated', () => {
    expect(plan(state(['a'], 0), ['a'], 3_999)).toBeUndefined();
    expect(plan(state(['a'], 0), ['a'], 4_000)).toEqual([['a'], [], true, true]);
  });

  test('what is silenced after it was reported is neither repeated nor resolved', () => {
    expect(plan(state(['a'], 0), [], 9_000, ['a'])).toBeUndefined();
  });

  test('recoveries that a receiver does not want change the state only', () => {
    expect(plan(state(['a'], 0), [], 30, [], false)).toEqual([[], ['a'], false, false]);
  });
});

describe('silences', () => {
  const silence = (tenant: string | null, matchers: Silence['matchers']): Silence => ({
    ...{ id: 's', tenant, matchers, startsAt: 0, endsAt: 1, comment: '', createdBy: '', createdByName: '' },
    createdAt: 0,
  });
  const rule = { label: 'rule', value: 'latency', not: false } as const;
  const isSilenced = (one: Silence, owner: string | null, of = alert('a')) =>
    silenceOfAlert(of, [one], owner) !== undefined;

  test('match all of their labels', () => {
    const model = { label: 'model', value: 'fast-*', not: false } as const;
    expect(isSilenced(silence(null, [rule, model]), null)).toBe(true);
    expect(isSilenced(silence(null, [rule, { ...model, not: true }]), null)).toBe(false);
    expect(isSilenced(silence(null, [{ ...model, value: 'slow' }]), null)).toBe(false);
    expect(isSilenced(silence(null, []), null)).toBe(false);
  });

  test('of a tenant concern its own alerts and receivers only', () => {
    expect(isSilenced(silence('acme', [rule]), 'acme')).toBe(true);
    expect(isSilenced(silence('acme', [rule]), null)).toBe(false);
    expect(isSilenced(silence('other', [rule]), 'acme')).toBe(false);
    expect(isSilenced(silence('other', [rule]), 'other')).toBe(false);
    expect(isSilenced(silence(null, [rule]), 'acme')).toBe(true);
  });

  test.each([
    ['abc', 'abc', true],
    ['abc', 'a*', true],
    ['abc', '*c', true],
    ['abc', 'a*b*c', true],
    ['abc', '*', true],
    ['', '*', true],
    ['abc', 'ab', false],
    ['aba', 'ab*ba', false],
    ['abc', 'a*d', false],
  ])('%s is like %s: %p', (text, pattern, expected) => {
    expect(isLike(text, pattern)).toBe(expected);
  });

  test('take linear time', () => {
    const startedAt = performance.now();
    expect(isLike('a'.repeat(400), `${'a*'.repeat(199)}b`)).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(50);
  });
});
