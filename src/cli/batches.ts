import { batchDetails, batchSummary } from '../api/admin/batches.ts';
import { batchAdministration } from '../app/batches.ts';
import type { Stores } from '../app/stores.ts';
import type { Batches } from '../batches/batches.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import { auditEntry } from '../tenancy/change-context.ts';
import { BY_OPERATOR } from './operator.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { assertTenant, withStores } from './stores.ts';

export interface BatchListOptions {
  readonly tenant: string;
  readonly limit: string;
  readonly json?: boolean;
}

const MAX_LISTED = 10_000;

/** Prints batches of a tenant, newest first. */
export async function listBatchesCommand(
  command: StoreCommand,
  { tenant, limit: given, json }: BatchListOptions,
): Promise<void> {
  const limit = /^\d{1,5}$/.test(given) ? Number(given) : 0;
  if (limit < 1 || limit > MAX_LISTED) {
    throw new CommandError(`--limit must be a whole number from 1 to ${MAX_LISTED}.`);
  }
  await withBatches(command, tenant, async (batches) => {
    const found = (await batches.list({ tenant, order: 'desc', limit })).map(batchSummary);
    if (json === true) for (const batch of found) command.output.out(JSON.stringify(batch));
    else if (found.length === 0) command.output.err('There are no batches.');
    else {
      const rows = found.map(({ id, status, total, completed, failed, cost_usd, created_at }) => [
        ...[id, status, String(total), String(completed), String(failed), cost_usd, created_at],
      ]);
      command.output.out(table(['id', 'status', 'lines', 'completed', 'failed', 'USD', 'created'], rows));
    }
  });
}

/** Prints everything that is known of a batch. */
export async function showBatchCommand(command: StoreCommand, id: string, tenant: string): Promise<void> {
  await withBatches(command, tenant, async (batches) => {
    command.output.out(JSON.stringify(batchDetails(await batches.get(tenant, id)), null, 2));
  });
}

/** Cancels a batch; a running gateway ends it. */
export async function cancelBatchCommand(command: StoreCommand, id: string, tenant: string): Promise<void> {
  await withBatches(command, tenant, async (batches, { databases, sources }) => {
    const { status } = await batches.cancel(tenant, id);
    const entry = auditEntry(sources, BY_OPERATOR, 'batch.cancel', `batch:${id}`);
    await databases.use({ tenant }, (db) =>
      db.transaction().execute((transaction) => writeAudit(transaction, entry)),
    );
    command.output.out(`The batch ${id} is ${status}.`);
  });
}

async function withBatches(
  { config, env, output }: StoreCommand,
  tenant: string,
  work: (batches: Batches, stores: Stores) => Promise<void>,
): Promise<void> {
  await withStores(config, env, output, async (stores) => {
    assertTenant(stores.access, tenant);
    try {
      await work(batchAdministration(config, env, stores, systemClock), stores);
    } catch (error) {
      if (error instanceof GatewayError) throw new CommandError(error.message);
      throw error;
    }
  });
}
