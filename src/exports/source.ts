import type { ExportPlace } from '../storage/sql/export-store.ts';
import type { WaitingRecords } from '../storage/sql/exported-log.ts';
import type { ExportedRecord } from './record.ts';
import type { DroppedRecord } from './sink.ts';

/** Bounds of what is read at once. */
export interface ReadLimits {
  /** Unix milliseconds; earlier records are skipped. */
  readonly since: number;
  readonly maxRecords: number;
  /** Of the records of one batch, as JSON. */
  readonly maxBytes: number;
  /** Of one record, as JSON. */
  readonly maxRecordBytes: number;
}

export interface SourcePage {
  readonly records: readonly ExportedRecord[];
  /** The position after each record. */
  readonly places: readonly ExportPlace[];
  /** The position after all that was read, which may be something that is not exported. */
  readonly end: ExportPlace;
  readonly isLast: boolean;
  /** Records that cannot be read. */
  readonly unreadable: readonly DroppedRecord[];
}

/** Where records come from: data of a tenant that has positions. */
export interface ExportSource {
  /** @throws the database's error */
  read(tenant: string, from: ExportPlace, limits: ReadLimits): Promise<SourcePage>;
  /** Counts what is after a position. @throws the database's error */
  waiting(tenant: string, from: ExportPlace, since: number): Promise<WaitingRecords>;
}

/** Collects records until a batch is full. */
export class PageBuilder {
  readonly records: ExportedRecord[] = [];
  readonly places: ExportPlace[] = [];
  #bytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** @returns false when the record does not fit; the first one always does */
  add(record: ExportedRecord, after: ExportPlace): boolean {
    this.#bytes += Buffer.byteLength(JSON.stringify(record)) + 1;
    if (this.#bytes > this.maxBytes && this.records.length > 0) return false;
    this.records.push(record);
    this.places.push(after);
    return true;
  }
}
