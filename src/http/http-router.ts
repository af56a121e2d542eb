import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { HttpRequest, HttpResponse } from '../core/http.ts';
import { lazy } from '../core/lazy.ts';
import { addCorsHeaders, type CorsRules, preflightResponse } from './cors.ts';
import { errorHeaders, openAiErrorBody, refusalBody } from './error-body.ts';
import { HttpContext, requestIdFor } from './http-context.ts';
import { type Method, PathPattern } from './path-pattern.ts';
import { httpResponse, jsonResponse } from './response.ts';

export type { Method } from './path-pattern.ts';

export type RouteHandler = (httpContext: HttpContext) => HttpResponse | Promise<HttpResponse>;

/** What a route accepts. */
export interface RouteOptions {
  /**
   * `large`: up to `bodyLimit` of the router, only for handlers that authenticate before they read. `small`, the default: up
   * to 16 KiB, so that strangers cannot have more kept.
   */
  readonly body?: 'small' | 'large';
}

export const LARGE_BODY: RouteOptions = { body: 'large' };
const SMALL_BODY_BYTES = 16 * 1024;

export interface HttpRouterOptions {
  readonly clock: Clock;
  readonly newId: () => string;
  readonly cors: () => CorsRules;
  /** Bytes of the largest request body. */
  readonly bodyLimit: () => number;
  readonly observe: (method: string, route: string, status: number, seconds: number) => void;
  /** Converts what a handler threw to the error that the client gets: a failing store is not a defect. */
  readonly asClientError: (error: unknown) => unknown;
  /** Receives errors that are defects of Weir. */
  readonly onDefect: (error: unknown, requestId: string) => void;
}

/** Methods with a metric label of their own; others share the label `OTHER`. */
const KNOWN_METHODS = new Set(['GET', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PUT', 'PATCH']);

/** Routes requests to handlers, and adds request ids, error responses, CORS headers and metrics. */
export class HttpRouter {
  /** Routes without parameters by method, then by path: nearly all of the traffic. */
  readonly #exact = new Map<string, Map<string, RouteHandler>>();
  readonly #patterns: { readonly pattern: PathPattern; readonly handler: RouteHandler }[] = [];

  /** Those of {@link routesUnder} that no request has used yet. */
  readonly #unloaded = new Map<string, () => void | Promise<void>>();

  readonly #onFinish = ({ request, route, startedAt }: HttpContext, status: number) => {
    const method = KNOWN_METHODS.has(request.method) ? request.method : 'OTHER';
    this.options.observe(method, route, status, (this.options.clock.now() - startedAt) / 1000);
  };

  constructor(private readonly options: HttpRouterOptions) {}

  /** Adds a route. `path` may have parameters: `/v1/models/:id{.+}`, `/v1/auth/oidc/:provider`. */
  route(method: Method, path: string, handler: RouteHandler, { body }: RouteOptions = {}): void {
    const pattern = new PathPattern(method, path);
    const matched: RouteHandler = (httpContext) => {
      httpContext.route = path;
      httpContext.request.limitBody(body === 'large' ? this.options.bodyLimit() : SMALL_BODY_BYTES);
      return handler(httpContext);
    };
    this.#patterns.push({ pattern, handler: matched });
    if (pattern.hasParameters) return;
    const paths = this.#exact.get(method) ?? new Map<string, RouteHandler>();
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

  /** Handles one request. Never throws and never rejects. */
  handle(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
    const { clock, newId, cors } = this.options;
    const id = requestIdFor(request.headers, newId);
    const httpContext = new HttpContext(request, id, clock.now(), this.#onFinish);
    const rules = cors();
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

  /** The response to a malformed HTTP request. */
  rejectMalformed(status: number, message: string): HttpResponse {
    const headers = { 'x-request-id': this.options.newId(), 'content-type': 'application/json' };
    const retry = status === 503 ? { 'retry-after': '1' } : {};
    return httpResponse(status, refusalBody(status, message), { ...headers, ...retry });
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
    throw this.#notFound(request.method, path);
  }

  #finished(httpContext: HttpContext, rules: CorsRules, response: HttpResponse): HttpResponse {
    const { headers } = response;
    headers.set('x-request-id', httpContext.requestId);
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

  #notFound(method: string, path: string): GatewayError {
    const allowed = this.#patterns
      .filter(({ pattern }) => pattern.match(path))
      .map(({ pattern }) => pattern.method);
    if (allowed.length === 0) {
      return new GatewayError(
        'not_found',
        `Unknown path: ${method} ${path.slice(0, 200)}. See /docs for what exists.`,
      );
    }
    const allow = [...new Set(allowed)].join(', ');
    return new GatewayError('method_not_allowed', `${method} is not allowed here; allowed: ${allow}.`, {
      headers: { allow },
    });
  }
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
