/** The tables of exports, in the control database. Times are Unix milliseconds. */
export interface ExportTables {
  export_cursors: ExportCursorRow;
}

/** How far an export is. The row with an empty tenant is of the export itself: its lease, and when it began. */
export interface ExportCursorRow {
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
  owner: string;
  lease_until: number;
  started_at: number;
  updated_at: number;
}
