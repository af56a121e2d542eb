/** A file of a tenant. Its content is stored elsewhere, under the id. */
export interface FileRow {
  id: string;
  tenant: string;
  /** Of the key that created it; empty for a file that Weir wrote. */
  key_id: string;
  member: string | null;
  purpose: string;
  filename: string;
  bytes: number;
  /** SHA-256 of the content, as lower-case hexadecimal digits. */
  digest: string;
  /** 1 for a file that Weir wrote: it counts for no quota. */
  own: number;
  created_at: number;
  expires_at: number | null;
}

/** A batch. Times are Unix milliseconds. */
export interface BatchRow {
  id: string;
  tenant: string;
  key_id: string;
  /** `admin`, `api_key` or `session`: how the caller is found again when a line runs. */
  caller: string;
  member: string | null;
  /** `openai` or `anthropic`: the form of its input and results. */
  form: string;
  /** Of all lines; empty where each line has its own. */
  endpoint: string;
  status: string;
  /** JSON object that says which lines providers run, and why Weir runs the others; empty where no provider takes batches. */
  provider: string;
  /** Always empty. */
  provider_batch: string;
  input_file: string;
  output_file: string | null;
  error_file: string | null;
  /** JSON object of the client. */
  metadata: string;
  /** JSON list: why the input is not valid. */
  errors: string;
  /** JSON list of the models that lines name. */
  models: string;
  total: number;
  completed: number;
  failed: number;
  /** Lines that were cancelled or expired, which are part of `failed`. */
  unfinished: number;
  input_tokens: number;
  output_tokens: number;
  /** 10^-12 US dollars, as decimal digits. */
  cost_pico: string;
  /** Lines whose cost is unknown. */
  unpriced: number;
  output_expires_ms: number | null;
  /** As the client asked: `24h`. */
  completion_window: string;
  created_at: number;
  expires_at: number;
  started_at: number | null;
  finalizing_at: number | null;
  cancelling_at: number | null;
  ended_at: number | null;
  version: number;
}

/** Lines of a batch that go to a provider as one batch of its own. Times are Unix milliseconds. */
export interface BatchForwardRow {
  batch: string;
  /** From 0. */
  part: number;
  tenant: string;
  provider: string;
  /** Which of the provider's keys, from 1; 0 for a single key. */
  account: number;
  model: string;
  endpoint: string;
  /** Key of the object with its lines. */
  object: string;
  lines: number;
  /** The chunks of the batch's input that its lines are in. */
  first_chunk: number;
  last_chunk: number;
  /** The most that its lines use: tokens, and 10^-9 US dollars. */
  tokens: number;
  nano_usd: number;
  /** `planned`, `submitting` (the provider may have it), `submitted` or `done`. */
  state: string;
  /** Names the submission at the provider; empty before the first one. */
  token: string;
  /** Id of the batch at the provider; empty until it is known. */
  remote: string;
  /** Of the last submission; 0 before. */
  submitted_at: number;
  created_at: number;
  /** The process that has reserved what the lines use; empty for none. */
  holder: string;
  /** When that process counts as gone. */
  held_until: number;
}

/** Files and batches in the control database. */
export interface BatchTables {
  files: FileRow;
  batches: BatchRow;
  batch_forwards: BatchForwardRow;
}

/** The result of one line, until the batch has ended. */
export interface BatchResultRow {
  batch: string;
  /** From 1. */
  line: number;
  custom_id: string;
  request_id: string;
  /** HTTP status; 0 for a line that waits: the row has only what its runs have cost. */
  status: number;
  /** Always empty. */
  error: string;
  /** JSON text of the response. */
  body: string;
  input_tokens: number;
  output_tokens: number;
  /** 10^-12 US dollars; null where it is unknown. */
  cost_pico: number | null;
  created_at: number;
}

/** The sums of the results of one chunk of a batch's lines. The chunk -1 is 'completed' when the batch takes no more. */
export interface BatchChunkRow {
  batch: string;
  chunk: number;
  completed: number;
  failed: number;
  input_tokens: number;
  output_tokens: number;
  cost_pico: number;
  unpriced: number;
}
