import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { parseJsonText } from '../core/json.ts';
import { linesOf } from '../core/line-reader.ts';
import type { LeasedJob } from '../jobs/job-queue.ts';
import type { JobContext, JobHandler } from '../jobs/job-worker.ts';
import { batchById, changeBatch, openResults } from '../storage/sql/batch-store.ts';
import type { BatchRow } from '../storage/sql/batch-tables.ts';
import { type BatchLine, chunkText, LineChecker, type LineError } from './batch-line.ts';
import {
  type BatchParts,
  batchEvent,
  CHUNK_BYTES,
  CHUNK_LINES,
  chunkKey,
  deleteChunks,
  FINISH,
  finishJob,
  LINES,
  PLAN,
  PREPARE,
} from './batch-parts.ts';

/** Errors of lines that a batch keeps. */
const MAX_ERRORS = 1_000;
/** Models that a batch names. */
const MAX_MODELS = 100;

const payload = z.object({ batch: z.string() });

/** @returns the id of the batch that a job is for @throws ZodError for another payload */
export function batchOfJob({ payload: text }: Pick<LeasedJob, 'payload'>): string {
  return payload.parse(parseJsonText(text)).batch;
}

/** One chunk of a batch's lines. */
export interface ChunkPlan {
  readonly chunk: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Checks the input of a batch line by line as it is read, and stores its lines in chunks. A job for each chunk begins in the
 * transaction that says that the batch runs.
 */
export class PrepareBatch implements JobHandler {
  readonly kind = PREPARE;
  readonly concurrency = 2;
  readonly maxAttempts = 8;

  constructor(private readonly parts: BatchParts) {}

  async run(job: LeasedJob, context: JobContext): Promise<undefined> {
    const { control, databases, clock } = this.parts;
    const row = await batchById(control, batchOfJob(job));
    if (row?.status !== 'validating') return undefined;
    const read = await this.#read(row, context.signal);
    if (read.errors.length > 0) {
      await this.#fail(row, read.errors, context);
      return undefined;
    }
    const { id, tenant } = row;
    await databases.use({ tenant }, (db) => openResults(db, id));
    const { queue } = this.parts;
    const isForwarded = this.parts.forwards?.() ?? false;
    await control.transaction().execute(async (transaction) => {
      const change = {
        ...{ status: 'in_progress', started_at: clock.wallTime(), total: read.total },
        models: JSON.stringify(read.models),
      };
      const isRunning = (await changeBatch(transaction, id, ['validating'], change)) !== undefined;
      // Cancelled meanwhile: the lines are known, and end as cancelled.
      if (!isRunning) await changeBatch(transaction, id, ['cancelling'], { total: read.total });
      else if (isForwarded) {
        await queue.add([{ id: `${id}:plan`, kind: PLAN, tenant, payload: job.payload }], transaction);
      } else {
        const jobs = read.chunks.map((chunk) => ({
          ...{ id: `${id}:lines:${chunk.chunk}`, kind: LINES, tenant },
          payload: JSON.stringify({ batch: id, ...chunk }),
        }));
        await queue.add(jobs, transaction);
      }
      await context.finish(transaction);
    });
    queue.wake(isForwarded ? PLAN : LINES);
    return undefined;
  }

  async failed(job: LeasedJob, error: string): Promise<void> {
    const row = await batchById(this.parts.control, batchOfJob(job));
    if (row?.status !== 'validating') return;
    const message = `The input could not be read: ${error}`;
    await this.#fail(row, [{ code: 'file_unreadable', message, param: 'input_file_id', line: null }]);
  }

  async #read({ id, tenant, input_file, endpoint }: BatchRow, signal: AbortSignal) {
    const { files, storage, bounds } = this.parts;
    const { maxLines, maxLine } = bounds();
    const errors: LineError[] = [];
    const chunks: ChunkPlan[] = [];
    const checker = new LineChecker(endpoint);
    let total = 0;
    let lines: BatchLine[] = [];
    let bytes = 0;
    const flush = async () => {
      const [first, last] = [lines[0], lines.at(-1)];
      if (!first || !last) return;
      const chunk = chunks.length;
      await storage.put(chunkKey(id, chunk), new TextEncoder().encode(chunkText(lines)));
      chunks.push({ chunk, from: first.number, to: last.number });
      lines = [];
      bytes = 0;
    };
    const file = await fileOrError(() => files.get(tenant, input_file));
    if ('code' in file) return { errors: [file], chunks, total, models: [] };
    for await (const line of linesOf(files.content(file), maxLine)) {
      signal.throwIfAborted();
      total += 1;
      if (total > maxLines) {
        const message = `The file has more than ${maxLines} lines, which is the maximum (batches.max_lines).`;
        errors.unshift({ code: 'too_many_tasks', message, param: null, line: null });
        break;
      }
      const checked = checker.check(line);
      if ('code' in checked) {
        if (errors.length < MAX_ERRORS) errors.push(checked);
        continue;
      }
      // Nothing will run.
      if (errors.length > 0) continue;
      lines.push(checked);
      bytes += checked.body.length;
      if (lines.length >= CHUNK_LINES || bytes >= CHUNK_BYTES) await flush();
    }
    if (total === 0) {
      errors.push({ code: 'empty_file', message: 'The input file is empty.', param: null, line: null });
    }
    if (errors.length === 0) await flush();
    return { errors, chunks, total, models: [...checker.models].slice(0, MAX_MODELS) };
  }

  async #fail(row: BatchRow, errors: readonly LineError[], context?: JobContext): Promise<void> {
    const { control, outbox, queue, clock, storage } = this.parts;
    // No line of it runs: the lines before the first error were stored.
    await deleteChunks(storage, row.id);
    const [first] = errors;
    const reason = `${first?.line ? `line ${first.line}: ` : ''}${first?.message ?? ''}`;
    await control.transaction().execute(async (transaction) => {
      const ended = { status: 'failed', errors: JSON.stringify(errors), ended_at: clock.wallTime() };
      const changed = await changeBatch(transaction, row.id, ['validating'], ended);
      if (!changed) await queue.add([finishJob(row.id, row.tenant)], transaction);
      await context?.finish(transaction);
      if (changed) await outbox.append(transaction, [batchEvent('failed', changed, reason)]);
    });
    outbox.wake();
    queue.wake(FINISH);
  }
}

async function fileOrError<File>(get: () => Promise<File>): Promise<File | LineError> {
  try {
    return await get();
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'not_found') throw error;
    const message = 'The input file was deleted, or has expired.';
    return { code: 'file_not_found', message, param: 'input_file_id', line: null };
  }
}
