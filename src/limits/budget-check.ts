import { GatewayError } from '../core/errors.ts';
import { LIMIT_SCOPES, type SubjectLimits } from '../core/limit.ts';
import { amountOfNano, type LimitDocument, limitOf } from '../core/limit-schema.ts';
import type { Limiter } from './limiter.ts';

/** The subject of the budgets. */
export interface BudgetOwner {
  readonly tenant: string;
  /** Within the tenant: `tenant`, `user/<id>`, `key/<id>` or `tag/<name>`. */
  readonly subject: string;
  /** IANA name of the tenant's time zone, in which its days and months begin. */
  readonly timeZone: string;
}

/**
 * Rejects budgets that are already spent, because they would block the subject's requests at once.
 *
 * @throws GatewayError `invalid_request` for a budget in `enforce` mode below the amount spent in its period
 */
export async function assertBudgetsNotSpent(
  limiter: Pick<Limiter, 'counterStates'>,
  owner: BudgetOwner,
  documents: readonly LimitDocument[],
): Promise<void> {
  for (const { counter, counterState } of await limiter.counterStates([ownerLimits(owner, documents)])) {
    const { of, per, max, mode } = counter.limit;
    if (of !== 'cost' || mode !== 'enforce' || counterState <= max) continue;
    throw new GatewayError(
      'invalid_request',
      `A budget of ${amountOfNano(max)} US dollars per ${per} is less than the amount already spent in the period: ${amountOfNano(counterState)}. Set a higher budget, or suspend the subject.`,
      { param: 'limits' },
    );
  }
}

/** The subject under which requests are counted. */
export function ownerLimits(
  { tenant, subject, timeZone }: BudgetOwner,
  documents: readonly LimitDocument[],
): SubjectLimits {
  const match = /^(user|key|tag)\/(.*)$/s.exec(subject);
  const scope = LIMIT_SCOPES.find((one) => one === match?.[1]) ?? 'tenant';
  const id = `${tenant}/${match?.[2] ?? ''}`;
  return { scope, id, name: subject, limits: documents.map(limitOf), timeZone };
}
