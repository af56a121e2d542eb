import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { HeaderReader, HttpResponse } from '../../core/http.ts';
import { readJsonBody } from '../../http/body.ts';
import type { HttpContext } from '../../http/http-context.ts';
import type { HttpRouter, Method } from '../../http/http-router.ts';
import type { DocumentedRoute } from '../../http/openapi.ts';
import { queryFields, queryOf } from '../../http/query.ts';
import { httpResponse, jsonResponse } from '../../http/response.ts';
import { NO_BODY as NO_BODY_BYTES, type RoutePolicy } from '../../http/route-policy.ts';
import type { Actor } from '../../tenancy/actor.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import type { Permission } from '../../tenancy/permissions.ts';
import type { SeenVersion } from '../../tenancy/versions.ts';
import { validate } from '../validation.ts';
import type { AdminServices } from './services.ts';

/** The validated and authorized input of an admin handler. */
export interface AdminCall<Body, Query> {
  readonly httpContext: HttpContext;
  readonly actor: Actor;
  /** For the audit trail. */
  readonly by: ChangeContext;
  /** Path parameters. */
  readonly params: Readonly<Record<string, string>>;
  /** The tenant in the path, to which the actor belongs; an empty id when the path has none. */
  readonly scope: { readonly tenant: string };
  readonly body: Body;
  readonly query: Query;
  /** Version from `if-match`. */
  readonly seen: SeenVersion;
}

const storedResponse = z.object({
  body: z.unknown(),
  /** Sent as `etag`. */
  version: z.number().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  /** Sent instead of JSON. */
  text: z.object({ type: z.string(), body: z.string() }).optional(),
});

/** The result of a handler: a value that is sent as JSON, text, or bytes. */
export type AdminResult = Readonly<Partial<z.infer<typeof storedResponse>>> & {
  /** Only of routes that read: repetitions of writes get what is stored of the first one. */
  readonly bytes?: { readonly type: string; readonly body: Uint8Array<ArrayBuffer> };
  /** Sent as fast as the client takes it; only of routes that read. */
  readonly stream?: { readonly type: string; readonly body: ReadableStream<Uint8Array> };
};

/** The largest body of most admin routes, in bytes. */
const ADMIN_BODY = 1024 * 1024;

/** For routes without a body, a query, or both. */
export const NO_BODY = { body: z.undefined() };
export const NO_QUERY = { query: z.undefined() };
export const NO_INPUT = { ...NO_BODY, ...NO_QUERY };

/** One route of the admin API: its permission, the schemas of its input and response, and its handler. */
export interface AdminRoute<Body, Query> {
  readonly method: Method;
  /** With `:name` for parameters. The parameter `:tenant` sets the tenant of the call. */
  readonly path: string;
  /** Needs no data of the tenant in the path but its row in the control database. */
  readonly servedInEveryRegion?: boolean;
  /** Null when every signed-in caller may use it. */
  readonly permission: Permission | null;
  readonly summary: string;
  readonly description?: string;
  readonly body: z.ZodType<Body>;
  /** Accepts bodies up to `server.body_limit` instead of 1 MiB. */
  readonly largeBody?: boolean;
  readonly query: z.ZodType<Query>;
  readonly response?: z.ZodType;
  readonly status?: 200 | 201 | 204;
  readonly handle: (call: AdminCall<Body, Query>) => Promise<AdminResult>;
}

/** Registers a route, with the types of its body and query inferred from their schemas. */
export function adminRoute<Body, Query>(route: AdminRoute<Body, Query>): RegisteredRoute {
  const { method, path, body, query, response, status = 200 } = route;
  const document: DocumentedRoute = {
    method: METHODS[method],
    path: path.replaceAll(/:(\w+)/g, '{$1}'),
    tag: 'Admin',
    summary: route.summary,
    description: [
      route.description,
      route.permission === null ? undefined : `Needs the permission \`${route.permission}\`.`,
    ]
      .filter(Boolean)
      .join(' '),
    parameters: Array.from(path.matchAll(/:(\w+)/g), ([, name = '']) => name),
    status,
    errors: ['400', '401', '403', '404', '409', '412', '503'],
    ...(body instanceof z.ZodUndefined ? {} : { request: body }),
    ...(query instanceof z.ZodObject ? { query } : {}),
    ...(response ? { response } : {}),
  };
  return {
    method,
    path,
    permission: route.permission,
    servedInEveryRegion: route.servedInEveryRegion ?? false,
    body: body instanceof z.ZodUndefined ? 'none' : route.largeBody ? 'large' : 'usual',
    document,
    run: async (services, httpContext, actor) => {
      const call = await checked(services, route, httpContext, actor);
      const key = method === 'POST' ? httpContext.request.headers.get('idempotency-key') : null;
      if (key === null) return render(httpContext, await route.handle(call), status);
      const request = { path, params: call.params, body: call.body };
      const { answer, replayed } = await services.idempotency.once(call.actor, key, request, async () =>
        storedResponse.parse(await route.handle(call)),
      );
      const headers = { ...answer.headers, ...(replayed ? { 'idempotent-replayed': 'true' } : {}) };
      return render(httpContext, { ...answer, headers }, status);
    },
  };
}

