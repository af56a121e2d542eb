import { z } from 'zod';
import { periodParameters, ReportPeriods } from '../api/admin/usage-period.ts';
import type { Stores } from '../app/stores.ts';
import { openUsageArchives } from '../app/usage-archive.ts';
import { systemClock } from '../core/clock.ts';
import type { UsageArchives } from '../metering/archive/usage-archives.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { parsed } from './reports.ts';
import { assertTenant, withStores } from './stores.ts';

const DAY_MS = 86_400_000;

/** Moves usage events of old months into files, or lists what would be moved. */
export async function archiveCommand(
  command: StoreCommand,
  {
    tenant,
    dryRun,
    json,
  }: { readonly tenant: string | undefined; readonly dryRun: boolean; readonly json: boolean },
): Promise<void> {
  const { output } = command;
  await withArchives(command, tenant, async (archives, tenants) => {
    const rows: { tenant: string; month: string; files: number; events: number }[] = [];
    for (const id of tenants) {
      if (dryRun) {
        const plan = await archives.preview(id);
        if (plan) rows.push({ tenant: id, month: plan.month, files: 0, events: plan.events });
        continue;
      }
      for (;;) {
        const { files, events } = await archives.run(id);
        if (files === 0) break;
        rows.push({ tenant: id, month: '', files, events });
      }
    }
    if (json) output.out(JSON.stringify(rows));
    else if (rows.length === 0) output.err('No usage events are old enough.');
    else if (dryRun)
      output.out(
        table(
          ['TENANT', 'NEXT MONTH', 'EVENTS'],
          rows.map(({ tenant: id, month, events }) => [id, month, String(events)]),
        ),
      );
    else
      output.out(
        table(
          ['TENANT', 'FILES', 'EVENTS'],
          rows.map(({ tenant: id, files, events }) => [id, String(files), String(events)]),
        ),
      );
  });
}

/** Lists archives. */
export async function archivesCommand(command: StoreCommand, tenant: string, json: boolean): Promise<void> {
  await withArchives(command, tenant, async (archives) => {
    const rows = (await archives.list(tenant)).map((one) => ({
      archive: one.id,
      month: one.month,
      events: one.events,
      bytes: one.bytes,
      from: new Date(one.firstAt).toISOString(),
      to: new Date(one.lastAt).toISOString(),
      sha256: one.sha256,
      restored_until: one.restoredUntil === null ? null : new Date(one.restoredUntil).toISOString(),
    }));
    if (json) command.output.out(JSON.stringify(rows));
    else if (rows.length === 0) command.output.err(`The tenant ${tenant} has no archives.`);
    else
      command.output.out(
        table(
          ['ARCHIVE', 'MONTH', 'EVENTS', 'BYTES', 'FROM', 'TO', 'RESTORED UNTIL'],
          rows.map((row) => [
            ...[row.archive, row.month, String(row.events), String(row.bytes ?? ''), row.from, row.to],
            row.restored_until ?? '',
          ]),
        ),
      );
  });
}

/** Puts the events of an archive back into the database for some days. */
export async function restoreCommand(
  command: StoreCommand,
  tenant: string,
  archive: string,
  days: string,
): Promise<void> {
  const count = Number(days);
  if (!Number.isInteger(count) || count < 1 || count > 3_650)
    throw new CommandError('--days must be a number from 1 to 3650.');
  await withArchives(command, tenant, async (archives) => {
    const until = systemClock.wallTime() + count * DAY_MS;
    const restored = await archives.restore(tenant, archive, until);
    command.output.out(`Restored ${restored} events until ${new Date(until).toISOString()}.`);
  });
}

/** Prints archived events. */
export async function archivedCommand(
  command: StoreCommand,
  tenant: string,
  from: string,
  to: string | undefined,
): Promise<void> {
  const filter = parsed(z.object(periodParameters), { from, ...(to === undefined ? {} : { to }) });
  await withArchives(command, tenant, async (archives, _, { access }) => {
    const zone = access.tenant(tenant)?.document.time_zone ?? 'UTC';
    const period = new ReportPeriods().resolve(filter, systemClock.wallTime(), zone);
    for await (const { event } of archives.read(tenant, period.from, period.to)) {
      if (event) command.output.out(JSON.stringify(event));
    }
  });
}

/** @param tenant undefined for every tenant */
async function withArchives(
  { config, env, output }: StoreCommand,
  tenant: string | undefined,
  work: (archives: UsageArchives, tenants: readonly string[], stores: Stores) => Promise<void>,
): Promise<void> {
  const settings = config.storage.usage_archive;
  if (settings === null)
    throw new CommandError(
      'No archive is configured. Set `storage.usage_archive.to` to a folder, or to `s3://bucket/prefix`.',
    );
  await withStores(config, env, output, async (stores) => {
    if (tenant !== undefined) assertTenant(stores.access, tenant);
    const all = [...stores.access.tenants()].filter(({ status }) => status !== 'deleted').map(({ id }) => id);
    const archives = await openUsageArchives(settings, stores, env);
    await work(archives, tenant === undefined ? all.sort() : [tenant], stores);
  });
}
