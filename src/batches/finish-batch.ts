import { newFileId } from '../files/files.ts';
import { OUTPUT_PURPOSE } from '../files/stored-file.ts';
import type { LeasedJob } from '../jobs/job-queue.ts';
import type { JobContext, JobHandler, JobResult } from '../jobs/job-worker.ts';
import { readObject } from '../platform/object-storage/object-storage.ts';
import { deleteForwards, openForwards } from '../storage/sql/batch-forward-store.ts';
import {
  batchById,
  changeBatch,
  closeResults,
  deleteResults,
  type ResultSums,
  readResults,
  resultSums,
} from '../storage/sql/batch-store.ts';
import type { BatchResultRow, BatchRow } from '../storage/sql/batch-tables.ts';
import { batchOf, formOf, hasEnded } from './batch.ts';
import { chunkLines } from './batch-line.ts';
import { type BatchParts, batchEvent, chunkKey, deleteChunks, FINISH } from './batch-parts.ts';
import { batchOfJob } from './prepare-batch.ts';
import { resultLine, type UnfinishedReason, unfinishedLine } from './result-line.ts';

/** Results that are read at once. */
const PAGE = 200;
/** How long lines that run when a batch is cancelled may take. */
const MAX_CANCELLING_MS = 10 * 60_000;
const WAIT_MS = 1_000;
const LOOK_AGAIN_MS = 5_000;
const MAX_CHUNK = 256 * 1024 * 1024;

type EndStatus = 'completed' | 'cancelled' | 'expired';

/**
 * Ends a batch: takes no more results, writes them to files, and says so. Runs again from its beginning after a kill, with
 * the same file ids.
 */
export class FinishBatch implements JobHandler {
  readonly kind = FINISH;
  readonly concurrency = 2;
  readonly maxAttempts = 50;

  constructor(private readonly parts: BatchParts) {}

  async run(job: LeasedJob, context: JobContext): Promise<JobResult> {
    const { control, databases, queue, clock } = this.parts;
    const found = await batchById(control, batchOfJob(job));
    const status = found && this.#endOf(found);
    if (!found) return undefined;
    if (hasEnded(batchOf(found))) {
      // A kill, or a storage that failed, has left them.
      await this.#cleanUp(found);
      return undefined;
    }
    // The clock of another gateway is ahead of this one.
    if (status === undefined) return { retryAt: clock.wallTime() + LOOK_AGAIN_MS };
    const { id, tenant } = found;
    const isCancelling = status !== 'completed';
    const since = clock.wallTime() - (found.cancelling_at ?? found.expires_at);
    const isBusy = async () =>
      (await queue.isRunning(`${id}:`, job.id)) || (await openForwards(control, id)) > 0;
    if (isCancelling && since < MAX_CANCELLING_MS && (await isBusy())) {
      return { retryAt: clock.wallTime() + WAIT_MS };
    }
    const row = await this.#begin(found);
    if (!row) return undefined;
    const scope = { tenant };
    await databases.use(scope, (db) => closeResults(db, id));
    const sums = await databases.use(scope, (db) => resultSums(db, id));
    const unfinished = Math.max(0, row.total - sums.completed - sums.failed);
    const files = await this.#writeFiles(row, sums, status, context.signal);
    await this.#end(row, { sums, unfinished, status, files }, context);
    await this.#cleanUp(row);
    return undefined;
  }

  async failed(job: LeasedJob, error: string): Promise<void> {
    const { control, outbox, clock } = this.parts;
    const message = `The results could not be written: ${error}`;
    await control.transaction().execute(async (transaction) => {
      const failed = await changeBatch(transaction, batchOfJob(job), ['finalizing', 'cancelling'], {
        ...{ status: 'failed', ended_at: clock.wallTime(), output_file: null, error_file: null },
        errors: JSON.stringify([{ code: 'results_unwritable', message, param: null, line: null }]),
      });
      if (failed) await outbox.append(transaction, [batchEvent('failed', failed, message)]);
    });
    outbox.wake();
    const ended = await batchById(control, batchOfJob(job));
    if (ended && hasEnded(batchOf(ended))) await this.#cleanUp(ended);
  }

