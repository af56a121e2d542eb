/** Spans of time in which users are counted. Milliseconds. */
export const ACTIVITY_WINDOWS = { '5m': 5 * 60_000, '1h': 60 * 60_000, '24h': 24 * 60 * 60_000 } as const;

export type ActivityWindow = keyof typeof ACTIVITY_WINDOWS;

/** Keys and members are created by administrators, so this bound is a last defence. */
const MAX_KNOWN = 100_000;
const LONGEST = ACTIVITY_WINDOWS['24h'];

interface Seen {
  /** Monotonic milliseconds. */
  at: number;
}

interface SeenUser extends Seen {
  readonly tenant: Seen;
}

/** Who has sent requests lately. One look-up for each request; counting happens at a scrape. */
export class Activity {
  readonly #users = new Map<string, SeenUser>();
  readonly #tenants = new Map<string, Seen>();

  /**
   * @param user id of a member or key; unique among all tenants
   * @param now monotonic milliseconds
   */
  seen(tenant: string, user: string, now: number): void {
    const known = this.#users.get(user) ?? this.#add(tenant, user, now);
    if (!known) return;
    known.at = now;
    known.tenant.at = now;
  }

  /**
   * Counts those that were seen within each window, and forgets those that are in none.
   *
   * @param now monotonic milliseconds
   */
  counts(now: number): Readonly<Record<'users' | 'tenants', ReadonlyMap<ActivityWindow, number>>> {
    return { users: countIn(this.#users, now), tenants: countIn(this.#tenants, now) };
  }

  #add(tenantId: string, userId: string, now: number): SeenUser | undefined {
    if (this.#users.size >= MAX_KNOWN) return undefined;
    const tenant = this.#tenants.get(tenantId) ?? { at: now };
    this.#tenants.set(tenantId, tenant);
    const user = { at: now, tenant };
    this.#users.set(userId, user);
    return user;
  }
}

/** Plain numbers: a scrape counts up to 100,000 users at once. */
function countIn(seen: Map<string, Seen>, now: number): Map<ActivityWindow, number> {
  let [minutes, hour, day] = [0, 0, 0];
  for (const [id, { at }] of seen) {
    const age = now - at;
    if (age > LONGEST) seen.delete(id);
    else day += 1;
    if (age <= ACTIVITY_WINDOWS['1h']) hour += 1;
    if (age <= ACTIVITY_WINDOWS['5m']) minutes += 1;
  }
  return new Map([
    ['5m', minutes],
    ['1h', hour],
    ['24h', day],
  ]);
}
