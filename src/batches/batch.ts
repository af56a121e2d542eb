import { z } from 'zod';
import { parseJsonText } from '../core/json.ts';
import type { BatchRow } from '../storage/sql/batch-tables.ts';
import type { LineError } from './batch-line.ts';
import { type BatchForwarding, forwardingOf } from './forward-summary.ts';

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
export const BATCH_FORMS = ['file', 'messages'] as const;
/** Lines of an uploaded file (`/v1/batches`), or requests in the body (`/v1/messages/batches`): results have the same form. */
export type BatchForm = (typeof BATCH_FORMS)[number];

/** How the caller who created a batch is found again when a line runs. */
export interface BatchCaller {
  /** `key` for an API key or an admin key; `tenant` for a session or a token of the tenant. */
  readonly kind: 'key' | 'tenant';
  readonly name: string;
  /** IP address from which the batch was created. */
  readonly address: string;
}

/** A batch. Times are Unix milliseconds. */
export interface Batch {
  readonly id: string;
  readonly tenant: string;
  readonly keyId: string;
  readonly member: string | null;
  readonly caller: BatchCaller;
  readonly form: BatchForm;
  readonly endpoint: string;
  readonly status: BatchStatus;
  readonly inputFile: string;
  /** Null until the batch has ended, and where there is none. */
  readonly outputFile: string | null;
  readonly errorFile: string | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly errors: readonly LineError[];
  readonly models: readonly string[];
  /** Which lines providers run; null where no provider takes batches, or nothing is decided yet. */
  readonly forwarding: BatchForwarding | null;
  readonly total: number;
  readonly completed: number;
  /** Lines that ended without a response, included. */
  readonly failed: number;
  /** Lines that were cancelled or expired before they ran. */
  readonly unfinished: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** 10^-12 US dollars: the sum of the lines with a known cost. */
  readonly costPico: bigint;
  /** Lines whose cost is not known. */
  readonly unpriced: number;
  readonly completionWindow: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly startedAt: number | null;
  readonly finalizingAt: number | null;
  readonly cancellingAt: number | null;
  readonly endedAt: number | null;
}

const metadataText = z.record(z.string(), z.string()).nullable();
const errorsText = z.array(
  z.object({
    code: z.string(),
    message: z.string(),
    param: z.string().nullable(),
    line: z.number().nullable(),
  }),
);
const callerText = z.object({ kind: z.enum(['key', 'tenant']), name: z.string(), address: z.string() });

/** @returns whether a batch changes no more */
export function hasEnded({ status }: Pick<Batch, 'status'>): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled' || status === 'expired';
}

/** @returns the form of a row */
export function formOf({ form }: Pick<BatchRow, 'form'>): BatchForm {
  return BATCH_FORMS.find((one) => one === form) ?? 'file';
}

/** @returns the batch of a row */
export function batchOf(row: BatchRow): Batch {
  const status = BATCH_STATUSES.find((one) => one === row.status) ?? 'failed';
  const ended = hasEnded({ status });
  return {
    ...{ id: row.id, tenant: row.tenant, keyId: row.key_id, member: row.member, status },
    caller: callerText.parse(parseJsonText(row.caller)),
    form: formOf(row),
    ...{ endpoint: row.endpoint, inputFile: row.input_file },
    // Their names are chosen before they are written.
    outputFile: ended ? row.output_file : null,
    errorFile: ended ? row.error_file : null,
    metadata: metadataText.safeParse(parseJsonText(row.metadata)).data ?? null,
    errors: errorsText.safeParse(parseJsonText(row.errors)).data ?? [],
    models: z.array(z.string()).safeParse(parseJsonText(row.models)).data ?? [],
    forwarding: forwardingOf(row.provider),
    ...{ total: row.total, completed: row.completed, failed: row.failed, unfinished: row.unfinished },
    ...{ inputTokens: row.input_tokens, outputTokens: row.output_tokens, unpriced: row.unpriced },
    costPico: BigInt(row.cost_pico),
    ...{ completionWindow: row.completion_window, createdAt: row.created_at, expiresAt: row.expires_at },
    ...{ startedAt: row.started_at, finalizingAt: row.finalizing_at, cancellingAt: row.cancelling_at },
    endedAt: row.ended_at,
  };
}
