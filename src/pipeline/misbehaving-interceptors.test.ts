import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { eventData } from '../../test/support/event-stream.ts';
import { settle } from '../../test/support/fake-clock.ts';
import { misbehaving, misbehaviour } from '../../test/support/misbehaving-interceptors.ts';
import { expectNothingLeft, RequestRun } from '../../test/support/request-run.ts';
import { leavingSchedule, schedule } from '../../test/support/request-schedule.ts';
import { GatewayError } from '../core/errors.ts';

/**
 * The guarantees of `exactly-once.test.ts` over random chains of interceptors that break their contract: the client gets
 * a response or an error that names the culprit, the request completes once, and nothing of it stays behind.
 */

const NAMED = /interceptor "bad\d"|^An interceptor cancelled the response/;

function expectNamed(error: GatewayError): void {
  if (error.code === 'internal_error') expect(error.message).toMatch(NAMED);
}

function expectTruthfulResponse(run: RequestRun): void {
  const [outcome] = run.outcomes;
  if (outcome?.kind === 'failed') expectNamed(outcome.error);
  const clientLeft = run.request.abortReason?.code === 'client_closed_request' || run.cancelled;
  if (outcome?.kind === 'client_gone') expect(clientLeft).toBe(true);
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
    expect(typeof run.answer.result.text).toBe('string');
    return;
  }
  if (run.cancelled) return;
  const data = eventData(run.text);
  const errors = data.filter((text) => text.startsWith('{"error":'));
  const done = data.filter((text) => text === '[DONE]');
  expect(errors.length).toBe(outcome?.kind === 'failed' ? 1 : 0);
  // A client may leave between the last event and the end of the body.
  if (outcome?.kind !== 'client_gone') expect(done.length).toBe(outcome?.kind === 'done' ? 1 : 0);
  if (outcome?.kind === 'done') expect(data.at(-1)).toBe('[DONE]');
  if (outcome?.kind === 'failed') expect(data.at(-1)).toBe(errors[0] ?? '');
}

describe('a chain of misbehaving interceptors', () => {
  test('completes a request exactly once, truthfully, and leaves nothing behind', async () => {
    const seen = new Set<string>();
    const chain = fc.array(misbehaviour, { minLength: 1, maxLength: 3 });
    const anySchedule = fc.oneof(
      { weight: 9, arbitrary: schedule },
      { weight: 1, arbitrary: leavingSchedule },
    );
    await fc.assert(
      fc.asyncProperty(anySchedule, chain, async (plan, faults) => {
        // Defects of adapters have no interceptor to name.
        const targets = plan.targets.map((one) => (one === 'breaks' ? 'sends' : one));
        const run = new RequestRun({ ...plan, targets }, (self) =>
          faults.map((fault, index) => misbehaving(`bad${index}`, fault, self)),
        );
        for (const step of plan.steps) await run.take(step);
        await run.finish();
        // Detached requests may outlive it, and interceptors may sleep once more.
        for (let round = 0; round < 10; round += 1) await run.advance(10_000);
        expectNothingLeft(run);
        expectTruthfulResponse(run);
        for (const request of run.detached)
          if (request.routing.attempts.length > 0) expect(request.completed).toBe(true);
        seen.add(`${run.answer?.kind ?? 'rejected'} ${run.outcomes[0]?.kind}`);

        run.request.abort(new GatewayError('shutting_down', 'late'));
        run.request.complete({ kind: 'client_gone' });
        await settle();
        expectNothingLeft(run);
      }),
      { numRuns: runs(1_500) },
    );
    expect([...seen].sort()).toEqual([
      'complete done',
      'rejected client_gone',
      'rejected failed',
      'stream client_gone',
      'stream done',
      'stream failed',
    ]);
  });
});
