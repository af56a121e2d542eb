import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../core/errors.ts';
import { type LimitDocument, nanoOfAmount } from '../core/limit-schema.ts';
import { isRangeWithin } from './address-scope.ts';
import type { ScopesDocument } from './documents.ts';

/** What an API key may not do. */
export interface KeyRestrictions {
  readonly scopes: ScopesDocument;
  readonly limits: readonly LimitDocument[];
  /** Unix milliseconds; null for never. */
  readonly expiresAt: number | null;
}

/** How strictly a limit holds. */
const STRICTNESS = { shadow: 0, warn: 1, enforce: 2 } as const;

/**
 * @param before the restrictions that must stay
 * @throws GatewayError `permission_denied` that names the field, where `after` allows anything that `before` does not
 */
export function assertNotLoosened(before: KeyRestrictions, after: KeyRestrictions): void {
  const { models, endpoints, addresses, max_output_tokens: output } = after.scopes;
  assertExpiry(before.expiresAt, after.expiresAt);
  assertLimits(before.limits, after.limits);
  assertScope('models', before.scopes.models, models, isPatternWithin);
  assertScope('addresses', before.scopes.addresses, addresses, isRangeWithin);
  const { max_output_tokens: most } = before.scopes;
  if (most !== undefined && (output === undefined || output > most)) {
    throw loosened(
      'scopes.max_output_tokens',
      `the limit of ${most} output tokens would be removed or raised`,
    );
  }
  assertGuardrails(before.scopes.guardrails, after.scopes.guardrails);
  assertScope('endpoints', before.scopes.endpoints, endpoints, isPatternWithin);
  // A key without this scope may call every endpoint but the admin API.
  if (!before.scopes.endpoints && endpoints?.some(reachesAdminApi)) {
    throw loosened('scopes.endpoints', 'the key could call the admin API');
  }
}

/**
 * Checks a key that another key creates: it must not do more with models than the other.
 * @throws GatewayError like {@link assertNotLoosened}
 */
export function assertWithinCreator(creator: KeyRestrictions, wanted: KeyRestrictions): void {
  // A key for the admin API creates keys for inference: their endpoints are not its own.
  const unscoped = ({ scopes, ...rest }: KeyRestrictions): KeyRestrictions => ({
    ...rest,
    scopes: { ...scopes, endpoints: undefined },
  });
  assertNotLoosened(unscoped(creator), unscoped(wanted));
}

function assertExpiry(before: number | null, after: number | null): void {
  if (before === null || (after !== null && after <= before)) return;
  throw loosened('expires_at', 'the key would be valid longer');
}

/** A guardrail can be added. One that is there stays as it is. */
function assertGuardrails(
  before: ScopesDocument['guardrails'] = [],
  after: ScopesDocument['guardrails'] = [],
): void {
  const removed = before.find((one) => !after.some((other) => isDeepStrictEqual(one, other)));
  if (removed) {
    throw loosened('scopes.guardrails', `the guardrail "${String(removed.id)}" would be removed or changed`);
  }
}

function assertLimits(before: readonly LimitDocument[], after: readonly LimitDocument[]): void {
  for (const limit of before) {
    if (after.some((other) => isAtLeastAsStrict(other, limit))) continue;
    const { of, per, max } = limit;
    const kind = per ? `${of} per ${per}` : of;
    throw loosened('limits', `the limit of ${max} ${kind} would be removed or raised`);
  }
}

function isAtLeastAsStrict(limit: LimitDocument, than: LimitDocument): boolean {
  return (
    limit.of === than.of &&
    (limit.per ?? null) === (than.per ?? null) &&
    STRICTNESS[limit.mode] >= STRICTNESS[than.mode] &&
    amountOf(limit.max) <= amountOf(than.max) &&
    amountOf(limit.burst ?? limit.max) <= amountOf(than.burst ?? than.max) &&
    (than.on_store_loss !== 'refuse' || limit.on_store_loss === 'refuse')
  );
}

function amountOf(max: LimitDocument['max']): number {
  return typeof max === 'string' ? nanoOfAmount(max) : max;
}

function assertScope(
  name: 'models' | 'endpoints' | 'addresses',
  before: readonly string[] | undefined,
  after: readonly string[] | undefined,
  isWithin: (inner: string, outer: string) => boolean,
): void {
  if (!before) return;
  if (!after) throw loosened(`scopes.${name}`, 'the restriction would be removed');
  const more = after.find((inner) => !before.some((outer) => isWithin(inner, outer)));
  if (more !== undefined) throw loosened(`scopes.${name}`, `"${more}" would be added`);
}

/** Whether all texts that match one pattern match the other. `*` at the end of a pattern stands for anything. */
function isPatternWithin(inner: string, outer: string): boolean {
  return outer.endsWith('*') ? inner.startsWith(outer.slice(0, -1)) : inner === outer;
}

const ADMIN_API = '/admin/';

function reachesAdminApi(pattern: string): boolean {
  return pattern.startsWith(ADMIN_API) || isPatternWithin(ADMIN_API, pattern);
}

function loosened(param: string, effect: string): GatewayError {
  return new GatewayError(
    'permission_denied',
    `"${param}" can only be tightened without the permission "limits:write": ${effect}.`,
    { param },
  );
}
