import { renderTenant } from '../api/admin/tenants.ts';
import { residencyFault, serverIn } from '../app/residency-rules.ts';
import type { Config } from '../config/schema.ts';
import { DEFAULT_TENANT } from '../core/principal.ts';
import { DatabaseMissingError } from '../storage/sql/database-errors.ts';
import { tenantDocument } from '../tenancy/documents.ts';
import type { Keys } from '../tenancy/keys.ts';
import { NAME_RULE, personName, TENANT_ID, TENANT_ID_RULE, timeZone } from '../tenancy/names.ts';
import { requestLogDocument } from '../tenancy/request-log-document.ts';
import { type ResidencyDocument, residencyDocument } from '../tenancy/residency-document.ts';
import { BY_OPERATOR } from './operator.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { assertTenant, withStores } from './stores.ts';
import { describeLimit, limitsFrom } from './values.ts';

const MAX_LISTED = 100_000;

export interface CreateTenantOptions {
  readonly name: string | undefined;
  readonly tier: string | undefined;
  readonly server: string;
  readonly region?: string | undefined;
  readonly allowedRegions?: string | undefined;
  readonly failoverRegions?: string | undefined;
  readonly wrongRegion?: string | undefined;
  readonly timeZone: string | undefined;
  readonly limit: readonly string[];
  readonly budget: readonly string[];
  readonly json: boolean;
}

function tierFrom(text: string | undefined, { limits }: Config): string | null {
  const tier = text === 'none' ? null : (text ?? limits.default_tier);
  const known = Object.keys(limits.tiers);
  if (tier === null || known.includes(tier)) return tier;
  throw new CommandError(`Unknown tier ${JSON.stringify(tier)}. Use one of: ${known.join(', ')}, none.`);
}

function zoneFrom(text: string): string {
  const result = timeZone.safeParse(text);
  if (result.success) return result.data;
  throw new CommandError(`${JSON.stringify(text)} is not an IANA time zone, such as Europe/Zurich.`);
}

type RegionOptions = Pick<
  UpdateTenantOptions,
  'region' | 'allowedRegions' | 'failoverRegions' | 'wrongRegion'
>;

/** @returns the residency that the options ask for; that of before where they say nothing */
function residencyFrom(
  { region, allowedRegions, failoverRegions, wrongRegion }: RegionOptions,
  before: ResidencyDocument | undefined,
): ResidencyDocument | undefined {
  if ([region, allowedRegions, failoverRegions, wrongRegion].every((value) => value === undefined))
    return before;
  const home = region ?? before?.region;
  if (home === undefined) throw new CommandError('--region is missing: the home region of the tenant.');
  const list = (text: string | undefined) =>
    text
      ?.split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '');
  const result = residencyDocument.safeParse({
    ...before,
    region: home,
    ...(allowedRegions === undefined ? {} : { allowed: list(allowedRegions) }),
    ...(failoverRegions === undefined ? {} : { failover: list(failoverRegions) }),
    ...(wrongRegion === undefined ? {} : { elsewhere: wrongRegion }),
  });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new CommandError(
    `The regions are not valid: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}.`,
  );
}

function assertPossible(config: Config, residency: ResidencyDocument, server: string): void {
  const fault = residencyFault(config, residency, server);
  if (fault) throw new CommandError(fault.message);
}

/** What a tier means, for the person who chose it or got it by default. */
function describeTier(tier: string | null, { limits }: Config): string {
  if (tier === null) return 'no tier, no limits';
  return `tier ${tier}: ${(limits.tiers[tier] ?? []).map(describeLimit).join(', ') || 'no limits'}`;
}

/** Creates a tenant and its database. */
export async function createTenantCommand(
  { config, env, output }: StoreCommand,
  id: string,
  options: CreateTenantOptions,
): Promise<void> {
  if (!TENANT_ID.test(id)) throw new CommandError(`A tenant's id ${TENANT_ID_RULE}.`);
  const name = personName.safeParse(options.name ?? id);
  if (!name.success) throw new CommandError(`A tenant's name ${NAME_RULE}.`);
  const tier = tierFrom(options.tier, config);
  const residency = residencyFrom(options, undefined);
  const server = options.server === '' && residency ? (serverIn(config, residency) ?? '') : options.server;
  if (server !== '' && !config.storage.servers.some((one) => one.id === server)) {
    throw new CommandError(`Unknown database server ${JSON.stringify(server)} (storage.servers).`);
  }
  if (residency) assertPossible(config, residency, server);
  await withStores(config, env, output, async ({ tenants, access }) => {
    const existing = access.tenant(id);
    if (existing && existing.status !== 'deleted') throw new CommandError(`The tenant ${id} exists already.`);
    const document = tenantDocument.parse({
      limits: limitsFrom(options.limit, options.budget) ?? [],
      ...(options.timeZone === undefined ? {} : { time_zone: zoneFrom(options.timeZone) }),
      ...(residency && { residency }),
    });
    const tenant = await tenants.create({ id, name: name.data, tier, server, document }, BY_OPERATOR);
    if (options.json) output.out(JSON.stringify({ id, name: tenant.name, tier: tenant.tier }));
    else {
      output.out(`Created the tenant ${id} (${describeTier(tier, config)}).`);
      output.out(`Create a key for it: \`weir keys create --tenant ${id} --name my-app\`.`);
    }
  });
}

