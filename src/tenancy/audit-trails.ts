import type { Kysely } from 'kysely';
import { type AuditPage, type AuditQuery, readAudit } from '../storage/sql/audit-trail.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';

/** Reads audit trails. Entries of one tenant may lag behind on a read replica. Rejects with the database's error. */
export class AuditTrails {
  constructor(
    private readonly control: Kysely<ControlTables>,
    private readonly databases: TenantDatabases,
  ) {}

  /** @returns entries of the tenant's trail, newest first. @throws UnknownTenantError */
  ofTenant(scope: TenantScope, query: AuditQuery): Promise<AuditPage> {
    return this.databases.read(scope, (db) => readAudit(db, query));
  }

  /** @returns entries of the platform's trail, newest first */
  ofPlatform(query: AuditQuery): Promise<AuditPage> {
    return readAudit(this.control, query);
  }
}
