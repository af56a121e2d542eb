import { randomBytes } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import type { Owner } from '../files/stored-file.ts';
import { deleteForwards, openForwards } from '../storage/sql/batch-forward-store.ts';
import {
  activeBatches,
  batchById,
  changeBatch,
  deleteOldBatches,
  deleteResults,
  listBatches,
  overdueBatches,
} from '../storage/sql/batch-store.ts';
import type { BatchRow } from '../storage/sql/batch-tables.ts';
import type { CreatedPage } from '../storage/sql/file-store.ts';
import { lockQuota } from '../storage/sql/quota-lock.ts';
import { type Batch, type BatchCaller, type BatchForm, batchOf, hasEnded } from './batch.ts';
import { type BatchParts, batchEvent, FINISH, finishJob, PREPARE } from './batch-parts.ts';

/** What a client asks for. */
export interface NewBatch {
  readonly form: BatchForm;
  readonly endpoint: string;
  readonly inputFile: string;
  readonly caller: BatchCaller;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly completionWindow: string;
  /** Milliseconds. */
  readonly windowMs: number;
  /** Milliseconds after the batch ended until its results expire; null for the usual time. */
  readonly outputExpiresMs: number | null;
}

const DAY_MS = 86_400_000;
const KEEP_DAYS = 90;
const ID_PREFIX: Readonly<Record<BatchForm, string>> = { file: 'batch_', messages: 'msgbatch_' };

/** What the administration of batches works with. */
export type BatchesParts = Pick<
  BatchParts,
  'control' | 'databases' | 'clock' | 'queue' | 'outbox' | 'files' | 'bounds' | 'cancelled'
>;

/** Batches of tenants. Methods reject with GatewayError or the database's error. */
export class Batches {
  constructor(private readonly parts: BatchesParts) {}

  /** @throws GatewayError `quota_exceeded` where the tenant has too many that have not ended */
  async create({ tenant, keyId, member }: Owner, given: NewBatch): Promise<Batch> {
    const { control, queue, outbox, clock, bounds } = this.parts;
    const now = clock.wallTime();
    const { maxActive } = bounds();
    const assertQuota = async (db: typeof control, others: number) => {
      if ((await activeBatches(db, tenant)) - others < maxActive) return;
      throw new GatewayError(
        'quota_exceeded',
        `The tenant has ${maxActive} batches that have not ended, which is the maximum (batches.max_active). Retry when one has ended.`,
      );
    };
    await assertQuota(control, 0);
    const row: BatchRow = {
      id: `${ID_PREFIX[given.form]}${randomBytes(16).toString('hex')}`,
      ...{ tenant, key_id: keyId, member, caller: JSON.stringify(given.caller), form: given.form },
      ...{ endpoint: given.endpoint, status: 'validating', provider: '', provider_batch: '' },
      ...{ input_file: given.inputFile, output_file: null, error_file: null, errors: '[]', models: '[]' },
      metadata: JSON.stringify(given.metadata),
      ...{ total: 0, completed: 0, failed: 0, unfinished: 0, input_tokens: 0, output_tokens: 0 },
      ...{ cost_pico: '0', unpriced: 0, output_expires_ms: given.outputExpiresMs },
      ...{ completion_window: given.completionWindow, created_at: now, expires_at: now + given.windowMs },
      ...{ started_at: null, finalizing_at: null, cancelling_at: null, ended_at: null, version: 1 },
    };
    await control.transaction().execute(async (transaction) => {
      await lockQuota(transaction, 'batches', tenant);
      await transaction.insertInto('batches').values(row).execute();
      await assertQuota(transaction, 1);
      const payload = JSON.stringify({ batch: row.id });
      await queue.add([{ id: `${row.id}:prepare`, kind: PREPARE, tenant, payload }], transaction);
      await outbox.append(transaction, [batchEvent('created', row)]);
    });
    outbox.wake();
    queue.wake(PREPARE);
    return batchOf(row);
  }

  /** @throws GatewayError `not_found` */
  async get(tenant: string, id: string, form?: BatchForm): Promise<Batch> {
    // PostgreSQL rejects texts with NUL.
    const row = id.includes('\0') ? undefined : await batchById(this.parts.control, id, tenant);
    if (!row || (form !== undefined && row.form !== form)) throw notFound(id);
    return batchOf(row);
  }

  /** @returns a page of a tenant's batches */
  async list(page: CreatedPage & { readonly form?: BatchForm | undefined }): Promise<Batch[]> {
    return (await listBatches(this.parts.control, page)).map(batchOf);
  }

  /** Cancels a batch: lines that run are completed, others end without a response. @throws GatewayError `not_found`, `conflict` */
  async cancel(tenant: string, id: string, form?: BatchForm): Promise<Batch> {
    const { control, queue, clock } = this.parts;
    const batch = await this.get(tenant, id, form);
    const row = await control.transaction().execute(async (transaction) => {
      const changed = await changeBatch(transaction, id, ['validating', 'in_progress'], {
        status: 'cancelling',
        cancelling_at: clock.wallTime(),
      });
      if (changed) await queue.add([finishJob(id, tenant)], transaction);
      return changed;
    });
    if (!row) {
      // A repeated request is no mistake.
      if (batch.status === 'cancelling' || batch.status === 'cancelled') return this.get(tenant, id, form);
      throw new GatewayError('conflict', `Cannot cancel a batch with status '${batch.status}'.`);
    }
    this.parts.cancelled.set(id, true);
    queue.wake(FINISH);
    return batchOf(row);
  }

  /** Deletes a batch that has ended, with its results. @throws GatewayError `not_found`, `conflict` */
  async delete(tenant: string, id: string, form?: BatchForm): Promise<void> {
    const { control, files } = this.parts;
    const batch = await this.get(tenant, id, form);
    if (!hasEnded(batch)) {
      throw new GatewayError('conflict', 'Only a batch that has ended can be deleted. Cancel it first.');
    }
    // Lines that ran there are metered for the key of the batch.
    if ((await openForwards(control, id)) > 0) {
      throw new GatewayError(
        'conflict',
        'The batch still runs at a provider, which cancels it. Delete the batch later.',
      );
    }
    await control.deleteFrom('batches').where('id', '=', id).where('tenant', '=', tenant).execute();
    const own = [batch.outputFile, batch.errorFile, ...(batch.form === 'messages' ? [batch.inputFile] : [])];
    for (const file of own) {
      if (file !== null && file !== '') await files.delete(tenant, file).catch(ignoreMissing);
    }
  }

  /** Ends batches whose time has passed, and deletes old ones; to be called every minute. */
  async sweep(): Promise<void> {
    const { control, queue, clock, databases } = this.parts;
    const now = clock.wallTime();
    const overdue = await overdueBatches(control, now);
    if (overdue.length > 0) {
      await queue.add(overdue.map(({ id, tenant }) => finishJob(id, tenant)));
      queue.wake(FINISH);
    }
    for (const { id, tenant } of await deleteOldBatches(control, now - KEEP_DAYS * DAY_MS)) {
      await deleteForwards(control, id);
      // The database of a deleted tenant is gone with its results.
      await databases.use({ tenant }, (db) => deleteResults(db, id)).catch(() => undefined);
    }
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof GatewayError) || error.code !== 'not_found') throw error;
}

function notFound(id: string): GatewayError {
  return new GatewayError('not_found', `There is no such batch: ${id.slice(0, 200)}`, {
    param: 'batch_id',
  });
}
