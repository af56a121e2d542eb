import type { AsyncRequests } from '../async/async-requests.ts';
import type { Clock } from '../core/clock.ts';
import type { DeadlineMonitor } from '../dispatch/deadlines.ts';
import type { EnginePool } from '../engines/engine-pool.ts';
import type { GuardrailSets } from '../guardrails/guardrail-sets.ts';
import type { ProxyCheck } from '../http/client-address.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { AddressSubjects } from '../limits/address-subjects.ts';
import type { CredentialThrottle } from '../limits/credential-throttle.ts';
import type { AddressLimiter, AddressRules } from '../limits/per-address.ts';
import type { ModelData } from '../metering/model-data.ts';
import type { Prices } from '../metering/prices.ts';
import type { InferenceHandler } from '../pipeline/inference-handler.ts';
import type { InferenceSnapshot } from '../pipeline/inference-snapshot.ts';
import type { Next } from '../pipeline/interceptor.ts';
import type { KeepAlives } from '../pipeline/keep-alives.ts';
import type { Lifecycle } from '../pipeline/lifecycle.ts';
import type { LiveFeed } from '../pipeline/live-feed.ts';
import type { Recorder } from '../pipeline/recorder.ts';
import type { RejectedRequests } from '../pipeline/rejected-requests.ts';
import type { RequestAuditor } from '../pipeline/request-auditor.ts';
import type { RequestLog } from '../pipeline/request-log.ts';
import type { RequestTracer } from '../pipeline/request-tracer.ts';
import type { PluginStatus } from '../plugins/host.ts';
import type { TargetStates } from '../routing/health/target-states.ts';
import type { BufferedResponseStore } from '../storage/buffered-response-store.ts';
import type { ReplayStore } from '../storage/replay-store.ts';
import type { WriteHealth } from '../storage/write-health.ts';
import type { AccessList } from '../tenancy/access-list.ts';
import type { AuditQueue } from '../tenancy/audit-queue.ts';
import type { Retention } from '../tenancy/retention.ts';
import type { Tokens } from '../tenancy/tokens.ts';
import type { BackgroundRequests } from './background-requests.ts';
import type { Callers } from './callers.ts';
import type { SimulatorAccess } from './simulator-access.ts';

/** The part of a configuration snapshot that the API uses. */
export interface ApiSnapshot extends InferenceSnapshot {
  /** The interceptor chain. */
  readonly chain: Next;
  readonly guardrails: GuardrailSets;
  readonly prices: Prices;
  /** Bytes. */
  readonly bodyLimit: number;
  /** True when engines start on demand, which can take minutes. */
  readonly startsEngines: boolean;
  /** Milliseconds after which the head of a stream is sent without its response; Infinity to wait for the response. */
  readonly headAfterMs: number;
  /** Address limits that replicas share; null without Redis. */
  readonly sharedAddressRules: AddressRules | null;
  /** Absent when no proxy is trusted. */
  readonly isProxy: ProxyCheck | undefined;
  /** For prompts that name no model. */
  readonly defaultModel: string | undefined;
  readonly simulator: SimulatorAccess;
  /** For moderation requests that name no model; undefined for the usual one. */
  readonly moderationModel: string | undefined;
}

/** The services that API handlers use; built once, in `src/app/services.ts`. */
/** The processes that serve inference for this one. */
export interface WorkerProcesses {
  readonly status: () => {
    readonly configured: number;
    readonly ready: number;
    readonly restarts: number;
    readonly writesFail: boolean;
  };
  /** Inference requests in flight. */
  readonly inFlight: () => Promise<number>;
}

export interface ApiServices {
  readonly clock: Clock;
  /** Unix time. */
  readonly startedAtSeconds: number;
  /** API keys, tenants and their permissions. */
  readonly access: AccessList;
  readonly tokens: Tokens;
  readonly lifecycle: Lifecycle;
  readonly deadlines: DeadlineMonitor;
  readonly keepAlives: KeepAlives;
  readonly addressLimiter: AddressLimiter;
  readonly addressSubjects: AddressSubjects;
  readonly inference: InferenceHandler;
  readonly recorder: Recorder;
  readonly modelData: ModelData;
  readonly states: TargetStates;
  readonly engines: EnginePool;
  /** The last requests, for explanations. */
  readonly requests: RequestLog;
  /** Records requests that reached no target; undefined where no usage is kept. */
  readonly rejected: RejectedRequests | undefined;
  /** Who watches completed requests. */
  readonly live: LiveFeed;
  readonly tracer: RequestTracer;
  /** The state of each configured plugin. */
  readonly plugins: () => readonly PluginStatus[];
  /** The processes that serve inference; undefined where this one does. */
  readonly workers: WorkerProcesses | undefined;
  /** Records the requests of tenants that ask for it. */
  readonly auditor: RequestAuditor;
  /** Appends to audit trails what has no transaction of its own. */
  readonly auditQueue: Pick<AuditQueue, 'record'>;
  readonly responses: BufferedResponseStore;
  /** Responses to requests with idempotency keys. */
  readonly replays: ReplayStore;
  /** How long a tenant's data is kept. */
  readonly retentionOf: (tenant: string) => Retention;
  /** Whether the local disk accepts writes. */
  readonly writes: Pick<WriteHealth, 'isFailing'>;
  /** Counts wrong credentials by client address. */
  readonly credentials: CredentialThrottle;
  readonly callers: Callers;
  /** Runs inference requests that no client waits for. */
  readonly background: BackgroundRequests;
  /** Requests that run later. */
  readonly asyncRequests: AsyncRequests;
  /** The client's key for limits: the same for all spellings of an address and all addresses of an IPv6 /64. */
  clientOf(httpContext: HttpContext): string;
  /** `server.body_limit`, in bytes. */
  readonly bodyLimit: () => number;
  readonly snapshot: () => ApiSnapshot;
}
