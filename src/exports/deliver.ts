import type { ExportPlace } from '../storage/sql/export-store.ts';
import type { DroppedRecord, ExportBatch, ExportSink } from './sink.ts';

export interface Delivery {
  /** Records from the first one that need not be sent again: acknowledged or dropped. */
  readonly done: number;
  readonly dropped: readonly DroppedRecord[];
  /** Why it ended before the last record. */
  readonly failure: { readonly reason: string; readonly retryAfter?: string | undefined } | undefined;
}

/**
 * Sends a batch. One that the receiver rejects is sent again in halves, until the records are found that it never accepts:
 * these are dropped, and all others arrive.
 * @param places the position after each record
 */
export async function deliver(
  sink: ExportSink,
  batch: ExportBatch,
  places: readonly ExportPlace[],
  signal: AbortSignal,
): Promise<Delivery> {
  const { records } = batch;
  const [record] = records;
  if (!record) return { done: 0, dropped: [], failure: undefined };
  const outcome = await sink.send(batch, signal);
  if (outcome.kind === 'sent') return { done: records.length, dropped: outcome.dropped, failure: undefined };
  if (outcome.kind === 'failed') return { done: 0, dropped: [], failure: outcome };
  if (records.length === 1) {
    return { done: 1, dropped: [{ id: record.id, reason: outcome.reason }], failure: undefined };
  }
  const middle = Math.ceil(records.length / 2);
  const left = await deliver(
    sink,
    { ...batch, records: records.slice(0, middle) },
    places.slice(0, middle),
    signal,
  );
  if (left.failure) return left;
  const right = await deliver(
    sink,
    { ...batch, from: places[middle - 1] ?? batch.from, records: records.slice(middle) },
    places.slice(middle),
    signal,
  );
  return {
    done: left.done + right.done,
    dropped: [...left.dropped, ...right.dropped],
    failure: right.failure,
  };
}
