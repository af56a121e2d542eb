import type { HttpRequest, HttpResponse } from '../../core/http.ts';
import { isRecord, parseJsonText } from '../../core/json.ts';
import { httpResponse } from '../../http/response.ts';
import type { Gateway } from '../gateway.ts';
import { mergeHealth, mergeOverviews } from './merge-health.ts';
import { mergeCanaries, mergeTargets } from './merge-states.ts';
import type { RelayedRequest, RelayedResponse } from './protocol.ts';
import type { WorkerPool } from './worker-pool.ts';

const MAX_BODY = 1024 * 1024;
const NO_BODY = new Uint8Array(0);
const JSON_TYPE = { 'content-type': 'application/json' };

/** @param own the parsed body of this process @param others those of the workers */
type Merge = (own: unknown, others: readonly unknown[]) => string | undefined;

/** Requests that ask for what is in the memory of workers. */
const MERGED: Readonly<Record<string, Merge>> = {
  '/health': mergeHealth,
  '/admin/v1/overview': mergeOverviews,
  '/admin/v1/targets': (_, others) => mergeTargets(others),
  '/admin/v1/canaries': (_, others) => mergeCanaries(others),
};
/** Decided by the state of targets, which workers know. */
const DRY_RUN = '/admin/v1/route';
const REQUEST = /^\/admin\/v1\/requests\/[^/?]+(?:\?|$)/;

/** Serves the requests that workers forward. What is in the memory of each worker is asked of all, and told to all. */
export class ParentRoutes {
  constructor(
    private readonly gateway: Gateway,
    private readonly pool: Pick<WorkerPool, 'handle' | 'refresh' | 'watch'>,
  ) {}

  /** Sends completed requests to this process while there is a live stream; to be called often. */
  updateLive(): void {
    this.pool.watch(this.gateway.live.size > 0);
  }

  async handle(request: HttpRequest): Promise<HttpResponse> {
    const { router } = this.gateway;
    const { method, target } = request;
    const [path = ''] = target.split('?');
    const merge = Object.hasOwn(MERGED, path) ? MERGED[path] : undefined;
    if (merge && method === 'GET') return this.#merged(request, merge);
    if (merge && method === 'POST') return this.#toAll(request);
    if (path === DRY_RUN && method === 'POST') return this.#byWorker(request);
    if (method === 'GET' && REQUEST.test(target)) return this.#remembered(request);
    const response = await router.handle(request);
    // A key that was created is valid at each worker when its client learns of it.
    if (method !== 'GET' && method !== 'HEAD' && response.status < 400) await this.pool.refresh();
    if (path === '/admin/v1/live') this.updateLive();
    return response;
  }

  async #merged(request: HttpRequest, merge: Merge): Promise<HttpResponse> {
    // Decides whether the caller may see it.
    const own = await this.gateway.router.handle(withBody(request, NO_BODY));
    const body = typeof own.body === 'string' ? parseJsonText(own.body) : undefined;
    if (!isRecord(body) || 'error' in body) return own;
    // Checks without a key are frequent, and say nothing of providers.
    if (merge === mergeHealth && !('providers' in body)) return own;
    const responses = await this.pool.handle(relayed(request, NO_BODY));
    const merged = merge(body, bodiesOf(responses));
    return merged === undefined ? own : { ...own, body: merged };
  }

  async #byWorker(request: HttpRequest): Promise<HttpResponse> {
    const body = await request.readBody(MAX_BODY);
    const [response] = await this.pool.handle(relayed(request, body));
    if (response === undefined) return this.gateway.router.handle(withBody(request, body));
    return httpResponse(response.status, response.body, JSON_TYPE);
  }

  /** What this process rejects reaches no worker. */
  async #toAll(request: HttpRequest): Promise<HttpResponse> {
    const { router } = this.gateway;
    const body = await request.readBody(MAX_BODY);
    const own = await router.handle(withBody(request, body));
    if (own.status === 200) await this.pool.handle(relayed(request, body));
    return own;
  }

  /** A request that a worker remembers has its routing decision, which the databases do not have. */
  async #remembered(request: HttpRequest): Promise<HttpResponse> {
    const found = (await this.pool.handle(relayed(request, NO_BODY))).find(({ status, body }) => {
      const parsed = status === 200 ? parseJsonText(body) : undefined;
      return isRecord(parsed) && parsed.source === 'memory';
    });
    return found ? httpResponse(200, found.body, JSON_TYPE) : this.gateway.router.handle(request);
  }
}

function bodiesOf(responses: readonly RelayedResponse[]): unknown[] {
  return responses.map(({ body }) => parseJsonText(body));
}

/** The response of a process is parsed, and not sent as it is. */
const COMPRESSION = 'accept-encoding';

function relayed({ method, target, headers, remoteAddress }: HttpRequest, body: Uint8Array): RelayedRequest {
  const names = [...(headers.keys?.() ?? [])].filter((name) => name !== COMPRESSION);
  const fields = names.map((name) => [name, headers.get(name) ?? ''] as const);
  return { method, target, remoteAddress, headers: fields, body };
}

/** @returns the request with a body that was read already, whose response is not compressed */
function withBody(request: HttpRequest, body: Uint8Array): HttpRequest {
  const { headers } = request;
  return {
    method: request.method,
    target: request.target,
    url: request.url,
    headers: {
      get: (name) => (name === COMPRESSION ? null : headers.get(name)),
      has: (name) => name !== COMPRESSION && headers.has(name),
      keys: () => [...(headers.keys?.() ?? [])].filter((name) => name !== COMPRESSION),
    },
    remoteAddress: request.remoteAddress,
    signal: request.signal,
    onDisconnect: (listener) => request.onDisconnect(listener),
    readBody: () => body,
    limitBody: (bytes) => request.limitBody(bytes),
    keepBytes: (bytes) => request.keepBytes(bytes),
    chargeTo: (account) => request.chargeTo(account),
  };
}
