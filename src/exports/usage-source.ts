import { type ExportPlace, exportedUsage } from '../storage/sql/export-store.ts';
import { type WaitingRecords, waitingUsage } from '../storage/sql/exported-log.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { exportedUsageOf } from './record.ts';
import { type ExportSource, PageBuilder, type ReadLimits, type SourcePage } from './source.ts';

/** The usage of tenants. */
export class UsageSource implements ExportSource {
  constructor(private readonly databases: TenantDatabases) {}

  async read(
    tenant: string,
    from: ExportPlace,
    { since, maxRecords, maxBytes }: ReadLimits,
  ): Promise<SourcePage> {
    const read = await this.databases.use({ tenant }, (db) =>
      exportedUsage(db, from, { since, limit: maxRecords }),
    );
    const page = new PageBuilder(maxBytes);
    const { records, places } = page;
    for (const { event, after } of read.events) {
      if (page.add(exportedUsageOf(event), after)) continue;
      return { records, places, end: places.at(-1) ?? from, isLast: false, unreadable: [] };
    }
    return { records, places, end: read.end, isLast: read.isLast, unreadable: [] };
  }

  waiting(tenant: string, from: ExportPlace, since: number): Promise<WaitingRecords> {
    return this.databases.read({ tenant }, (db) => waitingUsage(db, from, since));
  }
}
