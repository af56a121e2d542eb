import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { HttpReply, HttpRequest } from '../core/http.ts';
import { addCorsHeaders, type CorsRules, preflightResponse } from './cors.ts';
import { errorHeaders, openAiErrorBody, refusalBody } from './error-body.ts';
import { Exchange, requestIdFor } from './exchange.ts';
import { type Method, PathPattern } from './path-pattern.ts';
import { jsonResponse, reply } from './response.ts';

export type { Method } from './path-pattern.ts';

export type DoorHandler = (exchange: Exchange) => HttpReply | Promise<HttpReply>;

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
  /** By method and then by path, for those without parameters: nearly all of the traffic. */
  readonly #exact = new Map<string, Map<string, DoorHandler>>();
  readonly #patterns: { readonly pattern: PathPattern; readonly handler: DoorHandler }[] = [];

  readonly #onFinish = ({ request, route, startedAt }: Exchange, status: number) => {
    const method = KNOWN_METHODS.has(request.method) ? request.method : 'OTHER';
    this.options.observe(method, route, status, (this.options.clock.now() - startedAt) / 1000);
  };

  constructor(private readonly options: DoorOptions) {}

  /** Adds a route. `path` may have parameters: `/v1/models/:id{.+}`, `/v1/auth/oidc/:provider`. */
  route(method: Method, path: string, handler: DoorHandler): void {
    const pattern = new PathPattern(method, path);
    const matched: DoorHandler = (exchange) => {
      exchange.route = path;
      return handler(exchange);
    };
    this.#patterns.push({ pattern, handler: matched });
    if (pattern.hasParameters) return;
    const paths = this.#exact.get(method) ?? new Map<string, DoorHandler>();
    this.#exact.set(method, paths.set(path, matched));
  }

  /** Answers one request. Never throws and never rejects. */
  handle(request: HttpRequest): HttpReply | Promise<HttpReply> {
    const { clock, newId, cors } = this.options;
    const id = requestIdFor(request.headers, newId);
    const exchange = new Exchange(request, id, clock.now(), this.#onFinish);
    const rules = cors();
    try {
      const answer = preflightResponse(rules, request) ?? this.#dispatch(exchange);
      if (!(answer instanceof Promise)) return this.#finished(exchange, rules, answer);
      return answer.then(
        (made) => this.#finished(exchange, rules, made),
        (error: unknown) => this.#refused(exchange, rules, error),
      );
    } catch (error) {
      return this.#refused(exchange, rules, error);
    }
  }

  /** The answer to what is no HTTP request. */
  refuse(status: number, message: string): HttpReply {
    const headers = { 'x-request-id': this.options.newId(), 'content-type': 'application/json' };
    return reply(status, refusalBody(status, message), headers);
  }

  #dispatch(exchange: Exchange): HttpReply | Promise<HttpReply> {
    const { request } = exchange;
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const path = pathOf(request.target);
    const exact = this.#exact.get(method)?.get(path);
    if (exact) return exact(exchange);
    for (const { pattern, handler } of this.#patterns) {
      const params = pattern.method === method ? pattern.match(path) : undefined;
      if (!params) continue;
      exchange.params = params;
      return handler(exchange);
    }
    throw this.#noRoute(request.method, path);
  }

  #finished(exchange: Exchange, rules: CorsRules, answer: HttpReply): HttpReply {
    const { headers } = answer;
    headers.set('x-request-id', exchange.requestId);
    if (exchange.requestIdHeader) headers.set(exchange.requestIdHeader, exchange.requestId);
    if (rules.origins.length > 0) addCorsHeaders(rules, exchange.request, headers);
    if (!exchange.deferred) exchange.finish(answer.status);
    return answer;
  }

  #refused(exchange: Exchange, rules: CorsRules, thrown: unknown): HttpReply | Promise<HttpReply> {
    const error = asGatewayError(thrown);
    if (error.code === 'internal_error') this.options.onDefect(error.cause ?? error, exchange.requestId);
    const body = exchange.renderError?.(error, exchange.requestId) ?? openAiErrorBody(error);
    const answer = jsonResponse(exchange.request, error.status, body, errorHeaders(error));
    return answer instanceof Promise
      ? answer.then((made) => this.#finished(exchange, rules, made))
      : this.#finished(exchange, rules, answer);
  }

  #noRoute(method: string, path: string): GatewayError {
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

function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}
