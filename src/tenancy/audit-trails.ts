import type { Kysely } from 'kysely';
import { type AuditQuery, readAudit } from '../storage/sql/audit-trail.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { AuditRow } from '../storage/sql/tenant-tables.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';

/** What was done, by whom: within tenants, and to the platform. */
export class AuditTrails {
  constructor(
    private readonly control: Kysely<ControlTables>,
    private readonly databases: TenantDatabases,
  ) {}

  ofTenant(scope: TenantScope, query: AuditQuery): Promise<AuditRow[]> {
    return this.databases.read(scope, (db) => readAudit(db, query));
  }

  ofPlatform(query: AuditQuery): Promise<AuditRow[]> {
    return readAudit(this.control, query);
  }
}
