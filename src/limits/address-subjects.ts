import type { Limit, SubjectLimits } from '../core/limit.ts';
import { RecentMap } from '../core/recent-map.ts';
import type { AddressRules } from './per-address.ts';

/** Addresses whose subjects are cached; others are described again. */
const MAX_KNOWN = 10_000;

/** Describes client addresses as subjects of limits, so that gateways with a shared store also share these limits. */
export class AddressSubjects {
  readonly #known = new RecentMap<string, readonly SubjectLimits[]>(MAX_KNOWN);
  #rules: AddressRules | undefined;

  /** Addresses that are cached. */
  get size(): number {
    return this.#known.size;
  }

  /**
   * @param address the client's key (`core/client-identity.ts`)
   * @returns one subject, with a rate and, where the rules have one, a limit on requests in flight
   */
  of(address: string, rules: AddressRules): readonly SubjectLimits[] {
    if (rules !== this.#rules) this.#known.clear();
    this.#rules = rules;
    let subjects = this.#known.get(address);
    if (!subjects) {
      subjects = [{ scope: 'ip', id: address, name: address, limits: limitsOf(rules), timeZone: 'UTC' }];
      this.#known.set(address, subjects);
    }
    return subjects;
  }
}

function limitsOf({ rps, burst, inflight }: AddressRules): Limit[] {
  const common = { mode: 'enforce', onStoreLoss: 'local' } as const;
  const rate: Limit = { of: 'requests', per: 'second', max: rps, burst, ...common };
  if (inflight === null) return [rate];
  return [rate, { of: 'concurrent_requests', per: null, max: inflight, burst: null, ...common }];
}
