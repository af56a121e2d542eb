import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { DEFAULT_TENANT } from '../../core/principal.ts';
import { type Actor, assertAllowed, isAllowed } from '../../tenancy/actor.ts';
import { isAddressRange } from '../../tenancy/address-scope.ts';
import { guardrailDocuments } from '../../tenancy/guardrail-documents.ts';
import type { ApiKey, KeyChange, NewKey } from '../../tenancy/keys.ts';
import { personName } from '../../tenancy/names.ts';
import { cursorOf, listOf, page, paging, time, timeCursor, timeInput, timeOrNull } from './paging.ts';
import { type AdminCall, adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';
import { limitsField } from './tenants.ts';

const DAY_MS = 86_400_000;
const MAX_GRACE_S = 30 * 86_400;
const DEFAULT_GRACE_S = 86_400;

/** Endpoints that a key can be limited to: the paths of the API. */
const endpoint = z
  .string()
  .max(200)
  .regex(/^\/[A-Za-z0-9/_:.{}+-]*\*?$/, 'must be a path such as /v1/chat/completions, or /v1/*');
const pattern = z
  .string()
  .min(1)
  .max(400)
  .regex(/^[^\s*]*\*?$/, 'must be a model’s name, or its beginning and *');

const scopes = z
  .strictObject({
    models: z
      .array(pattern)
      .max(200)
      .optional()
      .describe('Allowed models, by the names that clients send; a final `*` matches any ending.'),
    endpoints: z
      .array(endpoint)
      .max(50)
      .optional()
      .describe('Allowed endpoint paths; a final `*` matches any ending.'),
    addresses: z
      .array(
        z.string().max(50).refine(isAddressRange, 'must be an IP address or a network such as 10.0.0.0/8'),
      )
      .max(100)
      .optional()
      .describe('Client addresses and networks that may use it.'),
    max_output_tokens: z
      .int()
      .min(1)
      .optional()
      .describe('The most output tokens of one request. A request for more gets fewer, with a warning.'),
    guardrails: guardrailDocuments
      .optional()
      .describe(
        'Guardrails that hold for its requests, in addition to those of its tenant and of the gateway.',
      ),
  })
  .meta({ id: 'KeyScopes', example: { models: ['gpt-4o-mini'], addresses: ['10.0.0.0/8'] } });

const expiry = timeInput.nullable().describe('When it expires; null for never.');

const keyState = z.enum(['active', 'paused', 'expired', 'revoked']);

const keyObject = z
  .object({
    id: z.string(),
    name: z.string(),
    hint: z.string().describe('The first characters of the secret.'),
    state: keyState,
    member: z.string().nullable().describe('The user or service account that owns it.'),
    scopes: z.looseObject({}),
    limits: z.array(z.looseObject({})),
    expires_at: z.string().nullable(),
    revoked_at: z.string().nullable(),
    paused_at: z.string().nullable().describe('Since when it is rejected; null unless it is paused.'),
    previous: z
      .object({ hint: z.string(), expires_at: z.string() })
      .nullable()
      .describe('The secret before the last rotation, while it is valid.'),
    last_used_at: z.string().nullable(),
    created_by: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'ApiKey' });
const createdKey = keyObject.extend({ key: z.string().describe('The secret; shown only once.') });

const createBody = z
  .strictObject({
    name: personName,
    member: z.string().max(100).nullable().optional(),
    scopes: scopes.optional(),
    limits: limitsField.optional(),
    expires_at: expiry.optional(),
  })
  .meta({ id: 'NewApiKey', example: { name: 'checkout service', scopes: { models: ['chat'] } } });
const changeBody = z
  .strictObject({
    name: personName.optional(),
    scopes: scopes.optional(),
    limits: limitsField.optional(),
    expires_at: expiry.optional(),
    paused: z
      .boolean()
      .optional()
      .describe('True: all gateways reject the key within a second, until it is resumed with false.'),
  })
  .meta({ id: 'ApiKeyChange' });
const rotateBody = z
  .strictObject({
    grace_seconds: z
      .int()
      .min(0)
      .max(MAX_GRACE_S)
      .default(DEFAULT_GRACE_S)
      .describe('How long the old secret stays valid, in seconds. Default: one day; maximum: 30 days.'),
  })
  .meta({ id: 'ApiKeyRotation' });

type Kind = ApiKey['kind'];

/** A key as the API shows it. @param now Unix milliseconds */
export function renderKey(key: ApiKey, now: number): z.output<typeof keyObject> {
  return {
    ...{ id: key.id, name: key.name, hint: key.hint, member: key.member },
    state: stateOf(key, now),
    scopes: key.scopes,
    limits: [...key.limits],
    expires_at: timeOrNull(key.expiresAt),
    revoked_at: timeOrNull(key.revokedAt),
    paused_at: timeOrNull(key.pausedAt),
    previous: key.previous && { hint: key.previous.hint, expires_at: time(key.previous.expiresAt) },
    last_used_at: timeOrNull(key.lastUsedAt),
    created_by: key.createdBy,
    created_at: time(key.createdAt),
    updated_at: time(key.updatedAt),
  };
}

function stateOf({ revokedAt, expiresAt, pausedAt }: ApiKey, now: number): z.output<typeof keyState> {
  if (revokedAt !== null) return 'revoked';
  if (expiresAt !== null && expiresAt <= now) return 'expired';
  return pausedAt === null ? 'active' : 'paused';
}

export function keyRoutes(services: AdminServices): RegisteredRoute[] {
  return [
    ...routesOf(services, '/admin/v1/tenants/:tenant/keys', 'api_key'),
    ...routesOf(services, '/admin/v1/keys', 'admin'),
  ];
}

/** The same for a tenant's keys and for admin keys, which are the platform's. */
function routesOf(services: AdminServices, base: string, kind: Kind): RegisteredRoute[] {
  const { keys, clock } = services;
  const admin = kind === 'admin';
  const what = admin ? 'an admin key' : 'an API key';
  const permission = admin ? ('platform:write' as const) : ('keys:own' as const);
  const scopeOf = ({ scope }: Pick<AdminCall<unknown, unknown>, 'scope'>) =>
    admin ? { tenant: DEFAULT_TENANT } : scope;

  const show = (key: ApiKey) => renderKey(key, clock.wallTime());
  /** The member whose keys the caller may manage; null for all members. */
  const ownOnly = (actor: Actor, tenant: string): string | null =>
    admin || isAllowed(actor, 'keys:write', tenant) ? null : (actor.member ?? '');
  const find = async (call: Pick<AdminCall<unknown, unknown>, 'scope' | 'actor' | 'params'>) => {
    const scope = scopeOf(call);
    const key = await keys.get(scope, kind, call.params.key ?? '');
    const own = ownOnly(call.actor, scope.tenant);
    if (own !== null && key.member !== own) {
      throw new GatewayError(
        'permission_denied',
        'This needs the permission "keys:write": it is not your own key.',
      );
    }
    return { scope, key };
  };
  /** A key has its member's permissions, so only owners may create or change an owner's key. */
  const assertMayHold = (
    { actor, scope }: Pick<AdminCall<unknown, unknown>, 'actor' | 'scope'>,
    member: string | null,
  ) => {
    if (admin || member === null || member === actor.member) return;
    if (services.access.member(scope.tenant, member)?.role === 'owner') {
      assertAllowed(actor, 'owners:write', scope.tenant);
    }
  };
  const assertFuture = (expiresAt: number | null | undefined) => {
    if (expiresAt === null || expiresAt === undefined || expiresAt > clock.wallTime()) return;
    throw new GatewayError('invalid_request', '"expires_at" is not valid: it must be in the future.', {
      param: 'expires_at',
    });
  };

  return [
    adminRoute({
      method: 'GET',
      path: base,
      permission: admin ? 'platform:write' : 'keys:read',
      summary: `List ${admin ? 'admin keys' : 'a tenant’s API keys'}, newest first`,
      ...NO_BODY,
      query: z.object({
        ...paging,
        state: keyState.optional(),
        member: z.string().max(100).optional(),
        search: z.string().max(100).optional().describe('A part of the id, name or hint; case is ignored.'),
      }),
      response: listOf(keyObject, admin ? 'AdminKeyList' : 'ApiKeyList'),
      handle: async ({ scope, query: { limit, after, ...filter } }) => {
        const found = await keys.list(scopeOf({ scope }), {
          ...{ ...filter, kind, limit: limit + 1, after: cursorOf(timeCursor, after) },
        });
        return { body: page(found, limit, ({ createdAt: at, id }) => ({ at, id }), show) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: base,
      permission,
      summary: `Create ${what}; only this response contains its secret`,
      body: createBody,
      ...NO_QUERY,
      response: createdKey,
      status: 201,
      handle: async (call) => {
        const { body, actor, by } = call;
        const scope = scopeOf(call);
        assertFuture(body.expires_at);
        const own = ownOnly(actor, scope.tenant);
        const member = own ?? body.member ?? null;
        if (own !== null && body.member !== undefined && body.member !== own) {
          throw new GatewayError('permission_denied', 'Keys of others need the permission "keys:write".');
        }
        assertMayHold(call, member);
        const wanted: NewKey = {
          ...{ kind, name: body.name, member, expiresAt: body.expires_at ?? null },
          scopes: body.scopes ?? {},
          limits: body.limits ?? [],
        };
        await services.assertGuardrails(body.scopes?.guardrails);
        const { key, secret } = await keys.create(scope, wanted, by);
        return { body: { ...show(key), key: secret }, version: key.version };
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${base}/:key`,
      permission: admin ? 'platform:write' : 'keys:read',
      summary: `Get ${what}`,
      ...NO_INPUT,
      response: keyObject,
      handle: async (call) => {
        const key = await keys.get(scopeOf(call), kind, call.params.key ?? '');
        return { body: show(key), version: key.version };
      },
    }),
    adminRoute({
      method: 'PATCH',
      path: `${base}/:key`,
      permission,
      summary: `Change ${what}`,
      ...(admin
        ? {}
        : {
            description:
              'Without `limits:write`, limits, scopes and expiry can only be tightened; without `keys:write`, only your own pause can be ended.',
          }),
      body: changeBody,
      ...NO_QUERY,
      response: keyObject,
      handle: async (call) => {
        const { body, seen, by } = call;
        const { scope, key } = await find(call);
        assertMayHold(call, key.member);
        assertFuture(body.expires_at);
        if (body.limits) await services.assertBudgets(scope, `key/${key.id}`, body.limits);
        await services.assertGuardrails(body.scopes?.guardrails);
        const change: KeyChange = {
          ...(body.name === undefined ? {} : { name: body.name }),
          ...(body.scopes === undefined ? {} : { scopes: body.scopes }),
          ...(body.limits === undefined ? {} : { limits: body.limits }),
          ...(body.expires_at === undefined ? {} : { expiresAt: body.expires_at }),
          ...(body.paused === undefined ? {} : { paused: body.paused }),
        };
        const changed = await keys.update(scope, kind, key.id, change, seen, by);
        return { body: show(changed), version: changed.version };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${base}/:key/rotate`,
      permission,
      summary: `Rotate the secret of ${what}; the old one stays valid for a grace period`,
      body: rotateBody,
      ...NO_QUERY,
      response: createdKey,
      handle: async (call) => {
        const { scope, key } = await find(call);
        assertMayHold(call, key.member);
        const grace = call.body.grace_seconds * 1_000;
        const rotated = await keys.rotate(
          scope,
          kind,
          key.id,
          Math.min(grace, 30 * DAY_MS),
          call.seen,
          call.by,
        );
        return { body: { ...show(rotated.key), key: rotated.secret }, version: rotated.key.version };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: `${base}/:key`,
      permission,
      summary: `Revoke ${what}; all gateways reject it within a second`,
      description: 'It stays in the list, so that usage reports keep its name.',
      ...NO_INPUT,
      response: keyObject,
      handle: async (call) => {
        const { scope, key } = await find(call);
        const revoked = await keys.revoke(scope, kind, key.id, call.seen, call.by);
        return { body: show(revoked), version: revoked.version };
      },
    }),
  ];
}
