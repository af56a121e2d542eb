import type { Order } from './plan.ts';
import type { RouteTarget } from './route-table.ts';
import { appendRemaining } from './strategies/strategy.ts';
import type { TargetPreference } from './target-preference.ts';

type RouterOrder = Order & { readonly candidates: readonly RouteTarget[] };

/** @returns the targets of the preference first, then the others in the order of the strategy */
export function preferredOrder(
  order: RouterOrder & { readonly rest?: readonly RouteTarget[] },
  { order: names, only }: TargetPreference,
): RouterOrder {
  const { candidates, rest, all, excluded, allHealthy } = order;
  const complete = rest ? appendRemaining(candidates, rest) : candidates;
  const placeOf = ({ target }: RouteTarget) => {
    const place = names.indexOf(`${target.provider.id}/${target.model}`);
    return place < 0 ? names.length : place;
  };
  const sorted = complete.toSorted((one, other) => placeOf(one) - placeOf(other));
  if (!only) return { candidates: sorted, all, excluded, allHealthy };
  const chosen = sorted.filter((candidate) => placeOf(candidate) < names.length);
  const exclusion = 'not chosen by the plugin of the model';
  return {
    candidates: chosen,
    all,
    excluded: [
      ...excluded,
      ...sorted.flatMap((candidate) =>
        chosen.includes(candidate) ? [] : [{ target: candidate.target, exclusion }],
      ),
    ],
    allHealthy,
  };
}
