import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { parseJsonText } from '../core/json.ts';
import type { LeasedJob, NewJob } from '../jobs/job-queue.ts';
import { type JobContext, type JobHandler, type JobResult, LeaseLostError } from '../jobs/job-worker.ts';
import { MAX_SUBMISSION_MS } from '../providers/batch-client.ts';
import {
  type BatchUpstream,
  SubmissionUnknownError,
  type UpstreamLine,
} from '../providers/batch-upstream.ts';
import type { LocalReason } from '../providers/line-forwarding.ts';
import {
  changeForward,
  deleteForward,
  forwardById,
  knownRemotes,
} from '../storage/sql/batch-forward-store.ts';
import { batchById, changeBatch } from '../storage/sql/batch-store.ts';
import type { BatchForwardRow, BatchRow } from '../storage/sql/batch-tables.ts';
import { type AbandonedPart, abandonPart } from './abandon-part.ts';
import { batchOf, hasEnded } from './batch.ts';
import { type BatchParts, FORWARD, type ForwardParts, LINES } from './batch-parts.ts';
import { ForwardSummary, forwardingOf } from './forward-summary.ts';
import { sumUp } from './line-results.ts';
import { inputChunks, localJob } from './local-lines.ts';
import { PartHolds } from './part-holds.ts';
import { settlePart } from './settle-part.ts';
import { partLines, upstreamLineId } from './upstream-part.ts';

const payload = z.object({ batch: z.string(), part: z.int() });

const FIRST_POLL_MS = 1_000;
const LAST_POLL_MS = 60_000;
/** A batch of an hour's age is polled each minute. */
const POLL_SHARE = 60;
/** Between two looks at the provider's list for a submission whose response was lost. */
const FIND_MS = 15_000;
/** From the intent to the last call of a submission. */
const MAX_START_MS = 3 * 60_000;
/** How long a provider may refuse new batches until the gateway runs the lines. */
const MAX_REFUSAL_MS = 3_600_000;

/** One run for a part. */
interface PartRun {
  readonly row: BatchRow;
  readonly forward: BatchForwardRow;
  readonly upstream: BatchUpstream;
  readonly context: JobContext;
  /** The batch was cancelled, or its time has passed: nothing more is submitted, and lines that did not run stay so. */
  readonly isOver: boolean;
}

/**
 * Submits one part of a batch to a provider, waits for it, and stores its results. The intent is stored before the submission:
 * after a kill, the submission is looked up at the provider and not repeated.
 */
export class ForwardBatch implements JobHandler {
  readonly kind = FORWARD;
  readonly concurrency = 2;
  readonly maxAttempts = 1_000;
  readonly #holds: PartHolds;

  constructor(
    private readonly parts: BatchParts,
    private readonly forwarding: ForwardParts,
  ) {
    this.#holds = new PartHolds(parts, forwarding.hold);
  }

  /** Keeps what this process has reserved, and ends what other processes have completed; to be called every few seconds. */
  keepHolds(): Promise<void> {
    return this.#holds.keep();
  }

  async run(job: LeasedJob, context: JobContext): Promise<JobResult> {
    const { control, clock } = this.parts;
    const key = payload.parse(parseJsonText(job.payload));
    const forward = await forwardById(control, key);
    const row = await batchById(control, key.batch);
    if (!forward) return undefined;
    if (forward.state === 'done') {
      // Killed before the sums were stored.
      if (row) await sumUp(this.parts, row, context);
      return undefined;
    }
    const upstream = this.forwarding.upstreamOf(forward.provider, forward.account);
    try {
      const batch = row && batchOf(row);
      if (!row || !batch || hasEnded(batch)) {
        return await this.#abandon({ batch, forward, upstream, signal: context.signal });
      }
      const isOver = row.status !== 'in_progress' || row.expires_at <= clock.wallTime();
      if (!upstream) return await this.#withoutProvider({ row, forward, context, isOver });
      return await this.#step({ row, forward, upstream, context, isOver });
    } catch (error) {
      // The provider fails, perhaps for hours: that is no failure of the job.
      if (!(error instanceof GatewayError) || context.signal.aborted) throw error;
      const asked = (error.details.retryAfterSeconds ?? 0) * 1_000;
      return this.#later(forward, asked);
    }
  }

