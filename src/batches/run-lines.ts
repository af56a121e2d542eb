import { z } from 'zod';
import { parseJsonText } from '../core/json.ts';
import type { LeasedJob } from '../jobs/job-queue.ts';
import type { JobContext, JobHandler, JobResult } from '../jobs/job-worker.ts';
import { MIN_WAIT_MS, retryDelay } from '../jobs/retry-delay.ts';
import { readObject } from '../platform/object-storage/object-storage.ts';
import {
  addResults,
  batchById,
  type ChunkRange,
  costsOfWaiting,
  linesWithResult,
  WAITING,
} from '../storage/sql/batch-store.ts';
import { type Batch, batchOf } from './batch.ts';
import { type BatchLine, chunkLines } from './batch-line.ts';
import { type BatchParts, chunkKey, LINES } from './batch-parts.ts';
import { LinePool } from './line-pool.ts';
import { resultRow, sumUp } from './line-results.ts';
import { ResultWriter } from './result-writer.ts';

const payload = z.object({
  ...{ batch: z.string(), chunk: z.int(), from: z.int(), to: z.int() },
  /** The numbers of the lines that run here; all of the chunk when absent. */
  lines: z.array(z.int()).optional(),
});

/** Bytes of a chunk: one line may be as long as a request. */
const MAX_CHUNK = 256 * 1024 * 1024;
/** How often a job looks whether another gateway has cancelled its batch. */
const CHECK_MS = 2_000;

/** The state of one run of a chunk. */
interface ChunkRun {
  readonly batch: Batch;
  readonly range: ChunkRange;
  readonly writer: ResultWriter;
  readonly signal: AbortSignal;
  /** What lines have cost in runs before, after which they had to wait; null where it is not known. */
  readonly spent: ReadonlyMap<number, number | null>;
  /** Unix milliseconds at which lines that cannot run now are tried again. */
  waitUntil: number | undefined;
  /** The batch was cancelled, or its time has passed. */
  isOver: boolean;
  checkedAt: number;
}

/**
 * Runs the lines of one chunk through the pipeline, those that have no result yet. Each result is stored once, with the sums of
 * its chunk; the job that stores the last one ends the batch.
 */
export class RunLines implements JobHandler {
  readonly kind = LINES;
  readonly concurrency = 8;
  readonly maxAttempts = 20;
  readonly #pool: LinePool;

  constructor(private readonly parts: BatchParts) {
    this.#pool = new LinePool(() => parts.bounds().concurrency);
  }

  async run(job: LeasedJob, context: JobContext): Promise<JobResult> {
    const { control, databases, storage, clock } = this.parts;
    const range = payload.parse(parseJsonText(job.payload));
    const row = await batchById(control, range.batch);
    if (row?.status !== 'in_progress') return undefined;
    const scope = { tenant: row.tenant };
    const done = await databases.use(scope, (db) => linesWithResult(db, range));
    const spent = await databases.use(scope, (db) => costsOfWaiting(db, range));
    const text = (await readObject(storage, chunkKey(row.id, range.chunk), MAX_CHUNK)).toString('utf8');
    const run: ChunkRun = {
      ...{ batch: batchOf(row), range, spent, signal: context.signal },
      writer: new ResultWriter((rows) => databases.use(scope, (db) => addResults(db, range, rows))),
      ...{ waitUntil: undefined, isOver: false, checkedAt: clock.now() },
    };
    const wanted = range.lines && new Set(range.lines);
    const lines = chunkLines(text).filter(({ number }) => !done.has(number) && (wanted?.has(number) ?? true));
    await this.#runAll(run, lines);
    await run.writer.flush();
    context.signal.throwIfAborted();
    if (run.isOver || run.writer.isClosed) return undefined;
    if (run.waitUntil !== undefined) {
      await sumUp(this.parts, row);
      return { retryAt: run.waitUntil };
    }
    // Not at once: until it is paused, this worker would take the job again and again.
    if (!this.parts.isReady()) return { retryAt: clock.wallTime() + MIN_WAIT_MS };
    await sumUp(this.parts, row, context);
    return undefined;
  }

  async #runAll(run: ChunkRun, lines: readonly BatchLine[]): Promise<void> {
    const waiting = [...lines];
    const worker = async () => {
      for (let line = waiting.shift(); line; line = waiting.shift()) {
        const next = line;
        await this.#pool.run(async () => {
          if (await this.#mayStart(run)) await this.#runLine(run, next);
        });
      }
    };
    const { concurrency } = this.parts.bounds();
    await Promise.all(Array.from({ length: Math.min(concurrency, lines.length) }, worker));
  }

  async #mayStart(run: ChunkRun): Promise<boolean> {
    const { clock, control, isReady, cancelled } = this.parts;
    const { batch, writer, signal } = run;
    if (run.isOver || run.waitUntil !== undefined || signal.aborted) return false;
    if (writer.isClosed || writer.hasFailed || !isReady()) return false;
    if (cancelled.get(batch.id) || clock.wallTime() >= batch.expiresAt) run.isOver = true;
    else if (clock.now() - run.checkedAt >= CHECK_MS) {
      run.checkedAt = clock.now();
      run.isOver = (await batchById(control, batch.id))?.status !== 'in_progress';
    }
    return !run.isOver;
  }

  async #runLine(run: ChunkRun, line: BatchLine): Promise<void> {
    const { runLine, clock, onLine } = this.parts;
    const { batch, signal, writer } = run;
    const { tenant, keyId, member, caller } = batch;
    const requestId = `${batch.id}-${line.number}`;
    const before = run.spent.get(line.number);
    let spent = before === null ? undefined : (before ?? 0);
    for (let attempt = 1; ; attempt += 1) {
      const response = await runLine({
        ...{ tenant, keyId, member, caller, path: line.url, body: line.body, requestId, signal },
      });
      spent = spent === undefined || response.costPico === undefined ? undefined : spent + response.costPico;
      // It was aborted, and runs again.
      if (signal.aborted && response.error?.code === 'client_closed_request') return;
      const pause = retryDelay(response.error, attempt);
      const until = clock.wallTime() + (pause?.ms ?? 0);
      // What will not be better within the batch's time is its result.
      if (pause === undefined || until >= batch.expiresAt) {
        void writer.add(
          resultRow(batch, line, requestId, { ...response, costPico: spent }, clock.wallTime()),
        );
        onLine(response.status === 200 ? 'completed' : 'failed');
        return;
      }
      onLine('retried');
      if (pause.isOfAll) {
        run.waitUntil = Math.max(run.waitUntil ?? 0, until);
        if (spent === 0) return;
        const waiting = { status: WAITING, body: '', error: undefined, costPico: spent };
        void writer.add(resultRow(batch, line, requestId, waiting, clock.wallTime()));
        return;
      }
      if (!(await slept(clock.sleep(pause.ms, signal)))) return;
    }
  }
}

function slept(sleeping: Promise<void>): Promise<boolean> {
  return sleeping.then(
    () => true,
    () => false,
  );
}
