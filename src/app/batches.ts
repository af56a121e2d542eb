import { join } from 'node:path';
import type { BackgroundRequests } from '../api/background-requests.ts';
import type { ApiServices } from '../api/services.ts';
import type {
  BatchBounds,
  ForwardParts,
  LineRequest,
  LineResponse,
  BatchParts as Parts,
} from '../batches/batch-parts.ts';
import { Batches } from '../batches/batches.ts';
import { FinishBatch } from '../batches/finish-batch.ts';
import { ForwardBatch } from '../batches/forward-batch.ts';
import { PlanForwards } from '../batches/plan-forwards.ts';
import { PrepareBatch } from '../batches/prepare-batch.ts';
import { RunLines } from '../batches/run-lines.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { asGatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import { RecentMap } from '../core/recent-map.ts';
import { Files, type FilesOptions } from '../files/files.ts';
import { openAiErrorBody } from '../http/error-body.ts';
import { SqlJobQueue } from '../jobs/sql-job-queue.ts';
import type { Metrics } from '../observability/metrics.ts';
import { openObjectStorage } from '../platform/object-storage/open-object-storage.ts';
import type { Provider } from '../providers/types.ts';
import { lineOf } from '../storage/usage-event.ts';
import { dataFolder } from './database-servers.ts';
import type { Job } from './job-runner.ts';
import type { JobParts } from './jobs.ts';
import { usageOfResult } from './line-usage.ts';
import type { Stores } from './stores.ts';
import type { UsageParts } from './usage.ts';

/** Cancelled batches that a process remembers; all others are asked of the database every few seconds. */
const KEPT_CANCELLATIONS = 1_000;

export interface BatchOptions {
  /** The active configuration. */
  readonly config: () => Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly services: ApiServices;
  readonly usage: Pick<UsageParts, 'limiter' | 'store'>;
  readonly queued: JobParts;
  /** Loads the endpoints that lines name. */
  readonly loadInferenceApi: () => void | Promise<void>;
}

/** Files and batches, and what is done for them at intervals. */
export interface BatchServices {
  readonly files: Files;
  readonly batches: Batches;
  readonly jobs: readonly Job[];
}

/** Connects files and batches with databases, storage and the pipeline. */
export function createBatches(options: BatchOptions): BatchServices {
  const { config, env, stores, clock, metrics, services, queued } = options;
  const { control, databases, outbox } = stores;
  const { storage, files } = createFiles(config, env, { control, clock });
  const bounds = () => boundsOf(config(), services.bodyLimit());
  const parts: Parts = {
    ...{ control, databases, clock, outbox, files, storage, bounds, queue: queued.queue },
    cancelled: new RecentMap(KEPT_CANCELLATIONS),
    runLine: (request) => runLine(options, request),
    forwards: () => providersOf(services).some(({ batches }) => batches !== undefined),
    isReady: () => services.lifecycle.state === 'ready',
    // Not an event: each line counts.
    onLine: (outcome) => metrics.jobs.batchLines.labels(outcome).inc(),
  };
  const batches = new Batches(parts);
  const forward = new ForwardBatch(parts, forwardParts(options));
  const handlers = [
    ...[new PrepareBatch(parts), new RunLines(parts), new FinishBatch(parts), new PlanForwards(parts)],
    forward,
  ];
  for (const handler of handlers) queued.worker.register(handler);
  return {
    ...{ files, batches },
    jobs: [
      {
        name: 'keep what forwarded batches reserve',
        everyMs: 10_000,
        impact:
          'another process may reserve it again; what completed batches reserved stays reserved until the next run',
        run: () => forward.keepHolds(),
      },
      {
        name: 'end batches whose time has passed',
        byParent: true,
        everyMs: 60_000,
        impact: 'they go on until the next run',
        run: () => batches.sweep(),
      },
      {
        name: 'delete expired files',
        byParent: true,
        everyMs: 60_000,
        impact: 'they take up space until the next run; they are not served',
        run: () => files.deleteExpired(),
      },
      {
        name: 'delete contents without a file',
        byParent: true,
        everyMs: 3_600_000,
        impact: 'they take up space until the next run',
        run: () => files.deleteOrphans(),
      },
    ],
  };
}