export interface UpdateTenantOptions {
  readonly name: string | undefined;
  readonly tier: string | undefined;
  readonly status: string | undefined;
  readonly timeZone: string | undefined;
  readonly auditRequests?: string | undefined;
  readonly requestLog?: string | undefined;
  /** `none` ends the residency. */
  readonly region?: string | undefined;
  readonly allowedRegions?: string | undefined;
  readonly failoverRegions?: string | undefined;
  readonly wrongRegion?: string | undefined;
  readonly limit: readonly string[];
  readonly budget: readonly string[];
}

/** Changes a tenant: its name, tier, status, time zone and own limits. */
export async function updateTenantCommand(
  { config, env, output }: StoreCommand,
  id: string,
  options: UpdateTenantOptions,
): Promise<void> {
  const { name, status } = options;
  if (status !== undefined && status !== 'active' && status !== 'suspended') {
    throw new CommandError('--status must be active or suspended.');
  }
  if (name !== undefined && !personName.safeParse(name).success) {
    throw new CommandError(`A tenant's name ${NAME_RULE}.`);
  }
  const { auditRequests, requestLog } = options;
  if (auditRequests !== undefined && auditRequests !== 'on' && auditRequests !== 'off') {
    throw new CommandError('--audit-requests must be on or off.');
  }
  if (requestLog !== undefined && requestLog !== 'on' && requestLog !== 'off') {
    throw new CommandError('--request-log must be on or off.');
  }
  const limits = limitsFrom(options.limit, options.budget);
  const zone = options.timeZone === undefined ? undefined : zoneFrom(options.timeZone);
  const tier = options.tier === undefined ? undefined : tierFrom(options.tier, config);
  const { region, allowedRegions, failoverRegions, wrongRegion } = options;
  const regional = [region, allowedRegions, failoverRegions, wrongRegion];
  const given = [name, status, limits, zone, tier, auditRequests, requestLog, ...regional];
  if (given.every((value) => value === undefined)) {
    throw new CommandError('Nothing to change: give at least one option.');
  }
  await withStores(config, env, output, async ({ tenants, access }) => {
    assertTenant(access, id);
    const { document, server } = await tenants.get(id);
    const { audit_requests: before, request_log: logBefore, residency: residencyBefore, ...kept } = document;
    const residency = region === 'none' ? undefined : residencyFrom(options, residencyBefore);
    if (residency) assertPossible(config, residency, server);
    const log = requestLog === 'on' ? (logBefore ?? requestLogDocument.parse({})) : logBefore;
    const audits = auditRequests === undefined ? before : auditRequests === 'on';
    const changed = await tenants.update(
      id,
      {
        ...(name === undefined ? {} : { name }),
        ...(status === undefined ? {} : { status: status === 'active' ? 'active' : 'suspended' }),
        ...(tier === undefined ? {} : { tier }),
        document: {
          ...kept,
          ...(audits && { audit_requests: true as const }),
          ...(log && requestLog !== 'off' && { request_log: log }),
          ...(residency && { residency }),
          limits: limits ?? document.limits,
          time_zone: zone ?? document.time_zone,
        },
      },
      undefined,
      BY_OPERATOR,
    );
    const own = changed.document.limits.map(describeLimit).join(', ') || 'none';
    output.out(
      `Changed the tenant ${id}: ${changed.status}, ${describeTier(changed.tier, config)}; own limits: ${own}.`,
    );
  });
}

export async function listTenantsCommand(
  { config, env, output }: StoreCommand,
  json: boolean,
): Promise<void> {
  await withStores(config, env, output, async ({ tenants }) => {
    const all = await tenants.list({ limit: MAX_LISTED });
    if (json) {
      output.out(
        JSON.stringify(
          // The names of earlier versions stay next to those of the API.
          all.map((tenant) => ({ createdAt: tenant.createdAt, ...renderTenant(tenant) })),
        ),
      );
      return;
    }
    output.out(
      table(
        ['ID', 'NAME', 'TIER', 'STATUS', 'SERVER', 'REGION', 'CREATED (UTC)'],
        all.map(({ id, name, tier, status, server, document, createdAt }) => [
          id,
          name,
          tier ?? 'none',
          status,
          server === '' ? 'default' : server,
          document.residency?.region ?? 'all',
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
  { config, env, output }: StoreCommand,
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
