import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { eventData } from '../../test/support/event-stream.ts';
import { settle } from '../../test/support/fake-clock.ts';
import { expectBalancedBooks, RequestRun } from '../../test/support/request-run.ts';
import { breakingSchedule, leavingSchedule, schedule } from '../../test/support/request-schedule.ts';
import { GatewayError } from '../core/errors.ts';

/**
 * Whatever happens to a request, in whatever order, its books are closed once and nothing of it stays behind.
 * Each run plays a random schedule against the real service, attempt, adapter, router and deadline monitor;
 * only time and the network are played.
 */

function expectTruthfulAnswer(run: RequestRun): void {
  const [outcome] = run.outcomes;
  if (!run.answer) {
    expect(run.rejection).toBeInstanceOf(GatewayError);
    const code = run.rejection instanceof GatewayError ? run.rejection.code : undefined;
    expect(outcome?.kind).toBe(code === 'client_closed_request' ? 'client_gone' : 'failed');
    expect(run.request.timing.committedAt).toBeUndefined();
    return;
  }
  expect(run.rejection).toBeUndefined();
  expect(run.request.timing.committedAt).toBeDefined();
  if (run.answer.kind === 'complete') {
    expect(outcome?.kind).toBe('done');
    return;
  }
  // After a cancel there is no reader, so only the records can be checked.
  if (run.cancelled) return;
  const data = eventData(run.text);
  const errors = data.filter((text) => text.startsWith('{"error":'));
  const done = data.filter((text) => text === '[DONE]');
  expect([done.length, errors.length]).toEqual([
    outcome?.kind === 'done' ? 1 : 0,
    outcome?.kind === 'failed' ? 1 : 0,
  ]);
  if (outcome?.kind === 'done') expect(data.at(-1)).toBe('[DONE]');
  if (outcome?.kind === 'failed') expect(data.at(-1)).toBe(errors[0] ?? '');
}

/** Mostly random; some reach by construction what chance may miss. */
const anySchedule = fc.oneof(
  { weight: 18, arbitrary: schedule },
  { weight: 1, arbitrary: leavingSchedule },
  { weight: 1, arbitrary: breakingSchedule },
);

describe('a request, whatever happens', () => {
  test('is completed exactly once and leaves nothing behind', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(anySchedule, async (plan) => {
        const run = new RequestRun(plan);
        for (const step of plan.steps) await run.take(step);
        await run.finish();
        expectBalancedBooks(run);
        expectTruthfulAnswer(run);
        seen.add(`${run.answer?.kind ?? 'rejected'} ${run.outcomes[0]?.kind}`);
        for (const { continued, hedge } of run.request.routing.attempts) {
          if (continued) seen.add('continued');
          if (hedge) seen.add('hedged');
        }
        if (run.request.routing.queuedMs > 0) seen.add('queued');

        // Late news changes nothing.
        run.request.abort(new GatewayError('shutting_down', 'late'));
        run.request.complete({ kind: 'client_gone' });
        await settle();
        expectBalancedBooks(run);
      }),
      { numRuns: runs(4_000) },
    );
    // The schedules did reach every way to end.
    expect([...seen].sort()).toEqual([
      'complete done',
      'continued',
      'hedged',
      'queued',
      'rejected client_gone',
      'rejected failed',
      'stream client_gone',
      'stream done',
      'stream failed',
    ]);
  });
});