export interface RegisteredRoute {
  readonly method: Method;
  readonly path: string;
  readonly permission: Permission | null;
  readonly servedInEveryRegion: boolean;
  readonly body: 'none' | 'usual' | 'large';
  readonly document: DocumentedRoute;
  run(services: AdminServices, httpContext: HttpContext, actor: Actor): Promise<HttpResponse>;
}

const METHODS = { GET: 'get', POST: 'post', PUT: 'put', PATCH: 'patch', DELETE: 'delete' } as const;

export function addAdminRoutes(
  router: HttpRouter,
  services: AdminServices,
  routes: readonly RegisteredRoute[],
): void {
  const bodies: Record<RegisteredRoute['body'], RoutePolicy['body']> = {
    none: NO_BODY_BYTES,
    usual: () => Math.min(ADMIN_BODY, services.bodyLimit()),
    large: services.bodyLimit,
  };
  for (const route of routes) {
    const policy = {
      access: services.permitted(route.permission),
      body: bodies[route.body],
      servedInEveryRegion: route.servedInEveryRegion,
    };
    router.route(route.method, route.path, policy, (httpContext, actor) =>
      route.run(services, httpContext, actor),
    );
  }
}

async function checked<Body, Query>(
  services: AdminServices,
  route: AdminRoute<Body, Query>,
  httpContext: HttpContext,
  actor: Actor,
): Promise<AdminCall<Body, Query>> {
  const { request, params } = httpContext;
  const query = validate(
    route.query,
    route.query instanceof z.ZodUndefined ? undefined : queryFields(queryOf(request)),
  );
  const body = validate(
    route.body,
    route.body instanceof z.ZodUndefined
      ? undefined
      : hasNoBody(request.headers) && route.body.safeParse({}).success
        ? {}
        : (await readJsonBody(request, httpContext.bodyLimit)).json,
  );
  assertStorable(query);
  assertStorable(body);
  return {
    httpContext,
    actor,
    by: { actor, address: services.addressOf(httpContext), requestId: httpContext.requestId },
    params,
    scope: { tenant: params.tenant ?? '' },
    body,
    query,
    seen: seenVersion(request.headers),
  };
}

/** A body whose fields are all optional may be left out. */
function hasNoBody(headers: HeaderReader): boolean {
  return (headers.get('content-length') ?? '0') === '0' && headers.get('transfer-encoding') === null;
}

/** @throws GatewayError `invalid_request` for text with a NUL, which PostgreSQL does not store */
function assertStorable(value: unknown): void {
  if (typeof value === 'string') {
    if (!value.includes('\0')) return;
    throw new GatewayError('invalid_request', 'The request has a text with the character U+0000. Remove it.');
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    assertStorable(name);
    assertStorable(member);
  }
}

/** Reads `if-match`. @throws GatewayError `invalid_request` when it is not an etag of this API */
function seenVersion(headers: HeaderReader): SeenVersion {
  const value = headers.get('if-match')?.trim();
  if (value === undefined || value === '*') return undefined;
  const match = /^(?:W\/)?"(\d{1,15})"$/.exec(value);
  if (match) return Number(match[1]);
  throw new GatewayError(
    'invalid_request',
    'The header "if-match" must be an etag as it was given, such as "3".',
    {
      param: 'if-match',
    },
  );
}

function render(
  { request }: HttpContext,
  { body, version, headers = {}, text, bytes, stream }: AdminResult,
  status: 200 | 201 | 204,
): HttpResponse | Promise<HttpResponse> {
  const all = { ...headers, ...(version === undefined ? {} : { etag: `"${version}"` }) };
  if (stream) return httpResponse(status, stream.body, { ...all, 'content-type': stream.type });
  if (bytes) return httpResponse(status, bytes.body, { ...all, 'content-type': bytes.type });
  if (text) {
    return httpResponse(status, text.body, { ...all, 'content-type': text.type });
  }
  if (status === 204) return httpResponse(status, null, all);
  return jsonResponse(request, status, JSON.stringify(body ?? {}), all);
}
