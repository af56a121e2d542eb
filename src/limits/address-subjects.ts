import type { Limit, SubjectLimits } from '../core/limit.ts';
import type { AddressRules } from './per-address.ts';

const MAX_KNOWN = 10_000;

/** The limits of client addresses as those of any other subject: so that gateways that share a store share them too. */
export class AddressSubjects {
  readonly #known = new Map<string, readonly SubjectLimits[]>();
  #rules: AddressRules | undefined;

  of(address: string, rules: AddressRules): readonly SubjectLimits[] {
    if (rules !== this.#rules || this.#known.size >= MAX_KNOWN) this.#known.clear();
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
