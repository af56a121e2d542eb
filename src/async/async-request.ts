import { z } from 'zod';
import { parseJsonText } from '../core/json.ts';
import type { AsyncContentRow, AsyncRequestRow } from '../storage/sql/async-tables.ts';

const ASYNC_STATUSES = ['pending', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type AsyncStatus = (typeof ASYNC_STATUSES)[number];

/** How the caller who queued a request is found again when it runs. */
export interface AsyncCaller {
  /** `key` for an API key or an admin key; `tenant` for a session or a token of the tenant. */
  readonly kind: 'key' | 'tenant';
  readonly name: string;
  /** IP address from which the request was queued. */
  readonly address: string;
}

/** Who queued a request. */
export interface AsyncOwner {
  readonly tenant: string;
  readonly keyId: string;
  readonly member: string | null;
}

/** The response to a queued request. */
export interface KeptResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

/** A queued request. Times are Unix milliseconds. */
export interface AsyncRequest extends AsyncOwner {
  readonly id: string;
  readonly caller: AsyncCaller;
  readonly endpoint: string;
  readonly model: string;
  readonly status: AsyncStatus;
  readonly httpStatus: number | null;
  readonly errorCode: string | null;
  /** 10^-12 US dollars of all runs; null where it is unknown. */
  readonly costPico: bigint | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly deadlineAt: number;
  /** When it is deleted; null until it has ended. */
  readonly deleteAt: number | null;
}

const callerText = z.object({ kind: z.enum(['key', 'tenant']), name: z.string(), address: z.string() });
const headersText = z.record(z.string(), z.string());

/** @returns the request of a row */
export function asyncRequestOf(row: AsyncRequestRow): AsyncRequest {
  return {
    ...{ id: row.id, tenant: row.tenant, keyId: row.key_id, member: row.member },
    caller: callerText.parse(parseJsonText(row.caller)),
    ...{ endpoint: row.endpoint, model: row.model },
    status: ASYNC_STATUSES.find((one) => one === row.status) ?? 'failed',
    ...{ httpStatus: row.http_status, errorCode: row.error_code },
    costPico: row.cost_pico === null ? null : BigInt(row.cost_pico),
    ...{ createdAt: row.created_at, startedAt: row.started_at, endedAt: row.ended_at },
    ...{ deadlineAt: row.deadline_at, deleteAt: row.delete_at },
  };
}

/** @returns whether a request changes no more */
export function hasEnded({ status }: Pick<AsyncRequest, 'status'>): boolean {
  return status !== 'pending' && status !== 'running';
}

/** @returns headers that were stored as JSON text */
export function storedHeaders(text: string): Record<string, string> {
  return headersText.parse(parseJsonText(text));
}

/** @returns the response in a content; undefined where there is none */
export function responseIn(content: AsyncContentRow | undefined): KeptResponse | undefined {
  if (!content || content.response === null || content.http_status === null) return undefined;
  return {
    ...{ status: content.http_status, body: content.response },
    headers: storedHeaders(content.response_headers),
  };
}
