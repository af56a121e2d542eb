import { LazyBilling } from '../app/lazy-billing.ts';
import { openStores, type Stores } from '../app/stores.ts';
import { UsageArchiver } from '../app/usage-archive.ts';
import type { Config } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import { EventBus } from '../events/event-bus.ts';
import { CommandError, type Output } from './output.ts';

/** Opens the databases that the configuration names for `work`, and closes them after it. */
export async function withStores<T>(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  output: Output,
  work: (stores: Stores, billing: LazyBilling) => Promise<T>,
): Promise<T> {
  const events = new EventBus({
    validate: false,
    onSubscriberError: (error, event, subscriber) =>
      output.err(`${subscriber} failed at ${event}: ${messageOf(error)}`),
  });
  events.subscribe('command', {
    'database.connection_lost': ({ error }) =>
      output.err(`The database server closed an idle connection: ${messageOf(error)}`),
    'database.row_unreadable': ({ error }) =>
      output.err(`A stored tenant, key or member is unreadable and is ignored: ${messageOf(error)}`),
  });
  // Running gateways read the change at once.
  const changes =
    config.storage.redis_url === null
      ? undefined
      : (await import('../app/change-channel.ts')).createChangeChannel(config, 'command', events);
  const stores = await openStores({
    publishChange: (tenant) => changes?.publish('access', tenant),
    config: () => config,
    env,
    clock: systemClock,
    events,
    // A person who runs a command sees the failure at once.
    connectTimeoutMs: 0,
    publishEvents: false,
    onMissing: (error) => output.err(`warning: ${error.message}`),
  });
  // Deleting a tenant makes its last invoices, as a gateway does.
  const billing = new LazyBilling(stores, () => config);
  // And deletes its archives.
  new UsageArchiver(stores, () => config, env, events).watchRemovals();
  try {
    return await work(stores, billing);
  } finally {
    await stores.close();
    await changes?.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** @throws CommandError for a tenant that does not exist */
export function assertTenant(access: Stores['access'], tenant: string): void {
  const known = access.tenant(tenant);
  if (known && known.status !== 'deleted') return;
  throw new CommandError(
    `Unknown tenant ${JSON.stringify(tenant)}. Create it: \`weir tenants create ${JSON.stringify(tenant)}\`. List all: \`weir tenants list\`.`,
  );
}
