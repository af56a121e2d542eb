import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { Outbox } from '../events/outbox.ts';
import type { NewEvent } from '../events/stored-event.ts';
import type { JobQueue } from '../jobs/job-queue.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { AsyncRequest, KeptResponse } from './async-request.ts';

/** The bounds of queued requests. */
export interface AsyncBounds {
  /** Requests that this process runs at the same time; read at the start. */
  readonly concurrency: number;
  /** Requests of a tenant that have not ended. */
  readonly maxActive: number;
  /** All requests of a tenant. */
  readonly maxStored: number;
  /** Bytes of a body. */
  readonly maxSize: number;
  /** Milliseconds until a request that has not run fails. */
  readonly runWithinMs: number;
  /** Milliseconds that a response is kept. */
  readonly keepMs: number;
}

/** What happened to a queued request. */
export type AsyncOutcome = 'accepted' | 'succeeded' | 'failed' | 'cancelled' | 'retried';

/** A response with what it means for the request. */
export interface RunResponse extends KeptResponse {
  readonly error: GatewayError | undefined;
  /** 10^-12 US dollars; undefined where a price is not known. */
  readonly costPico: number | undefined;
}

/** One run of a request. */
export interface RunRequest {
  readonly request: AsyncRequest;
  /** JSON text. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** What queued requests work with. */
export interface AsyncParts {
  readonly control: Kysely<ControlTables>;
  readonly databases: TenantDatabases;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly outbox: Outbox;
  readonly bounds: () => AsyncBounds;
  /** Requests that this process runs, by id: cancelling one here aborts it at once. */
  readonly running: Map<string, AbortController>;
  /** Called with the outcome of each request. */
  readonly onOutcome: (outcome: AsyncOutcome) => void;
}

export const ASYNC_JOB = 'async';

/** @returns the id of the job that runs a request */
export function jobIdOf(id: string): string {
  return `async:${id}`;
}

/** @returns the durable event of a request that has ended @param code of its error; null without one */
export function endedEvent(id: string, tenant: string, status: number, code: string | null): NewEvent {
  return code === null
    ? { type: 'async.completed', tenant, data: { async: id, status } }
    : { type: 'async.failed', tenant, data: { async: id, code } };
}