  #step(run: PartRun): Promise<JobResult> {
    switch (run.forward.state) {
      case 'planned':
        return run.isOver ? this.#done(run) : this.#submit(run);
      case 'submitting':
        return this.#recover(run);
      default:
        return this.#poll(run);
    }
  }

  async #submit(run: PartRun): Promise<JobResult> {
    const { control, clock, storage } = this.parts;
    const { forward, upstream, row, context } = run;
    if (!(await this.#holds.take(row, forward))) return this.#runLocally(run, 'limits');
    const token = randomBytes(12).toString('hex');
    const lines: UpstreamLine[] = [];
    for await (const { number, body } of partLines(storage, forward.object)) {
      lines.push({ id: upstreamLineId(token, number), body });
    }
    const latest = clock.now() + MAX_START_MS;
    const submitted_at = clock.wallTime();
    const intent = { state: 'submitting', token, submitted_at };
    if (!(await changeForward(control, forward, intent))) return this.#later(forward);
    const submitting = { ...forward, ...intent };
    const { endpoint, model } = forward;
    let remote: string;
    try {
      remote = await upstream.submit({ token, endpoint, model, lines }, () => {
        context.signal.throwIfAborted();
        // Others take it for gone after a while: it must not come later.
        if (clock.now() > latest) throw new SubmissionUnknownError('the submission took too long');
      });
    } catch (error) {
      if (error instanceof SubmissionUnknownError) return this.#later(submitting, FIND_MS);
      if (!(error instanceof GatewayError)) throw error;
      await changeForward(control, submitting, { state: 'planned' });
      const isRefused = clock.wallTime() - forward.created_at >= MAX_REFUSAL_MS;
      if (!isFinal(error) && !isRefused) throw error;
      return this.#runLocally({ ...run, forward: { ...submitting, state: 'planned' } }, 'provider_rejected');
    }
    if (!(await changeForward(control, submitting, { state: 'submitted', remote }))) {
      // Another run has given it up, or has found it.
      const known = await forwardById(control, forward);
      if (known?.remote !== remote) await upstream.cancel(remote);
    }
    return this.#later(submitting);
  }

  /** The response to the submission was lost, or the process was killed. */
  async #recover(run: PartRun): Promise<JobResult> {
    const { control, clock } = this.parts;
    const { forward, upstream } = run;
    const { token, submitted_at: since, lines, provider } = forward;
    const found = await upstream.find({ token, since, lines, known: await knownRemotes(control, provider) });
    if (found.kind === 'found') {
      await changeForward(control, forward, { state: 'submitted', remote: found.id });
      return this.#poll({ ...run, forward: { ...forward, state: 'submitted', remote: found.id } });
    }
    if (found.kind === 'unknown') return this.#later(forward, FIND_MS);
    // Until then, it may be under way: another gateway may have lost this job, and not its connection.
    if (clock.wallTime() < since + MAX_SUBMISSION_MS) return this.#later(forward, FIND_MS);
    // The provider does not have it: it may be submitted again.
    await changeForward(control, forward, { state: 'planned' });
    return { retryAt: clock.wallTime() };
  }

  async #poll(run: PartRun): Promise<JobResult> {
    const { forward, upstream, row, isOver } = run;
    const state = await upstream.state(forward.remote);
    if (state.kind === 'running') {
      // After a restart, others must not use what the lines will.
      await this.#holds.take(row, forward);
      if (isOver) await upstream.cancel(forward.remote);
      return this.#later(forward, isOver ? FIRST_POLL_MS : 0);
    }
    await this.#holds.release(forward);
    if (state.kind === 'rejected') return this.#runLocally(run, 'provider_rejected');
    const settled = await settlePart(this.parts, this.forwarding, {
      ...{ batch: batchOf(row), forward, upstream, isPartial: state.isPartial, signal: run.context.signal },
    });
    run.context.signal.throwIfAborted();
    if (settled.retryAt !== undefined) {
      await sumUp(this.parts, row);
      return { retryAt: settled.retryAt };
    }
    const left = settled.notRun;
    if (left.size > 0 && !isOver) return this.#runLocally(run, 'provider_rejected', left);
    return this.#done(run);
  }

  /** The gateway runs lines that no provider has run. @param left all lines of the part when absent */
  async #runLocally(
    run: Omit<PartRun, 'upstream'> & { readonly upstream?: BatchUpstream },
    reason: LocalReason,
    left?: ReadonlySet<number>,
  ): Promise<JobResult> {
    const { storage } = this.parts;
    const { row, forward } = run;
    if (run.isOver) return this.#done(run);
    let wanted = left;
    if (!wanted) {
      const all = new Set<number>();
      for await (const { number } of partLines(storage, forward.object)) all.add(number);
      wanted = all;
    }
    const jobs: NewJob[] = [];
    for await (const chunk of inputChunks(storage, row, forward.first_chunk, forward.last_chunk)) {
      const job = localJob(row, chunk, wanted, `:part${forward.part}`);
      if (job) jobs.push(job);
    }
    return this.#done(run, jobs, { reason, count: wanted.size });
  }

  async #done(
    {
      row,
      forward,
      context,
      upstream,
    }: Omit<PartRun, 'upstream' | 'isOver'> & { readonly upstream?: BatchUpstream },
    jobs: readonly NewJob[] = [],
    returned?: { readonly reason: LocalReason; readonly count: number },
  ): Promise<JobResult> {
    const { control, queue } = this.parts;
    await this.#holds.release(forward);
    await control.transaction().execute(async (transaction) => {
      // Locks the batch: its summary has one writer.
      const locked = await changeBatch(transaction, row.id, ['in_progress'], {});
      if (locked && returned) {
        const summary = new ForwardSummary(forwardingOf(locked.provider));
        summary.returned(forward.provider, returned.reason, returned.count);
        await changeBatch(transaction, row.id, ['in_progress'], { provider: summary.text });
      }
      // Another run has settled it.
      if (!(await changeForward(transaction, forward, { state: 'done' }))) throw new LeaseLostError();
      if (jobs.length > 0) await queue.add(jobs, transaction);
    });
    if (jobs.length > 0) queue.wake(LINES);
    if (forward.remote !== '') await this.#discard(forward, upstream);
    await sumUp(this.parts, row, context);
    return undefined;
  }

  /** The results are stored; what is left at the provider expires there. */
  async #discard({ remote }: BatchForwardRow, upstream: BatchUpstream | undefined): Promise<void> {
    try {
      await upstream?.discard(remote);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
    }
  }

  /** The batch has ended without this part, or was deleted. */
  async #abandon(part: AbandonedPart): Promise<JobResult> {
    const { forward, upstream } = part;
    await this.#holds.release(forward);
    const outcome = await abandonPart(this.parts, this.forwarding, part);
    if (outcome === 'lost') return this.#later(forward, FIND_MS);
    if (outcome === 'running') return this.#later(forward, upstream ? 0 : LAST_POLL_MS);
    // Another gateway, which has lost this job, may have submitted it meanwhile.
    return (await deleteForward(this.parts.control, forward)) ? undefined : this.#later(forward);
  }

  /** The configuration has no such provider any more, or forwards no batches to it. */
  async #withoutProvider(run: Omit<PartRun, 'upstream'>): Promise<JobResult> {
    const { forward } = run;
    if (forward.state === 'planned') return this.#runLocally(run, 'provider_does_not_forward');
    // It may come back with the next configuration: what it runs is not run again, but cancelled and metered.
    return this.#later(forward, LAST_POLL_MS);
  }

  #later({ submitted_at, created_at }: BatchForwardRow, least = 0): { readonly retryAt: number } {
    const now = this.parts.clock.wallTime();
    const age = now - (submitted_at || created_at);
    const pause = Math.min(LAST_POLL_MS, Math.max(FIRST_POLL_MS, age / POLL_SHARE));
    return { retryAt: now + Math.max(pause, Math.min(least, 5 * LAST_POLL_MS)) };
  }
}

/** Whether a provider that rejects a submission would reject it again. */
function isFinal({ details, code }: GatewayError): boolean {
  const { upstreamStatus: status } = details;
  if (status === undefined) return code === 'unsupported_by_target';
  return status >= 400 && status < 500 && status !== 408 && status !== 409 && status !== 429;
}
