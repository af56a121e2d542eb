import { DEFAULT_TENANT } from '../core/principal.ts';
import { DatabaseMissingError } from '../storage/sql/database-errors.ts';
import { tenantDocument } from '../tenancy/documents.ts';
import type { Keys } from '../tenancy/keys.ts';
import { NAME_RULE, personName, TENANT_ID, TENANT_ID_RULE } from '../tenancy/names.ts';
import type { KeyCommand } from './keys.ts';
import { BY_OPERATOR } from './operator.ts';
import { CommandError, table } from './output.ts';
import { withStores } from './stores.ts';

const MAX_LISTED = 100_000;

export interface CreateTenantOptions {
  readonly name: string | undefined;
  readonly tier: string | undefined;
  readonly server: string;
  readonly json: boolean;
}

/** Creates a tenant and its database. */
export async function createTenantCommand(
  { config, env, output }: KeyCommand,
  id: string,
  options: CreateTenantOptions,
): Promise<void> {
  if (!TENANT_ID.test(id)) throw new CommandError(`A tenant's id ${TENANT_ID_RULE}.`);
  const name = personName.safeParse(options.name ?? id);
  if (!name.success) throw new CommandError(`A tenant's name ${NAME_RULE}.`);
  const tier = options.tier === 'none' ? null : (options.tier ?? config.limits.default_tier);
  const known = Object.keys(config.limits.tiers);
  if (tier !== null && !known.includes(tier)) {
    throw new CommandError(`Unknown tier ${JSON.stringify(tier)}. Use one of: ${known.join(', ')}, none.`);
  }
  const { server } = options;
  if (server !== '' && !config.storage.servers.some((one) => one.id === server)) {
    throw new CommandError(`Unknown database server ${JSON.stringify(server)} (storage.servers).`);
  }
  await withStores(config, env, output, async ({ tenants, access }) => {
    const existing = access.tenant(id);
    if (existing && existing.status !== 'deleted') throw new CommandError(`The tenant ${id} exists already.`);
    const document = tenantDocument.parse({});
    const tenant = await tenants.create({ id, name: name.data, tier, server, document }, BY_OPERATOR);
    if (options.json) output.out(JSON.stringify({ id, name: tenant.name, tier: tenant.tier }));
    else {
      output.out(`Created the tenant ${id} (${tier === null ? 'no tier, no limits' : `tier ${tier}`}).`);
      output.out(`Create a key for it: \`weir keys create --tenant ${id} --name my-app\`.`);
    }
  });
}

export async function listTenantsCommand({ config, env, output }: KeyCommand, json: boolean): Promise<void> {
  await withStores(config, env, output, async ({ tenants }) => {
    const all = await tenants.list({ limit: MAX_LISTED });
    if (json) {
      output.out(
        JSON.stringify(
          all.map(({ id, name, status, tier, server, createdAt }) => ({
            id,
            name,
            status,
            tier,
            server,
            createdAt,
          })),
        ),
      );
      return;
    }
    output.out(
      table(
        ['ID', 'NAME', 'TIER', 'STATUS', 'SERVER', 'CREATED (UTC)'],
        all.map(({ id, name, tier, status, server, createdAt }) => [
          id,
          name,
          tier ?? 'none',
          status,
          server === '' ? 'default' : server,
          new Date(createdAt).toISOString().slice(0, 16).replace('T', ' '),
        ]),
      ),
    );
  });
}

/** @returns how many keys a tenant has, in words */
async function activeKeys(keys: Keys, tenant: string): Promise<string> {
  try {
    const active = await keys.list({ tenant }, { kind: 'api_key', state: 'active', limit: MAX_LISTED });
    return `${active.length} active keys`;
  } catch (error) {
    if (!(error instanceof DatabaseMissingError)) throw error;
    return 'no keys, because its database is missing';
  }
}

/** Deletes a tenant with all its data; without `yes`, only lists what it would delete. */
export async function deleteTenantCommand(
  { config, env, output }: KeyCommand,
  id: string,
  yes: boolean,
): Promise<void> {
  if (id === DEFAULT_TENANT) throw new CommandError('The default tenant cannot be deleted.');
  await withStores(config, env, output, async ({ tenants, access, keys }) => {
    const known = access.tenant(id);
    if (!known || known.status === 'deleted') throw new CommandError(`Unknown tenant ${JSON.stringify(id)}.`);
    if (!yes) {
      output.out(
        `Would delete the tenant ${id} ("${known.name}"): ${await activeKeys(keys, id)}, and its database with all members, usage and audit trail. Nothing was deleted; add --yes to delete it.`,
      );
      return;
    }
    await tenants.remove(id, undefined, BY_OPERATOR);
    output.out(`Deleted the tenant ${id} with its database.`);
  });
}
