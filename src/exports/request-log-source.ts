import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ExportPlace } from '../storage/sql/export-store.ts';
import { exportedLog, type WaitingRecords, waitingLog } from '../storage/sql/exported-log.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { RequestLogKeys } from '../tenancy/request-log-keys.ts';
import { openContent } from '../tenancy/sealed-content.ts';
import { exportedRequestOf } from './record.ts';
import type { DroppedRecord } from './sink.ts';
import { type ExportSource, PageBuilder, type ReadLimits, type SourcePage } from './source.ts';

export interface RequestLogSourceOptions {
  readonly databases: TenantDatabases;
  readonly keys: Pick<RequestLogKeys, 'all'>;
  /** Whether a tenant logs its requests now. */
  readonly isLogged: (tenant: string) => boolean;
}

/** Sealed bytes that are in memory at once, beside the records. */
const MAX_SEALED = 2 * 1024 * 1024;

/** The logged requests of tenants that log them, with prompts and responses. */
export class RequestLogSource implements ExportSource {
  constructor(private readonly options: RequestLogSourceOptions) {}

  async read(
    tenant: string,
    from: ExportPlace,
    { since, maxRecords, maxBytes, maxRecordBytes }: ReadLimits,
  ): Promise<SourcePage> {
    const { databases, keys, isLogged } = this.options;
    const page = new PageBuilder(maxBytes);
    const { records, places } = page;
    const unreadable: DroppedRecord[] = [];
    // What is left of a log that was turned off stays where it is.
    if (!isLogged(tenant)) return { records, places, end: from, isLast: true, unreadable };
    const limits = { since, limit: maxRecords, maxBytes: Math.min(MAX_SEALED, maxBytes) };
    const read = await databases.use({ tenant }, (db) => exportedLog(db, from.sequence, limits));
    const opened = read.rows.length > 0 ? await keys.all({ tenant }) : new Map();
    let end = from;
    for (const row of read.rows) {
      const after = { sequence: row.sequence, line: 0 };
      const content = openContent(row, opened);
      if (!content) unreadable.push({ id: row.id, reason: 'its seal cannot be opened' });
      else if (!page.add(exportedRequestOf(content, maxRecordBytes), after)) {
        return { records, places, end, isLast: false, unreadable };
      }
      end = after;
      // Long prompts take some milliseconds each.
      await nextTurn();
    }
    const last = read.end === from.sequence ? from : { sequence: read.end, line: 0 };
    return { records, places, end: last, isLast: read.isLast, unreadable };
  }

  async waiting(tenant: string, from: ExportPlace, since: number): Promise<WaitingRecords> {
    if (!this.options.isLogged(tenant)) return { count: 0, isMore: false, oldestAt: undefined };
    return this.options.databases.read({ tenant }, (db) => waitingLog(db, from, since));
  }
}
