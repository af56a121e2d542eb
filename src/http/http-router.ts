import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { HttpRequest, HttpResponse } from '../core/http.ts';
import { lazy } from '../core/lazy.ts';
import { addCorsHeaders, type CorsRules, preflightResponse } from './cors.ts';
import { errorHeaders, openAiErrorBody, refusalBody } from './error-body.ts';
import { HttpContext, requestIdFor } from './http-context.ts';
import type { HttpStage } from './http-stage.ts';
import { type Method, PathPattern } from './path-pattern.ts';
import { httpResponse, jsonResponse } from './response.ts';
import type { RouteAccess, RouteHandler, RoutePolicy } from './route-policy.ts';

export type { Method } from './path-pattern.ts';

/** A route after the HTTP stage. */
type MatchedRoute = (httpContext: HttpContext) => HttpResponse | Promise<HttpResponse>;

/** A registered route, as tests and tools list it. */
export interface RouteEntry {
  readonly method: Method;
  /** With parameters as registered. */
  readonly path: string;
  readonly policy: RoutePolicy<never> | RoutePolicy;
}

export interface HttpRouterOptions {
  readonly stage: HttpStage;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly cors: () => CorsRules;
  /** Whether a proxy serves the client over TLS. At a port with TLS of its own, the server adds the header. */
  readonly isBehindTls: (httpContext: HttpContext) => boolean;
  readonly observe: (
    method: string,
    route: string,
    status: number,
    seconds: number,
    traceId: string | undefined,
  ) => void;
  /** The region of this gateway, for the header `x-weir-region` of responses; null for none. */
  readonly region?: () => string | null;
  /** Converts what a handler threw to the error that the client gets: a failing store is not a defect. */
  readonly asClientError: (error: unknown) => unknown;
  /** Receives errors that are defects of Weir. */
  readonly onDefect: (error: unknown, requestId: string) => void;
}

/** @see https://www.rfc-editor.org/rfc/rfc6797 */
const HSTS = 'max-age=31536000';

/** Names the region that served a request. */
export const REGION_HEADER = 'x-weir-region';

