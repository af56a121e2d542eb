import type { Kysely } from 'kysely';
import type { Alerts } from '../../alerts/services.ts';
import type { AsyncRequests } from '../../async/async-requests.ts';
import type { BatchResults } from '../../batches/batch-results.ts';
import type { Batches } from '../../batches/batches.ts';
import type { Billing } from '../../billing/services.ts';
import type { Clock } from '../../core/clock.ts';
import type { LimitDocument } from '../../core/limit-schema.ts';
import type { EnginePool } from '../../engines/engine-pool.ts';
import type { EventReader } from '../../events/event-reader.ts';
import type { Outbox } from '../../events/outbox.ts';
import type { ExportControl } from '../../exports/export-control.ts';
import type { Files } from '../../files/files.ts';
import type { HttpContext } from '../../http/http-context.ts';
import type { JobQueue } from '../../jobs/job-queue.ts';
import type { Limiter } from '../../limits/limiter.ts';
import type { RequestLog } from '../../pipeline/request-log.ts';
import type { RegionView } from '../../regions/region-view.ts';
import type { Reports } from '../../reports/services.ts';
import type { TargetStates } from '../../routing/health/target-states.ts';
import type { ControlTables } from '../../storage/sql/control-tables.ts';
import type { SqlMetricStore } from '../../storage/sql/metric-store.ts';
import type { SqlRequestLogStore } from '../../storage/sql/request-log-store.ts';
import type { SqlRequestStore } from '../../storage/sql/request-store.ts';
import type { SqlUsageStore } from '../../storage/sql/usage-store.ts';
import type { WriteHealth } from '../../storage/write-health.ts';
import type { AccessList, Tiers } from '../../tenancy/access-list.ts';
import type { AuditChecks } from '../../tenancy/audit-checks.ts';
import type { AuditQueue } from '../../tenancy/audit-queue.ts';
import type { AuditTrails } from '../../tenancy/audit-trails.ts';
import type { IdempotentResponses } from '../../tenancy/idempotency.ts';
import type { Invitations } from '../../tenancy/invitations.ts';
import type { Keys } from '../../tenancy/keys.ts';
import type { Members } from '../../tenancy/members.ts';
import type { Prompts } from '../../tenancy/prompts.ts';
import type { RequestLogKeys } from '../../tenancy/request-log-keys.ts';
import type { ResidencyDocument } from '../../tenancy/residency-document.ts';
import type { Sessions } from '../../tenancy/sessions.ts';
import type { Tenants } from '../../tenancy/tenants.ts';
import type { Users } from '../../tenancy/users.ts';
import type { WebhookDeliveries } from '../../webhooks/webhook-deliveries.ts';
import type { Webhooks } from '../../webhooks/webhooks.ts';
import type { CacheOperations } from '../cache.ts';
import type { Callers } from '../callers.ts';
import type { ApiSnapshot } from '../services.ts';
import type { ConfigOperations } from './config-operations.ts';

/** The services that admin handlers use; built once, in `src/app/admin.ts`. */
export interface AdminServices {
  readonly clock: Clock;
  readonly access: AccessList;
  readonly tenants: Tenants;
  readonly keys: Keys;
  readonly members: Members;
  readonly invitations: Invitations;
  readonly prompts: Prompts;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly audit: AuditTrails;
  readonly auditChecks: AuditChecks;
  /** Appends to audit trails what has no transaction of its own. */
  readonly auditQueue: Pick<AuditQueue, 'record'>;
  /** For lists of batches, files, queued requests and jobs. */
  readonly control: Kysely<ControlTables>;
  readonly batches: Batches;
  readonly batchResults: BatchResults;
  readonly files: Files;
  readonly asyncRequests: AsyncRequests;
  readonly queue: Pick<JobQueue, 'counts' | 'requeue' | 'wake'>;
  readonly usage: SqlUsageStore;
  readonly metrics: SqlMetricStore;
  /** The log of durable events. */
  readonly events: EventReader;
  readonly outbox: Pick<Outbox, 'publish'>;
  readonly webhooks: Webhooks;
  readonly webhookDeliveries: WebhookDeliveries;
  readonly requests: SqlRequestStore;
  /** Prompts and responses of tenants that want them logged. */
  readonly requestLog: {
    readonly store: SqlRequestLogStore;
    readonly keys: RequestLogKeys;
    /** Stores what waits. */
    flush(): Promise<void>;
  };
  /** The state of this gateway. */
  readonly operation: {
    readonly states: TargetStates;
    readonly engines: Pick<EnginePool, 'list'>;
    readonly writes: Pick<WriteHealth, 'isFailing'>;
    /** Telemetry that was lost since the start, by kind. */
    readonly losses: () => Readonly<Record<string, number>>;
  };
  /** The last requests of this process. */
  readonly recent: Pick<RequestLog, 'find'>;
  readonly snapshot: () => Pick<ApiSnapshot, 'prices' | 'providers' | 'directory' | 'guardrails'>;
  readonly limiter: Limiter;
  readonly regions: () => RegionView;
  readonly cache: CacheOperations;
  readonly config: ConfigOperations;
  /** Loaded with its first use. */
  readonly billing: () => Billing | Promise<Billing>;
  /** Loaded with its first use. */
  readonly reports: () => Reports | Promise<Reports>;
  /** Loaded with its first use. */
  readonly exports: () => Promise<ExportControl>;
  /** Loaded with the first evaluation or use. */
  readonly alerts: () => Promise<Alerts>;
  readonly idempotency: IdempotentResponses;
  /** Names of the tiers that a tenant can have. */
  readonly tiers: () => readonly string[];
  readonly tierLimits: () => Tiers;
  readonly defaultTier: () => string | null;
  /** Ids of the database servers that a tenant can be placed on. */
  readonly servers: () => readonly string[];
  /**
   * Selects the database server of a new tenant: the given one, or the first one in its home region.
   * @throws GatewayError `invalid_request` where it is outside the tenant's regions, or `wrong_region` for a home region whose
   *   gateways have to create it
   */
  serverFor(server: string | undefined, residency: ResidencyDocument | undefined): string | undefined;
  /**
   * @param server with the tenant's data; empty for the default one
   * @throws GatewayError `invalid_request` for regions that do not exist, or that the server is outside of
   */
  assertResidency(residency: ResidencyDocument, server: string): void;
  /** `server.body_limit`, in bytes. */
  readonly bodyLimit: () => number;
  readonly permitted: Callers['permitted'];
  addressOf(httpContext: HttpContext): string;
  /**
   * @param subject within the tenant: `tenant`, `user/<id>`, `key/<id>`, or a tag
   * @throws GatewayError `invalid_request` for a budget below the amount already spent
   */
  assertBudgets(
    scope: { readonly tenant: string },
    subject: string,
    limits: readonly LimitDocument[],
  ): Promise<void>;
  /** @throws GatewayError `invalid_request` for guardrails that cannot be made, such as for a pattern that is too large */
  assertGuardrails(documents: readonly Readonly<Record<string, unknown>>[] | null | undefined): Promise<void>;
  /** A new id, such as `svc_...` for `svc`. */
  newId(prefix: string): string;
}
