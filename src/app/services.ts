import { BackgroundRequests } from '../api/background-requests.ts';
import { createCallers } from '../api/create-callers.ts';
import type { ApiServices } from '../api/services.ts';
import { clientKey } from '../core/client-identity.ts';
import type { Clock } from '../core/clock.ts';
import { ReportInterval } from '../core/report-interval.ts';
import { DeadlineMonitor } from '../dispatch/deadlines.ts';
import type { EnginePool } from '../engines/engine-pool.ts';
import type { EventSink } from '../events/event-bus.ts';
import { clientAddress } from '../http/client-address.ts';
import { AddressSubjects } from '../limits/address-subjects.ts';
import { CredentialThrottle } from '../limits/credential-throttle.ts';
import { AddressLimiter } from '../limits/per-address.ts';
import type { ModelData } from '../metering/model-data.ts';
import type { Activity } from '../observability/activity.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { InferenceHandler } from '../pipeline/inference-handler.ts';
import { KeepAlives } from '../pipeline/keep-alives.ts';
import type { Lifecycle } from '../pipeline/lifecycle.ts';
import { LiveFeed } from '../pipeline/live-feed.ts';
import { Recorder } from '../pipeline/recorder.ts';
import type { RejectedRequests } from '../pipeline/rejected-requests.ts';
import { RequestAuditor } from '../pipeline/request-auditor.ts';
import { RequestLog } from '../pipeline/request-log.ts';
import type { RequestTracer } from '../pipeline/request-tracer.ts';
import type { RoutingState } from '../routing/router.ts';
import { BufferedResponseStore } from '../storage/buffered-response-store.ts';
import type { ReplayStore } from '../storage/replay-store.ts';
import { TenantResponseStore } from '../storage/sql/tenant-response-store.ts';
import type { AuditQueue } from '../tenancy/audit-queue.ts';
import type { ActiveSnapshot } from './active-snapshot.ts';
import type { Stores } from './stores.ts';

/** Shortest time between two reports of responses that could not be stored. */
const DROPPED_REPORT_MS = 60_000;

export interface ServiceParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly activity: Activity;
  readonly events: EventSink;
  readonly lifecycle: Lifecycle;
  readonly startedAtSeconds: number;
  readonly active: ActiveSnapshot;
  readonly stores: Stores;
  readonly replays: ReplayStore;
  readonly modelData: ModelData;
  readonly routing: RoutingState;
  readonly engines: EnginePool;
  readonly tracer: RequestTracer;
  /** Undefined where no usage is kept. */
  readonly rejected: RejectedRequests | undefined;
  readonly plugins: ApiServices['plugins'];
  readonly workers: ApiServices['workers'];
  /** Its parent relays operations, and records them. */
  readonly isWorker: boolean;
  readonly auditQueue: AuditQueue;
  readonly asyncRequests: ApiServices['asyncRequests'];
}

/** Builds what the API's handlers use. The order of the steps of an inference request is in `pipeline/order.ts`. */
export function createServices(parts: ServiceParts): ApiServices {
  const { clock, log, metrics, events, active, stores, modelData, routing } = parts;
  const deadlines = new DeadlineMonitor(() => clock.now());
  const keepAlives = new KeepAlives(() => active.config.streams.keep_alive);
  const recorder = new Recorder(
    metrics,
    log,
    clock,
    () => active.config.log.requests,
    // Not an event: routing itself needs the sample of every request of an experiment.
    (part, sample) => routing.experiments.record(part, sample, clock.now()),
    parts.activity,
  );
  const dropped = new ReportInterval<unknown>(
    DROPPED_REPORT_MS,
    () => clock.now(),
    (count, error) => events.emit('responses.dropped', { count, error }),
  );
  const services: ApiServices = {
    clock,
    startedAtSeconds: parts.startedAtSeconds,
    access: stores.access,
    tokens: stores.tokens,
    lifecycle: parts.lifecycle,
    deadlines,
    keepAlives,
    addressLimiter: new AddressLimiter(clock, () => active.current.addressLimits, events),
    addressSubjects: new AddressSubjects(),
    inference: new InferenceHandler({
      clock,
      deadlines,
      keepAlives,
      onDefect: (error, requestId) => events.emit('http.handler_failed', { request_id: requestId, error }),
    }),
    responses: new BufferedResponseStore(
      new TenantResponseStore(stores.databases, stores.control),
      () => clock.wallTime(),
      (count, error) => dropped.add(count, error),
    ),
    replays: parts.replays,
    retentionOf: stores.retentionOf,
    writes: stores.writes,
    modelData,
    states: routing.states,
    engines: parts.engines,
    requests: new RequestLog(),
    rejected: parts.rejected,
    live: new LiveFeed(),
    tracer: parts.tracer,
    plugins: parts.plugins,
    workers: parts.workers,
    auditor: new RequestAuditor(parts.auditQueue, stores.sources),
    auditQueue: parts.isWorker ? { record: async () => undefined } : parts.auditQueue,
    recorder,
    credentials: new CredentialThrottle(clock, events),
    clientOf: (httpContext) =>
      httpContext.client ?? clientKey(clientAddress(httpContext, active.current.isProxy)),
    callers: createCallers(() => services, stores),
    background: new BackgroundRequests(clock),
    asyncRequests: parts.asyncRequests,
    bodyLimit: () => active.current.bodyLimit,
    snapshot: () => active.current,
  };
  return services;
}
