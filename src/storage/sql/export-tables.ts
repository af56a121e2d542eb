import type { Generated, Selectable } from 'kysely';

/** The tables of exports, in the control database. Times are Unix milliseconds. */
export interface ExportTables {
  export_cursors: ExportCursorTable;
}

/**
 * How far an export is. The row with an empty tenant is of the export itself: its lease, when it began, and whether it is
 * paused.
 */
interface ExportCursorTable {
  export: string;
  tenant: string;
  /** Of the last batch that was read, and how many of its lines are done. */
  sequence: number;
  line: number;
  sent: number;
  dropped: number;
  /** Attempts since the last success. */
  failures: number;
  /** Not before, after failures. */
  next_at: number;
  error: string;
  /** Of the row of the export itself; 0 while it is not paused. */
  paused_at: Generated<number>;
  /** When the receiver last acknowledged records; 0 for never. */
  sent_at: Generated<number>;
  owner: string;
  lease_until: number;
  /** Earlier records are not sent. A tenant's row has the time of the export, and after a rewind one of its own. */
  started_at: number;
  updated_at: number;
}

export type ExportCursorRow = Selectable<ExportCursorTable>;
