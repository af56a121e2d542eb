import type { ApiServices } from '../api/services.ts';
import type { AsyncParts, RunRequest, RunResponse } from '../async/async-parts.ts';
import { AsyncRequests } from '../async/async-requests.ts';
import { RunAsyncRequest } from '../async/run-async-request.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, type GatewayError } from '../core/errors.ts';
import { openAiErrorBody } from '../http/error-body.ts';
import type { JobQueue } from '../jobs/job-queue.ts';
import type { JobWorker } from '../jobs/job-worker.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Job } from './job-runner.ts';
import type { Stores } from './stores.ts';

export interface AsyncOptions {
  /** The active configuration. */
  readonly config: () => Config;
  readonly stores: Pick<Stores, 'control' | 'databases' | 'outbox'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly queue: JobQueue;
  readonly worker: JobWorker;
  readonly services: () => ApiServices;
  /** Loads the endpoints that requests name. */
  readonly loadInferenceApi: () => void | Promise<void>;
}

/** Queued requests, and what is done for them at intervals. */
export interface AsyncServices {
  readonly requests: AsyncRequests;
  readonly jobs: readonly Job[];
}

/** Connects queued requests with databases, the queue and the pipeline. */
export function createAsync(options: AsyncOptions): AsyncServices {
  const { config, stores, clock, metrics, queue, worker, services } = options;
  const { control, databases, outbox } = stores;
  const parts: AsyncParts = {
    ...{ control, databases, clock, outbox, queue, running: new Map() },
    bounds: () => {
      const { concurrency, max_active, max_stored, max_size, run_within, keep } = config().async;
      return {
        ...{ concurrency, maxActive: max_active, maxStored: max_stored, maxSize: max_size },
        ...{ runWithinMs: run_within, keepMs: keep },
      };
    },
    // Not an event: each request counts.
    onOutcome: (outcome) => metrics.jobs.asyncRequests.labels(outcome).inc(),
  };
  const requests = new AsyncRequests(parts);
  worker.register(
    new RunAsyncRequest({
      ...{ ...parts, requests },
      respond: (run) => respond(options, run),
      isReady: () => services().lifecycle.state === 'ready',
    }),
  );
  return {
    requests,
    jobs: [
      {
        name: 'end queued requests whose time has passed',
        byParent: true,
        everyMs: 60_000,
        impact: 'they are kept until the next run',
        run: () => requests.sweep(),
      },
    ],
  };
}

/** Runs a request as the caller who queued it, with that caller's limits as they are now. Never rejects. */
async function respond(
  { services, loadInferenceApi }: AsyncOptions,
  { request, body, headers, signal }: RunRequest,
): Promise<RunResponse> {
  const { access, background } = services();
  const { id, tenant, keyId, member, caller, endpoint: path } = request;
  try {
    await loadInferenceApi();
    const principal =
      caller.kind === 'key'
        ? access.principalOf(tenant, keyId, () => caller.address)
        : access.principalOfTenant(tenant, keyId, caller.name, member);
    const response = await background.run({
      ...{ path, principal, body, headers, requestId: id, isBatch: false, signal },
    });
    return { ...response, headers: keptHeaders(response.headers, response.error) };
  } catch (thrown) {
    const error = asGatewayError(thrown);
    const headers = keptHeaders({}, error);
    return { status: error.status, headers, body: openAiErrorBody(error), error, costPico: 0 };
  }
}

/** The headers that say how a request was served; those of security and of the moment are of no use later. */
function keptHeaders(
  headers: Readonly<Record<string, string>>,
  error: GatewayError | undefined,
): Record<string, string> {
  const all = { ...headers, ...error?.details.headers };
  const kept = Object.entries(all).filter(([name]) => name.startsWith('x-weir-'));
  const retryAfter = error?.details.retryAfterSeconds;
  return {
    'content-type': 'application/json',
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    ...Object.fromEntries(kept.map(([name, value]) => [name, String(value)])),
  };
}