/** @returns batches as commands see and cancel them; a running gateway does the work */
export function batchAdministration(
  config: Config,
  env: BatchOptions['env'],
  { control, databases, outbox }: Stores,
  clock: Clock,
): Batches {
  const queue = new SqlJobQueue({ control, clock, weightOf: () => 1, random: () => 0 });
  const { files } = createFiles(() => config, env, { control, clock });
  const bounds = () => boundsOf(config, config.server.body_limit);
  return new Batches({
    ...{ control, databases, clock, queue, outbox, files, bounds },
    cancelled: new RecentMap(KEPT_CANCELLATIONS),
  });
}

function createFiles(
  config: () => Config,
  env: BatchOptions['env'],
  { control, clock }: Pick<FilesOptions, 'control' | 'clock'>,
) {
  const location = config().files.location ?? join(dataFolder(config()), 'files');
  const storage = openObjectStorage(location, env);
  const files = new Files({
    ...{ control, clock, contents: storage },
    bounds: () => {
      const { max_size, max_count, max_total, expire_after } = config().files;
      return { maxSize: max_size, maxCount: max_count, maxTotal: max_total, keepMs: expire_after };
    },
  });
  return { storage, files };
}

function boundsOf({ batches, files }: Config, bodyLimit: number): BatchBounds {
  const { max_lines, max_active, concurrency } = batches;
  return {
    ...{ maxLines: max_lines, maxActive: max_active, concurrency, keepMs: files.expire_after },
    // With the members beside the body.
    maxLine: bodyLimit + 4_096,
  };
}

/** All accounts of all providers. */
function providersOf({ snapshot }: Pick<ApiServices, 'snapshot'>): readonly Provider[] {
  return snapshot().providers.flatMap((provider) => provider.accounts ?? [provider]);
}

function forwardParts({
  config,
  services,
  usage,
}: Pick<BatchOptions, 'config' | 'services' | 'usage'>): ForwardParts {
  return {
    upstreamOf: (id, account) =>
      providersOf(services).find((one) => one.id === id && (one.account ?? 0) === account)?.batches,
    async hold(batch, { requests, tokens, nanoUsd }) {
      const range = (amount: number) => () => ({ least: amount, most: amount });
      const reservation = await usage.limiter.admit({
        principal: principalOf(services, batch),
        tags: [],
        use: {
          ...{ requests: () => requests, likelyTokens: () => tokens },
          ...{ tokens: range(tokens), nanoUsd: range(nanoUsd) },
        },
        periodsOnly: true,
      });
      return reservation && { release: () => reservation.settle({ requests: 0, tokens: 0, nanoUsd: 0 }) };
    },
    usageOf: (result) => (config().storage.keep_usage ? usageOfResult(services, result) : undefined),
    async storeUsage(events) {
      // A segment for each event: its name is the same however often the result is handled.
      const segments = events.map((event) => ({
        ...{ name: `batch-line-${event.id}`, path: '', unsaved: `${lineOf(event)}\n` },
      }));
      const { failure } = await usage.store.write(segments);
      if (failure) throw new Error(`The usage of batch lines is not stored: ${failure.message}`);
    },
  };
}

/** Whom a line runs as, with the limits and permissions of now. */
function principalOf(
  { access }: Pick<ApiServices, 'access'>,
  { tenant, keyId, member, caller }: Pick<LineRequest, 'tenant' | 'keyId' | 'member' | 'caller'>,
): Principal {
  return caller.kind === 'key'
    ? access.principalOf(tenant, keyId, () => caller.address)
    : access.principalOfTenant(tenant, keyId, caller.name, member);
}

/** Runs a line as the caller who created its batch, with that caller's limits as they are now. Never rejects. */
async function runLine(
  { services, loadInferenceApi }: Pick<BatchOptions, 'services' | 'loadInferenceApi'>,
  line: LineRequest,
): Promise<LineResponse> {
  const background: BackgroundRequests = services.background;
  const { path, body, requestId, signal, forwarding } = line;
  try {
    await loadInferenceApi();
    const principal = principalOf(services, line);
    return await background.run({
      ...{ path, principal, body, requestId, signal, isBatch: true, forwarding },
      headers: { 'content-type': 'application/json', 'x-weir-priority': 'low' },
    });
  } catch (thrown) {
    const error = asGatewayError(thrown);
    return { status: error.status, body: openAiErrorBody(error), error, costPico: 0 };
  }
}
