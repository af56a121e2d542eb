import { isRecord, parseJsonText } from '../core/json.ts';
import type { JobContext } from '../jobs/job-worker.ts';
import { changeBatch, resultSums } from '../storage/sql/batch-store.ts';
import type { BatchResultRow, BatchRow } from '../storage/sql/batch-tables.ts';
import type { Batch } from './batch.ts';
import type { BatchLine } from './batch-line.ts';
import { type BatchParts, FINISH, finishJob, type LineResponse } from './batch-parts.ts';

/**
 * Stores the sums of all chunks, and ends the batch where each line has a result.
 * @param context settles the job in the same transaction
 */
export async function sumUp(
  { control, databases, queue }: Pick<BatchParts, 'control' | 'databases' | 'queue'>,
  { id, tenant }: Pick<BatchRow, 'id' | 'tenant'>,
  context?: JobContext,
): Promise<void> {
  let isComplete = false;
  await control.transaction().execute(async (transaction) => {
    // Locks the batch before the sums are read: otherwise older sums could replace newer ones.
    await changeBatch(transaction, id, ['in_progress'], {});
    const sums = await databases.use({ tenant }, (db) => resultSums(db, id));
    const row = await changeBatch(transaction, id, ['in_progress'], {
      ...{ completed: sums.completed, failed: sums.failed, unpriced: sums.unpriced },
      ...{ input_tokens: sums.inputTokens, output_tokens: sums.outputTokens },
      cost_pico: String(sums.costPico),
    });
    isComplete = row !== undefined && sums.completed + sums.failed >= row.total;
    if (isComplete) await queue.add([finishJob(id, tenant)], transaction);
    await context?.finish(transaction);
  });
  if (isComplete) queue.wake(FINISH);
}

/** @returns the row of a line's result */
export function resultRow(
  { id }: Batch,
  { number, customId }: BatchLine,
  requestId: string,
  { status, body, costPico }: LineResponse,
  now: number,
): BatchResultRow {
  const { inputTokens, outputTokens } = usageIn(body);
  return {
    ...{ batch: id, line: number, custom_id: customId, request_id: requestId, status, error: '' },
    // One line of a file. PostgreSQL stores no NUL, which JSON escapes.
    body: body.replaceAll(/[\r\n\0]/g, ' ').trim(),
    ...{ input_tokens: inputTokens, output_tokens: outputTokens },
    ...{ cost_pico: costPico ?? null, created_at: now },
  };
}

/** The tokens that a response reports, in any dialect. */
function usageIn(body: string): { inputTokens: number; outputTokens: number } {
  const parsed = parseJsonText(body);
  const usage = isRecord(parsed) && isRecord(parsed.usage) ? parsed.usage : {};
  const count = (...names: string[]) => {
    const value = names.map((name) => usage[name]).find((one) => Number.isSafeInteger(one));
    return typeof value === 'number' ? Math.max(0, value) : 0;
  };
  return {
    inputTokens: count('prompt_tokens', 'input_tokens'),
    outputTokens: count('completion_tokens', 'output_tokens'),
  };
}
