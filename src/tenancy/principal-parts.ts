import type { SubjectLimits } from '../core/limit.ts';
import { type LimitPortion, portionOf } from '../core/limit-portion.ts';
import type { GuardrailDocuments } from '../core/principal.ts';
import { type KeyDocument, limitsOf, type TenantDocument } from './documents.ts';

/** What a principal takes from the documents of its key and tenant. */

/** @param now called only for keys that expire */
export function isAlive({ revoked_at, expires_at }: KeyDocument, now: () => number): boolean {
  return revoked_at === null && (expires_at === null || now() < expires_at);
}

/** @returns the lower of two output limits, in tokens, and whose it is; undefined when neither is set */
export function outputLimitOf(key = Number.POSITIVE_INFINITY, tenant = Number.POSITIVE_INFINITY) {
  if (key === Number.POSITIVE_INFINITY && tenant === Number.POSITIVE_INFINITY) return undefined;
  return key <= tenant ? { max: key, of: 'the API key' } : { max: tenant, of: 'the tenant' };
}

/**
 * @param portion of the limits that this gateway may use; all of them when absent
 * @returns the limits of each tag that the tenant limits; undefined when it limits none
 */
export function tagLimitsOf(
  { id, document }: { readonly id: string; readonly document: TenantDocument },
  portion?: LimitPortion,
): ReadonlyMap<string, SubjectLimits> | undefined {
  const entries = Object.entries(document.tag_limits);
  if (entries.length === 0) return undefined;
  return new Map(
    entries.map(([tag, limits]) => [
      tag,
      {
        scope: 'tag',
        id: `${id}/${tag}`,
        name: tag,
        limits: portionOf(limitsOf(limits), portion),
        timeZone: document.time_zone,
      },
    ]),
  );
}

/** @returns the guardrails that the tenant and the key add to those of the gateway; undefined when they add none */
export function guardrailsOf(
  tenant: GuardrailDocuments['tenant'],
  key: GuardrailDocuments['key'],
): GuardrailDocuments | undefined {
  return tenant?.length || key?.length ? { tenant, key } : undefined;
}