  /** @returns undefined for a batch that has ended, or that still runs */
  #endOf({ status, expires_at, cancelling_at, completed, failed, total }: BatchRow): EndStatus | undefined {
    if (status === 'cancelling') return 'cancelled';
    if (status === 'finalizing') {
      if (cancelling_at !== null) return 'cancelled';
      return completed + failed >= total ? 'completed' : 'expired';
    }
    if (status !== 'in_progress' && status !== 'validating') return undefined;
    if (status === 'in_progress' && completed + failed >= total) return 'completed';
    return expires_at <= this.parts.clock.wallTime() ? 'expired' : undefined;
  }

  /** Chooses the names of the files once. */
  async #begin(row: BatchRow): Promise<BatchRow | undefined> {
    const { control, clock } = this.parts;
    if (row.output_file !== null) return row;
    return changeBatch(control, row.id, ['validating', 'in_progress', 'cancelling', 'finalizing'], {
      ...(row.status === 'cancelling' ? {} : { status: 'finalizing' }),
      finalizing_at: clock.wallTime(),
      ...{ output_file: newFileId(), error_file: newFileId() },
    });
  }

  async #writeFiles(
    row: BatchRow,
    { completed, failed }: ResultSums,
    status: EndStatus,
    signal: AbortSignal,
  ) {
    const { files, clock } = this.parts;
    const form = formOf(row);
    const reason = status === 'completed' ? undefined : status;
    const keepMs = row.output_expires_ms ?? this.parts.bounds().keepMs;
    const expiresAt = keepMs === null ? null : clock.wallTime() + keepMs;
    const write = async (id: string | null, kind: 'output' | 'error', lines: AsyncIterable<string>) => {
      const file = { purpose: OUTPUT_PURPOSE, filename: `${row.id}_${kind}.jsonl`, expiresAt };
      if (id !== null) await files.writeOwn(id, row.tenant, file, encoded(lines, signal));
      return id;
    };
    const hasErrors = failed > 0 || (reason !== undefined && completed + failed < row.total);
    if (form === 'messages') {
      const all = this.#lines(row, () => true, reason);
      return { output: await write(row.output_file, 'output', all), error: null };
    }
    const isSuccess = ({ status: code }: BatchResultRow) => code === 200;
    return {
      output:
        completed > 0 ? await write(row.output_file, 'output', this.#lines(row, isSuccess, undefined)) : null,
      error: hasErrors
        ? await write(
            row.error_file,
            'error',
            this.#lines(row, (result) => !isSuccess(result), reason),
          )
        : null,
    };
  }

  /** @param reason of lines without a result; undefined to leave them out */
  async *#lines(
    row: BatchRow,
    wants: (result: BatchResultRow) => boolean,
    reason: UnfinishedReason | undefined,
  ): AsyncGenerator<string> {
    const form = formOf(row);
    const unfinished = reason === undefined ? undefined : this.#inputLines(row);
    let next = await unfinished?.next();
    for await (const result of this.#results(row)) {
      for (; reason && next?.value && next.value.number < result.line; next = await unfinished?.next()) {
        yield unfinishedLine(form, requestOf(row, next.value), reason);
      }
      if (next?.value && next.value.number === result.line) next = await unfinished?.next();
      if (wants(result)) yield resultLine(form, result);
    }
    for (; reason && next?.value; next = await unfinished?.next()) {
      yield unfinishedLine(form, requestOf(row, next.value), reason);
    }
  }

  async *#results({ id, tenant }: BatchRow): AsyncGenerator<BatchResultRow> {
    const { databases } = this.parts;
    for (let after = 0; ; ) {
      const rows = await databases.use({ tenant }, (db) => readResults(db, id, after, PAGE));
      yield* rows;
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) return;
      after = last.line;
    }
  }

  async *#inputLines({
    id,
    total,
  }: BatchRow): AsyncGenerator<{ number: number; customId: string }, undefined> {
    const { storage } = this.parts;
    let seen = 0;
    for (let chunk = 0; seen < total; chunk += 1) {
      const text = (await readObject(storage, chunkKey(id, chunk), MAX_CHUNK)).toString('utf8');
      for (const line of chunkLines(text)) {
        seen += 1;
        yield line;
      }
    }
    return undefined;
  }

  async #end(
    { id, tenant, total }: BatchRow,
    end: {
      readonly sums: ResultSums;
      readonly unfinished: number;
      readonly status: EndStatus;
      readonly files: { readonly output: string | null; readonly error: string | null };
    },
    context: JobContext,
  ): Promise<void> {
    const { control, outbox, clock } = this.parts;
    const { sums, unfinished, status, files } = end;
    await control.transaction().execute(async (transaction) => {
      const ended = await changeBatch(transaction, id, ['finalizing', 'cancelling'], {
        ...{ status, ended_at: clock.wallTime(), output_file: files.output, error_file: files.error },
        ...{ completed: sums.completed, failed: sums.failed + unfinished, unfinished, total },
        ...{ input_tokens: sums.inputTokens, output_tokens: sums.outputTokens, unpriced: sums.unpriced },
        cost_pico: String(sums.costPico),
      });
      await context.finish(transaction);
      if (ended) await outbox.append(transaction, [batchEvent(status, { ...ended, tenant })]);
    });
    outbox.wake();
  }

  /** The results are in the files now, or cannot be written. */
  async #cleanUp({ id, tenant }: BatchRow): Promise<void> {
    const { databases, storage, control } = this.parts;
    await deleteForwards(control, id);
    while (await databases.use({ tenant }, (db) => deleteResults(db, id)));
    await deleteChunks(storage, id);
  }
}

function requestOf({ id }: BatchRow, { number, customId }: { number: number; customId: string }) {
  return { customId, requestId: `${id}-${number}` };
}

async function* encoded(lines: AsyncIterable<string>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const line of lines) {
    signal.throwIfAborted();
    yield encoder.encode(line);
  }
}
