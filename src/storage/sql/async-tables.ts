/** A queued request, in the control database: nothing of its content. Times are Unix milliseconds. */
export interface AsyncRequestRow {
  id: string;
  tenant: string;
  key_id: string;
  member: string | null;
  /** JSON: how the caller is found again when the request runs. */
  caller: string;
  /** Path of the endpoint. */
  endpoint: string;
  /** As the client named it. */
  model: string;
  status: string;
  /** Hash of the client's idempotency key; null without one. */
  idempotency: string | null;
  /** Hash of the request, which repetitions with the key have to equal. */
  fingerprint: string;
  /** Runs whose provider failed. */
  runs: number;
  /** HTTP status of the response; null until there is one. */
  http_status: number | null;
  /** Code of the error; null without one. */
  error_code: string | null;
  /** 10^-12 US dollars of all runs, as decimal digits; null where it is unknown. */
  cost_pico: string | null;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
  /** Until when it may run. */
  deadline_at: number;
  /** When it is deleted; null until it has ended. */
  delete_at: number | null;
}

/** Queued requests in the control database. */
export interface AsyncTables {
  async_requests: AsyncRequestRow;
}

/** The content of a queued request, in the database of its tenant. */
export interface AsyncContentRow {
  id: string;
  /** JSON text. */
  request: string;
  /** JSON: headers by name. */
  request_headers: string;
  /** JSON text; null until there is a response. */
  response: string | null;
  response_headers: string;
  http_status: number | null;
  error_code: string | null;
  /** As in the control database. */
  cost_pico: string | null;
  created_at: number;
}
