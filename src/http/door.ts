import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { addCorsHeaders, type CorsRules, preflightResponse } from './cors.ts';
import { errorHeaders, openAiErrorBody } from './error-body.ts';
import { type DoorEnv, type Exchange, requestIdFor } from './exchange.ts';
import { jsonResponse } from './response.ts';

export type DoorContext = Context<DoorEnv>;
export type DoorHandler = (context: DoorContext) => Response | Promise<Response>;
type Method = 'GET' | 'POST' | 'DELETE';

export interface DoorOptions {
  readonly clock: Clock;
  readonly newId: () => string;
  readonly cors: () => CorsRules;
  readonly observe: (method: string, route: string, status: number, seconds: number) => void;
  /** Failures that are our own defects. */
  readonly onDefect: (error: unknown, requestId: string) => void;
}

interface Connection {
  remoteAddress(): string;
  allowSilence(): void;
}

/** Methods that exist anywhere here; others are not worth a label each. */
const KNOWN_METHODS = new Set(['GET', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PUT', 'PATCH']);

/** The HTTP side of the gateway: routes, request ids, errors, CORS and the count of what was answered. */
export class Door {
  readonly app = new OpenAPIHono<DoorEnv>();
  readonly #patterns: { readonly pattern: RegExp; readonly method: Method }[] = [];

  constructor(private readonly options: DoorOptions) {
    this.app.notFound((context) => {
      throw this.#noRoute(context.req.method, context.req.path);
    });
    this.app.onError((error, context) => this.#renderError(context.req.raw, context.env.exchange, error));
  }

  /** Adds a route. `path` is in Hono's form, such as `/v1/models/:id{.+}`. */
  route(method: Method, path: string, handler: DoorHandler): void {
    const source = path.replaceAll(
      /:\w+(?:\{([^}]*)\})?/g,
      (_, inner: string | undefined) => inner ?? '[^/]+',
    );
    this.#patterns.push({ pattern: new RegExp(`^${source}$`), method });
    this.app.on(method, path, (context) => {
      context.env.exchange.route = path;
      return handler(context);
    });
  }

  /** Answers one request. Never rejects. */
  async handle(request: Request, connection: Connection): Promise<Response> {
    const { clock } = this.options;
    const startedAt = clock.now();
    const exchange: Exchange = {
      requestId: requestIdFor(request.headers, this.options.newId),
      startedAt,
      remoteAddress: () => connection.remoteAddress(),
      allowSilence: () => connection.allowSilence(),
      route: 'unmatched',
      finish: undefined,
    };
    const method = KNOWN_METHODS.has(request.method) ? request.method : 'OTHER';
    const finish = (status: number) =>
      this.options.observe(method, exchange.route, status, (clock.now() - startedAt) / 1000);
    const rules = this.options.cors();
    let response = preflightResponse(rules, request);
    try {
      response ??= await this.app.fetch(request, { exchange, finish });
    } catch (error) {
      response = await this.#renderError(request, exchange, error);
    }
    response.headers.set('x-request-id', exchange.requestId);
    if (rules.origins.length > 0) addCorsHeaders(rules, request, response.headers);
    if (!exchange.finish) finish(response.status);
    return response;
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

  #renderError(request: Request, exchange: Exchange, thrown: unknown): Response | Promise<Response> {
    const error = asGatewayError(thrown);
    if (error.code === 'internal_error') this.options.onDefect(error.cause ?? error, exchange.requestId);
    return jsonResponse(request, error.status, openAiErrorBody(error), errorHeaders(error));
  }
}