/** Methods with a metric label of their own; others share the label `OTHER`. */
const KNOWN_METHODS = new Set(['GET', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PUT', 'PATCH']);

/** Routes requests through the HTTP stage to handlers, and adds request ids, error responses, CORS headers and metrics. */
export class HttpRouter {
  /** Routes without parameters by method, then by path: nearly all of the traffic. */
  readonly #exact = new Map<string, Map<string, MatchedRoute>>();
  readonly #patterns: { readonly pattern: PathPattern; readonly handler: MatchedRoute }[] = [];
  readonly #entries: RouteEntry[] = [];
  readonly #unmatched: {
    readonly prefix: string;
    readonly selectDialect: (httpContext: HttpContext) => void;
  }[] = [];

  /** Those of {@link routesUnder} that no request has used yet. */
  readonly #unloaded = new Map<string, () => void | Promise<void>>();

  readonly #onFinish = ({ request, route, startedAt, traceId }: HttpContext, status: number) => {
    const method = KNOWN_METHODS.has(request.method) ? request.method : 'OTHER';
    const seconds = (this.options.clock.now() - startedAt) / 1000;
    this.options.observe(method, route, status, seconds, traceId);
  };

  constructor(private readonly options: HttpRouterOptions) {}

  /**
   * Adds a route.
   * @param path may have parameters: `/v1/models/:id{.+}`, `/v1/auth/oidc/:provider`
   * @param policy what the HTTP stage checks before the handler runs
   */
  route<Caller>(
    method: Method,
    path: string,
    policy: RoutePolicy<Caller>,
    handler: RouteHandler<Caller>,
  ): void {
    const { stage } = this.options;
    const pattern = new PathPattern(method, path);
    this.#entries.push({ method, path, policy });
    const matched: MatchedRoute = (httpContext) => {
      httpContext.route = path;
      return stage.run(httpContext, policy, handler);
    };
    this.#patterns.push({ pattern, handler: matched });
    if (pattern.hasParameters) return;
    const paths = this.#exact.get(method) ?? new Map<string, MatchedRoute>();
    this.#exact.set(method, paths.set(path, matched));
  }

  /**
   * Adds routes with the first request under a path, so that their modules cost nothing at start. That request waits
   * for them; all later ones find the routes as if they had been there from the start.
   * @param prefix such as `/admin/v1/`; a shorter one that covers it must be added after it
   * @param load adds the routes to this router; called again when it has failed
   * @returns loads them ahead of any request
   */
  routesUnder(prefix: string, load: () => Promise<void>): () => void | Promise<void> {
    const loadOnce = lazy(async () => {
      await load();
      this.#unloaded.delete(prefix);
    });
    this.#unloaded.set(prefix, loadOnce);
    return loadOnce;
  }

  /**
   * Selects the dialect of error responses for paths that no route matches.
   * @param prefix such as `/v1/messages`
   */
  unmatchedUnder(prefix: string, selectDialect: (httpContext: HttpContext) => void): void {
    this.#unmatched.push({ prefix, selectDialect });
  }

  /** Every route, after loading those that no request has used yet. */
  async routes(): Promise<readonly RouteEntry[]> {
    for (const load of [...this.#unloaded.values()]) await load();
    return this.#entries;
  }

  /** Handles one request. Never throws and never rejects. */
  handle(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
    const httpContext = this.#contextOf(request);
    const rules = this.options.cors();
    try {
      const response = preflightResponse(rules, request) ?? this.#dispatch(httpContext);
      if (!(response instanceof Promise)) return this.#finished(httpContext, rules, response);
      return response.then(
        (made) => this.#finished(httpContext, rules, made),
        (error: unknown) => this.#errorResponse(httpContext, rules, error),
      );
    } catch (error) {
      return this.#errorResponse(httpContext, rules, error);
    }
  }

  /**
   * Counts a request that another protocol carries, and no route serves, for the rate of its client's address.
   * @throws GatewayError `rate_limit_exceeded`
   */
  countAddress(request: HttpRequest): void {
    this.options.stage.countAddress(this.#contextOf(request));
  }

  /**
   * Identifies the caller of a request before its body is read, and its route known. Only those that are rejected count for
   * the rate of the address: others count at their route.
   * @throws GatewayError as `access`
   */
  async identify(request: HttpRequest, access: RouteAccess<unknown>): Promise<void> {
    try {
      await access.admit(this.#contextOf(request));
    } catch (error) {
      this.countAddress(request);
      throw asGatewayError(this.options.asClientError(causeOf(error)));
    }
  }

  /** The response to a malformed HTTP request. */
  rejectMalformed(status: number, message: string): HttpResponse {
    const headers = { 'x-request-id': this.options.newId(), 'content-type': 'application/json' };
    const retry = status === 503 ? { 'retry-after': '1' } : {};
    return httpResponse(status, refusalBody(status, message), { ...headers, ...retry });
  }

  #contextOf(request: HttpRequest): HttpContext {
    const { clock, newId } = this.options;
    return new HttpContext(request, requestIdFor(request.headers, newId), clock.now(), this.#onFinish);
  }

  #dispatch(httpContext: HttpContext): HttpResponse | Promise<HttpResponse> {
    const { request } = httpContext;
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const path = pathOf(request.target);
    const exact = this.#exact.get(method)?.get(path);
    if (exact) return exact(httpContext);
    for (const { pattern, handler } of this.#patterns) {
      const params = pattern.method === method ? pattern.match(path) : undefined;
      if (!params) continue;
      httpContext.params = params;
      return handler(httpContext);
    }
    for (const [prefix, load] of this.#unloaded) {
      if (path.startsWith(prefix)) return Promise.resolve(load()).then(() => this.#dispatch(httpContext));
    }
    this.options.stage.countAddress(httpContext);
    this.#unmatched.find(({ prefix }) => path.startsWith(prefix))?.selectDialect(httpContext);
    throw this.#notFound(request.method, path);
  }

  #finished(httpContext: HttpContext, rules: CorsRules, response: HttpResponse): HttpResponse {
    const { headers } = response;
    headers.set('x-request-id', httpContext.requestId);
    const reset = headers.get('x-ratelimit-reset');
    if (typeof reset === 'string') {
      const epoch = Math.ceil(this.options.clock.wallTime() / 1000) + Number(reset);
      headers.set('x-ratelimit-reset-epoch', String(epoch));
    }
    if (this.options.isBehindTls(httpContext)) headers.set('strict-transport-security', HSTS);
    const region = this.options.region?.() ?? null;
    if (region !== null && headers.get(REGION_HEADER) === undefined) headers.set(REGION_HEADER, region);
    if (httpContext.requestIdHeader) headers.set(httpContext.requestIdHeader, httpContext.requestId);
    if (rules.origins.length > 0) addCorsHeaders(rules, httpContext.request, headers);
    if (!httpContext.deferred) httpContext.finish(response.status);
    return response;
  }

  #errorResponse(
    httpContext: HttpContext,
    rules: CorsRules,
    thrown: unknown,
  ): HttpResponse | Promise<HttpResponse> {
    const error = asGatewayError(this.options.asClientError(causeOf(thrown)));
    if (error.code === 'internal_error') this.options.onDefect(error.cause ?? error, httpContext.requestId);
    const body = httpContext.renderError?.(error, httpContext.requestId) ?? openAiErrorBody(error);
    const response = jsonResponse(httpContext.request, error.status, body, errorHeaders(error));
    return response instanceof Promise
      ? response.then((made) => this.#finished(httpContext, rules, made))
      : this.#finished(httpContext, rules, response);
  }

  #serves(method: string, path: string): boolean {
    return this.#patterns.some(
      ({ pattern }) => pattern.method === method && pattern.match(path) !== undefined,
    );
  }

  #notFound(method: string, path: string): GatewayError {
    const allowed = this.#patterns
      .filter(({ pattern }) => pattern.match(path))
      .map(({ pattern }) => pattern.method);
    if (allowed.length === 0) {
      const near = similarPaths(path).find((other) => this.#serves(method, other));
      const hint =
        near === undefined
          ? 'See /docs for what exists.'
          : `Did you mean ${near}? Check the base URL of the client: OpenAI's SDKs take the one with /v1, Anthropic's the one without.`;
      return new GatewayError('not_found', `Unknown path: ${method} ${path.slice(0, 200)}. ${hint}`);
    }
    const allow = [...new Set(allowed)].join(', ');
    return new GatewayError('method_not_allowed', `${method} is not allowed here; allowed: ${allow}.`, {
      headers: { allow },
    });
  }
}

/** The longest prefix that a client may have put before a path, in segments. */
const MAX_PREFIX = 3;

/** Paths that a client may have meant: in lower case, without a slash at the end or a prefix of another base URL, with /v1. */
function similarPaths(path: string): string[] {
  const segments = path.toLowerCase().split('/').filter(Boolean);
  const shorter = Array.from({ length: MAX_PREFIX + 1 }, (_, skipped) => segments.slice(skipped).join('/'));
  return shorter
    .filter((rest) => rest !== '')
    .flatMap((rest) => [`/${rest}`, `/v1/${rest}`])
    .filter((other) => other !== path);
}

/** @returns what was thrown, also where it was converted to `internal_error` before */
function causeOf(thrown: unknown): unknown {
  return thrown instanceof GatewayError && thrown.code === 'internal_error'
    ? (thrown.cause ?? thrown)
    : thrown;
}

function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}
