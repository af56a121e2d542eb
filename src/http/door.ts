import { OpenAPIHono } from '@hono/zod-openapi';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { addCorsHeaders, type CorsRules, preflightResponse } from './cors.ts';
import { errorHeaders, openAiErrorBody } from './error-body.ts';
import { type Connection, type DoorEnv, Exchange, requestIdFor } from './exchange.ts';
import { jsonResponse } from './response.ts';

export type DoorHandler = (exchange: Exchange) => Response | Promise<Response>;
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface DoorOptions {
  readonly clock: Clock;
  readonly newId: () => string;
  readonly cors: () => CorsRules;
  readonly observe: (method: string, route: string, status: number, seconds: number) => void;
  /** Failures that are our own defects. */
  readonly onDefect: (error: unknown, requestId: string) => void;
}

/** Methods that exist anywhere here; others are not worth a label each. */
const KNOWN_METHODS = new Set(['GET', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PUT', 'PATCH']);

/** The HTTP side of the gateway: routes, request ids, errors, CORS and the count of what was answered. */
export class Door {
  readonly app = new OpenAPIHono<DoorEnv>();
  readonly #exact = new Map<string, DoorHandler>();
  readonly #patterns: { readonly pattern: RegExp; readonly method: Method }[] = [];

  readonly #onFinish = ({ request, route, startedAt }: Exchange, status: number) => {
    const method = KNOWN_METHODS.has(request.method) ? request.method : 'OTHER';
    this.options.observe(method, route, status, (this.options.clock.now() - startedAt) / 1000);
  };

  constructor(private readonly options: DoorOptions) {
    this.app.notFound((context) => {
      throw this.#noRoute(context.req.method, context.req.path);
    });
    this.app.onError((error, context) => this.#renderError(context.env.exchange, error));
  }

  /** Adds a route. `path` is in Hono's form, such as `/v1/models/:id{.+}`. */
  route(method: Method, path: string, handler: DoorHandler): void {
    const source = path.replaceAll(
      /:\w+(?:\{([^}]*)\})?/g,
      (_, inner: string | undefined) => inner ?? '[^/]+',
    );
    this.#patterns.push({ pattern: new RegExp(`^${source}$`), method });
    const matched: DoorHandler = (exchange) => {
      exchange.route = path;
      return handler(exchange);
    };
    if (path.includes(':')) {
      this.app.on(method, path, (context) => {
        context.env.exchange.params = context.req.param();
        return matched(context.env.exchange);
      });
    } else this.#exact.set(`${method} ${path}`, matched);
  }

  /** Answers one request. Never rejects. */
  async handle(request: Request, connection: Connection): Promise<Response> {
    const exchange = new Exchange(
      request,
      requestIdFor(request.headers, this.options.newId),
      this.options.clock.now(),
      connection,
      this.#onFinish,
    );
    const rules = this.options.cors();
    let response: Response;
    try {
      const preflight = preflightResponse(rules, request);
      response = preflight ?? (await this.#dispatch(exchange));
    } catch (error) {
      response = await this.#renderError(exchange, error);
    }
    response.headers.set('x-request-id', exchange.requestId);
    if (exchange.requestIdHeader) response.headers.set(exchange.requestIdHeader, exchange.requestId);
    if (rules.origins.length > 0) addCorsHeaders(rules, request, response.headers);
    if (!exchange.deferred) exchange.finish(response.status);
    return response;
  }

  /** Paths without parameters, which is nearly all of the traffic, need no more than a look-up. */
  #dispatch(exchange: Exchange): Response | Promise<Response> {
    const { request } = exchange;
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const handler = this.#exact.get(`${method} ${pathOf(request.url)}`);
    return handler ? handler(exchange) : this.app.fetch(request, { exchange });
  }

  #noRoute(method: string, path: string): GatewayError {
    const allowed = this.#patterns.filter(({ pattern }) => pattern.test(path)).map((route) => route.method);
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

  #renderError(exchange: Exchange, thrown: unknown): Response | Promise<Response> {
    const error = asGatewayError(thrown);
    if (error.code === 'internal_error') this.options.onDefect(error.cause ?? error, exchange.requestId);
    const body = exchange.renderError?.(error, exchange.requestId) ?? openAiErrorBody(error);
    return jsonResponse(exchange.request, error.status, body, errorHeaders(error));
  }
}

/** The path of an absolute URL, without the cost of parsing all of it. */
function pathOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('://') + 3);
  const query = url.indexOf('?', start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}
