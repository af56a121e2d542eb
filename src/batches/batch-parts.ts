import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { RecentMap } from '../core/recent-map.ts';
import type { Outbox } from '../events/outbox.ts';
import type { NewEvent } from '../events/stored-event.ts';
import type { Files } from '../files/files.ts';
import type { JobQueue } from '../jobs/job-queue.ts';
import type { ObjectStorage } from '../platform/object-storage/object-storage.ts';
import type { BatchUpstream } from '../providers/batch-upstream.ts';
import type { LineForwarding } from '../providers/line-forwarding.ts';
import type { BatchForwardRow, BatchRow } from '../storage/sql/batch-tables.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { UsageEvent } from '../storage/usage-event.ts';
import type { Batch, BatchCaller } from './batch.ts';

/** The bounds of batches. */
export interface BatchBounds {
  readonly maxLines: number;
  /** Bytes of one line. */
  readonly maxLine: number;
  /** Batches of a tenant that have not ended. */
  readonly maxActive: number;
  /** Lines that this process runs at the same time. */
  readonly concurrency: number;
  /** Milliseconds until results expire; null for never. */
  readonly keepMs: number | null;
}

/** One line to run. */
export interface LineRequest {
  readonly tenant: string;
  readonly keyId: string;
  readonly member: string | null;
  readonly caller: BatchCaller;
  readonly path: string;
  /** JSON text. */
  readonly body: string;
  readonly requestId: string;
  readonly signal: AbortSignal;
  /** Set where a provider's batch API makes the upstream call. */
  readonly forwarding?: LineForwarding | undefined;
}

/** The response to a line. */
export interface LineResponse {
  readonly status: number;
  /** JSON text. */
  readonly body: string;
  readonly error: GatewayError | undefined;
  /** 10^-12 US dollars; undefined where a price is not known. */
  readonly costPico: number | undefined;
}

/** What a part of a batch has reserved from quotas and budgets. */
export interface UseHold {
  release(): void;
}

/** The result of a line that a provider ran. */
export interface ProviderResult {
  readonly batch: Pick<Batch, 'tenant' | 'keyId' | 'member'>;
  readonly requestId: string;
  readonly forward: Pick<BatchForwardRow, 'provider' | 'account' | 'model' | 'endpoint'>;
  /** Names by which the line may have asked for its model. */
  readonly models: readonly string[];
  /** JSON text of a response with a success status. */
  readonly body: string;
  /** HTTP status that the client gets for the line. */
  readonly status: number;
}

/** What forwarding works with. */
export interface ForwardParts {
  /** @param account number of the provider's key; 0 for a single one @returns undefined where no batches go to it */
  readonly upstreamOf: (provider: string, account: number) => BatchUpstream | undefined;
  /**
   * Reserves what lines may use: requests, tokens, and 10^-9 US dollars.
   * @returns undefined where nothing limits them
   * @throws GatewayError with the status 429 where the limits have no room for it
   */
  readonly hold: (
    batch: Batch,
    use: { readonly requests: number; readonly tokens: number; readonly nanoUsd: number },
  ) => Promise<UseHold | undefined>;
  /**
   * Reads the usage of a line from its result alone.
   * @returns undefined where the result reports none, or no usage is kept
   */
  readonly usageOf: (result: ProviderResult) => UsageEvent | undefined;
  /** Stores usage events, each once however often it is stored. Rejects where the database does not take them. */
  readonly storeUsage: (events: readonly UsageEvent[]) => Promise<void>;
}

/** What batches work with. */
export interface BatchParts {
  readonly control: Kysely<ControlTables>;
  readonly databases: TenantDatabases;
  readonly clock: Clock;
  readonly queue: JobQueue;
  readonly outbox: Outbox;
  readonly files: Files;
  /** Keeps chunks of input as `batches/<id>/<chunk>`, until the batch has ended. */
  readonly storage: ObjectStorage;
  readonly bounds: () => BatchBounds;
  /** Runs a line as its caller; never rejects. */
  readonly runLine: (request: LineRequest) => Promise<LineResponse>;
  /** Whether lines may start. */
  readonly isReady: () => boolean;
  /** Batches that this process has cancelled: no further line of them starts here. */
  readonly cancelled: RecentMap<string, true>;
  /** Whether a provider takes batches, by the active configuration; never when absent. */
  readonly forwards?: (() => boolean) | undefined;
  /** Called with the outcome of each line. */
  readonly onLine: (outcome: 'completed' | 'failed' | 'retried') => void;
}

export const PREPARE = 'batch.prepare';
export const PLAN = 'batch.plan';
export const LINES = 'batch.lines';
export const FORWARD = 'batch.forward';
export const FINISH = 'batch.finish';

/** Lines of one chunk, which one job runs. */
export const CHUNK_LINES = 100;
/** Bytes of one chunk, about: it is read whole. */
export const CHUNK_BYTES = 4 * 1024 * 1024;

/** @returns the key of a chunk of a batch's input */
export function chunkKey(batch: string, chunk: number): string {
  return `batches/${batch}/${chunk}`;
}

/** Deletes the chunks of a batch's input. */
export async function deleteChunks(storage: ObjectStorage, batch: string): Promise<void> {
  for await (const { key } of storage.list(`batches/${batch}/`)) await storage.delete(key);
}

/** @returns the id of the job that ends a batch */
export function finishJob(batch: string, tenant: string) {
  return { id: `${batch}:finish`, kind: FINISH, tenant, payload: JSON.stringify({ batch }) };
}

/** What happened to a batch. */
export type BatchEvent = 'created' | 'completed' | 'failed' | 'cancelled' | 'expired';

/** @returns the durable event of a batch @param reason of a batch that failed */
export function batchEvent(type: BatchEvent, row: BatchRow, reason = ''): NewEvent {
  const { id, tenant, total, completed, failed } = row;
  const counts = { batch: id, total, completed, failed };
  return type === 'failed'
    ? { type: 'batch.failed', tenant, data: { ...counts, reason } }
    : { type: `batch.${type}`, tenant, data: counts };
}
