/** A job of the durable queue. */
export interface JobRow {
  id: string;
  kind: string;
  tenant: string;
  /** `queued`, `running`, `done`, `failed` or `cancelled`. */
  state: string;
  payload: string;
  /** The earliest start; the order of a tenant's jobs. */
  due_at: number;
  /** Starts so far. */
  attempts: number;
  /** Grows with each lease, so that a gateway that lost its lease cannot settle the job. */
  fence: number;
  /** The gateway that runs it; empty while none does. */
  owner: string;
  lease_until: number;
  /** Of the last failed run. */
  error: string | null;
  created_at: number;
  finished_at: number | null;
}

/** The tables of the job queue in the control database. */
export interface JobTables {
  jobs: JobRow;
}
