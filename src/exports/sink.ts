import type { ExportPlace } from '../storage/sql/export-store.ts';
import type { ExportedRecord } from './record.ts';

/** Some records of one tenant, in their order. */
export interface ExportBatch {
  readonly tenant: string;
  /** Position before the first record. */
  readonly from: ExportPlace;
  /** At least one. */
  readonly records: readonly ExportedRecord[];
  /** Whether it is of no tenant, and must replace nothing. */
  readonly isTest?: boolean;
}

/** A record that the receiver will never accept. */
export interface DroppedRecord {
  readonly id: string;
  readonly reason: string;
}

export type SinkOutcome =
  /** The receiver has all records except the dropped ones. */
  | { readonly kind: 'sent'; readonly dropped: readonly DroppedRecord[] }
  /** Sending the same again may succeed. */
  | ({ readonly kind: 'failed'; readonly retryAfter?: string | undefined } & Refusal)
  /** The receiver will never accept these records together. */
  | ({ readonly kind: 'rejected' } & Refusal);

interface Refusal {
  readonly reason: string;
  /** The beginning of the response. It may repeat records, so it is neither logged nor stored. */
  readonly detail?: string | undefined;
}

/** Where records go. */
export interface ExportSink {
  /** Never throws for a failure of the receiver. */
  send(batch: ExportBatch, signal: AbortSignal): Promise<SinkOutcome>;
}

export const SENT: SinkOutcome = { kind: 'sent', dropped: [] };
