import { z } from 'zod';
import { parseJsonText } from '../core/json.ts';
import type { LeasedJob } from '../jobs/job-queue.ts';
import type { JobContext, JobHandler, JobResult } from '../jobs/job-worker.ts';
import { MIN_WAIT_MS, retryDelay } from '../jobs/retry-delay.ts';
import {
  asyncById,
  changeAsync,
  contentById,
  setAsyncCost,
  storeResponse,
} from '../storage/sql/async-store.ts';
import type { AsyncContentRow, AsyncRequestRow } from '../storage/sql/async-tables.ts';
import { ASYNC_JOB, type AsyncParts, endedEvent, type RunRequest, type RunResponse } from './async-parts.ts';
import { asyncRequestOf, storedHeaders } from './async-request.ts';
import type { AsyncRequests } from './async-requests.ts';

const payload = z.object({ id: z.string() });

export interface RunAsyncParts extends AsyncParts {
  readonly requests: AsyncRequests;
  /** Runs a request as its caller; never rejects. */
  readonly respond: (run: RunRequest) => Promise<RunResponse>;
  /** Whether requests may start. */
  readonly isReady: () => boolean;
}

/**
 * Runs a queued request through the pipeline. Its response is stored before the request ends: a run that was killed in
 * between is not repeated.
 */
export class RunAsyncRequest implements JobHandler {
  readonly kind = ASYNC_JOB;
  readonly concurrency: number;
  readonly maxAttempts = 5;

  constructor(private readonly parts: RunAsyncParts) {
    this.concurrency = parts.bounds().concurrency;
  }

  async run(job: LeasedJob, context: JobContext): Promise<JobResult> {
    const { control, databases, clock, isReady, requests } = this.parts;
    const { id } = payload.parse(parseJsonText(job.payload));
    const row = await asyncById(control, id);
    if (!row || row.ended_at !== null) return undefined;
    const content = await databases.use({ tenant: row.tenant }, (db) => contentById(db, id));
    // Cancelled, just now.
    if (!content) return undefined;
    if (content.response !== null) {
      await this.#end(row, content, context);
      return undefined;
    }
    if (clock.wallTime() >= row.deadline_at) {
      await requests.fail(id, row.tenant, 'request_timeout');
      return undefined;
    }
    if (!isReady()) return { retryAt: clock.wallTime() + MIN_WAIT_MS };
    return this.#respond(row, content, context);
  }

  /** @param job whose attempts are used up */
  async failed(job: LeasedJob): Promise<void> {
    const { id } = payload.parse(parseJsonText(job.payload));
    await this.parts.requests.fail(id, job.tenant, 'internal_error');
  }

  async #respond(row: AsyncRequestRow, content: AsyncContentRow, context: JobContext): Promise<JobResult> {
    const { control, databases, clock, respond, running, onOutcome } = this.parts;
    const { id, tenant } = row;
    const started = await changeAsync(control, id, {
      ...{ status: 'running', started_at: row.started_at ?? clock.wallTime() },
    });
    if (!started) return undefined;
    const cancellation = new AbortController();
    running.set(id, cancellation);
    const signal = AbortSignal.any([context.signal, cancellation.signal]);
    const response = await respond({
      ...{ request: asyncRequestOf(started), body: content.request, signal },
      headers: storedHeaders(content.request_headers),
    }).finally(() => running.delete(id));
    const cost = sumOf(row.cost_pico, response.costPico);
    if (signal.aborted && response.error?.code === 'client_closed_request') {
      await setAsyncCost(control, id, cost);
      context.signal.throwIfAborted();
      return undefined;
    }
    const pause = retryDelay(response.error, row.runs + 1);
    const until = clock.wallTime() + (pause?.ms ?? 0);
    // What will not be better in time is the response.
    if (pause && until < row.deadline_at) {
      const runs = row.runs + (pause.isOfAll ? 0 : 1);
      if (!(await changeAsync(control, id, { status: 'pending', runs, cost_pico: cost }))) {
        await setAsyncCost(control, id, cost);
        return undefined;
      }
      onOutcome('retried');
      return { retryAt: until };
    }
    const stored = {
      // PostgreSQL stores no NUL, which JSON escapes.
      response: response.body.replaceAll('\0', ' '),
      response_headers: JSON.stringify(response.headers),
      ...{ http_status: response.status, error_code: response.error?.code ?? null, cost_pico: cost },
    };
    await databases.use({ tenant }, (db) => storeResponse(db, id, stored));
    await this.#end(started, stored, context);
    return undefined;
  }

  async #end(
    { id, tenant }: AsyncRequestRow,
    response: Pick<AsyncContentRow, 'http_status' | 'error_code' | 'cost_pico'>,
    context: JobContext,
  ): Promise<void> {
    const { control, outbox, clock, bounds, onOutcome } = this.parts;
    const { http_status, error_code, cost_pico } = response;
    const status = error_code === null ? 'succeeded' : 'failed';
    const now = clock.wallTime();
    const isEnded = await control.transaction().execute(async (transaction) => {
      const ended = await changeAsync(transaction, id, {
        ...{ status, http_status, error_code, cost_pico },
        ...{ ended_at: now, delete_at: now + bounds().keepMs },
      });
      // A request that was cancelled has no job to finish.
      if (!ended) return false;
      await context.finish(transaction);
      await outbox.append(transaction, [endedEvent(id, tenant, http_status ?? 0, error_code)]);
      return true;
    });
    if (!isEnded) return setAsyncCost(control, id, cost_pico);
    outbox.wake();
    onOutcome(status);
  }
}

/** @returns decimal digits; null where a cost is unknown */
function sumOf(before: string | null, cost: number | undefined): string | null {
  return before === null || cost === undefined ? null : String(BigInt(before) + BigInt(cost));
}
