import type { Tone } from '../ui/feedback.tsx';
import { api } from './api.ts';
import type { Me } from './session.tsx';

/** Objects of the admin API, as `/openapi.json` describes them. Money is US dollars, as exact decimals. */
export const BATCH_STATUSES = [
  'validating',
  'in_progress',
  'finalizing',
  'cancelling',
  'completed',
  'failed',
  'cancelled',
  'expired',
] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

export interface Batch {
  readonly id: string;
  readonly tenant: string;
  readonly key: string;
  readonly key_name: string;
  /** Id of a member; null for a key without one. */
  readonly user: string | null;
  readonly form: 'file' | 'messages';
  readonly endpoint: string;
  readonly status: BatchStatus;
  readonly models: readonly string[];
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly unfinished: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost_usd: string;
  /** Lines whose cost is not known. */
  readonly unpriced: number;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly expires_at: string;
  readonly ended_at: string | null;
}

export interface LineError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  readonly line: number | null;
}

export interface BatchDetails extends Batch {
  readonly input_file: string;
  readonly output_file: string | null;
  readonly error_file: string | null;
  readonly cancelling_at: string | null;
  /** Lines by provider, and those that Weir runs by reason; null where no provider takes batches. */
  readonly forwarding: {
    readonly forwarded: Readonly<Record<string, number>>;
    readonly local: Readonly<Record<string, number>>;
  } | null;
  readonly errors: readonly LineError[];
}

export interface LineResult {
  readonly line: number | null;
  readonly custom_id: string;
  readonly request_id: string | null;
  readonly status: number | null;
  readonly error: string | null;
  readonly cost_usd: string | null;
  readonly body: unknown;
}

export interface StoredFile {
  readonly id: string;
  readonly tenant: string;
  /** Null for a file that Weir wrote. */
  readonly key: string | null;
  readonly user: string | null;
  readonly purpose: string;
  readonly filename: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly created_at: string;
  readonly expires_at: string | null;
}

export const ASYNC_STATUSES = ['pending', 'running', 'succeeded', 'failed', 'cancelled'] as const;

export interface QueuedRequest {
  readonly id: string;
  readonly tenant: string;
  readonly key: string;
  readonly key_name: string;
  readonly user: string | null;
  readonly endpoint: string;
  readonly model: string;
  readonly status: (typeof ASYNC_STATUSES)[number];
  readonly http_status: number | null;
  readonly error: string | null;
  readonly cost_usd: string | null;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly expires_at: string;
}

export interface QueuedContent {
  readonly request: unknown;
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: unknown;
  } | null;
}

export interface JobKind {
  readonly kind: string;
  readonly queued: number;
  readonly running: number;
  readonly failed: number;
  readonly oldest_due_at: string | null;
}

export interface FailedJob {
  readonly id: string;
  readonly kind: string;
  readonly tenant: string;
  readonly payload: string;
  readonly attempts: number;
  readonly error: string;
  readonly created_at: string;
  readonly failed_at: string;
}

/** Endpoints that lines may name. */
export const BATCH_ENDPOINTS = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/responses',
  '/v1/moderations',
] as const;

/** Milliseconds after which lists of work are read again. */
export const READ_WORK_MS = 5_000;
/** Milliseconds after which what runs is read again. */
export const READ_RUNNING_MS = 1_500;

export const BATCH_TONES: Readonly<Record<BatchStatus, Tone>> = {
  ...{ validating: 'neutral', in_progress: 'neutral', finalizing: 'neutral', cancelling: 'warn' },
  ...{ completed: 'good', failed: 'bad', cancelled: 'neutral', expired: 'warn' },
};

export const ASYNC_TONES: Readonly<Record<QueuedRequest['status'], Tone>> = {
  ...{ pending: 'neutral', running: 'neutral', succeeded: 'good', failed: 'bad', cancelled: 'neutral' },
};

/** @returns whether a batch changes no more */
export const hasEnded = ({ status }: Pick<Batch, 'status'>): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled' || status === 'expired';

/** @returns how long a batch or request ran, in milliseconds; undefined for one that has not started */
export function ranFor(
  { started_at: started, ended_at: ended }: Pick<Batch, 'started_at' | 'ended_at'>,
  now: number,
): number | undefined {
  if (started === null) return undefined;
  return Math.max(0, (ended === null ? now : Date.parse(ended)) - Date.parse(started));
}

/** @returns whether the caller created it */
export const isOwn = (me: Me, { user }: { readonly user: string | null }): boolean =>
  user !== null && me.id === `user:${user}`;

/** Uploads a file of requests, and creates a batch of it. @returns the batch's id @throws ApiError */
export async function createBatch(tenant: string, file: File, endpoint: string): Promise<string> {
  const headers = { 'x-weir-tenant': tenant };
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', file);
  const response = await api.raw('POST', '/v1/files', { form, headers });
  const { id: input_file_id }: { readonly id: string } = await response.json();
  const batch = await api.post<{ readonly id: string }>(
    '/v1/batches',
    { input_file_id, endpoint, completion_window: '24h' },
    { headers },
  );
  return batch.id;
}

/** @returns the commands that create a batch with one request */
export function batchSnippet(origin: string, model: string): string {
  return `echo '{"custom_id": "first", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "${model}", "messages": [{"role": "user", "content": "Say hello."}]}}' > requests.jsonl
FILE=$(curl -s ${origin}/v1/files -H "authorization: Bearer $WEIR_API_KEY" \\
  -F purpose=batch -F file=@requests.jsonl | sed 's/.*"id":"\\([^"]*\\)".*/\\1/')
curl ${origin}/v1/batches -H "authorization: Bearer $WEIR_API_KEY" -H 'content-type: application/json' \\
  -d '{"input_file_id": "'$FILE'", "endpoint": "/v1/chat/completions", "completion_window": "24h"}'`;
}

/** @returns the command that queues a request */
export function asyncSnippet(origin: string, model: string): string {
  return `curl -i ${origin}/v1/chat/completions -H "authorization: Bearer $WEIR_API_KEY" \\
  -H 'content-type: application/json' -H 'prefer: respond-async' \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Say hello."}]}'`;
}
