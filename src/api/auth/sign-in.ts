import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import type { ExternalIdentity, IdentityProviderSettings } from '../../tenancy/identity-providers.ts';
import type { Members } from '../../tenancy/members.ts';
import type { User, Users } from '../../tenancy/users.ts';

const ATTEMPTS = 10;
/** Many people may come from one address. */
const ADDRESS_FACTOR = 10;
const FORGET_MS = 15 * 60_000;
const MAX_WATCHED = 50_000;

/** Keeps passwords from being guessed: so many failures for an address of a person, and of a machine, in a quarter of an hour. */
export class SignInThrottle {
  readonly #failures = new Map<string, { count: number; since: number }>();

  constructor(private readonly clock: Clock) {}

  /** @throws GatewayError `rate_limit_exceeded` */
  assertOpen(...names: readonly string[]): void {
    const now = this.clock.now();
    for (const name of names) {
      const known = this.#failures.get(name);
      if (!known || now - known.since > FORGET_MS || known.count < limitOf(name)) continue;
      const seconds = Math.ceil((FORGET_MS - (now - known.since)) / 1000);
      throw new GatewayError(
        'rate_limit_exceeded',
        `Too many failed attempts to sign in. Try again in ${seconds} s.`,
        {
          retryAfterSeconds: seconds,
        },
      );
    }
  }

  /** @param names such as `person jo@example.com` and `address 192.0.2.1` */
  failed(...names: readonly string[]): void {
    const now = this.clock.now();
    if (this.#failures.size > MAX_WATCHED) this.#failures.clear();
    for (const name of names) {
      const known = this.#failures.get(name);
      if (known && now - known.since <= FORGET_MS) known.count += 1;
      else this.#failures.set(name, { count: 1, since: now });
    }
  }
}

function limitOf(name: string): number {
  return name.startsWith('address ') ? ATTEMPTS * ADDRESS_FACTOR : ATTEMPTS;
}

/**
 * The person that an identity provider vouches for: one who has signed in so before, one with the same address (which
 * the provider has made sure of), or a new one where signing up is open.
 * @throws GatewayError `permission_denied`
 */
export async function userOfIdentity(
  { users, members }: { readonly users: Users; readonly members: Members },
  { issuer, subject, email, name }: ExternalIdentity,
  { signUp }: IdentityProviderSettings,
  by: ChangeContext,
): Promise<User> {
  const known = await users.withIdentity(issuer, subject);
  if (known) return assertActive(known);
  if (email === null) throw unknownUser();
  let user = await users.findByEmail(email);
  if (!user) {
    if (!signUp) throw unknownUser();
    user = await users.create({ email, name: printable(name) ?? email }, by);
    const { tenant, role } = signUp;
    await members.add({ tenant }, { id: user.id, kind: 'user', email, name: user.name, role }, by);
  }
  await users.linkIdentity(user.id, issuer, subject, email);
  return assertActive(user);
}

function assertActive(user: User): User {
  if (user.status === 'active') return user;
  throw new GatewayError('permission_denied', 'This user is suspended and cannot sign in.');
}

function unknownUser(): GatewayError {
  return new GatewayError(
    'permission_denied',
    'No user has this identity. Ask an administrator for an invitation.',
  );
}

/** A name as it may be shown. */
function printable(name: string | null): string | undefined {
  const text = name
    ?.replaceAll(/[^\p{L}\p{M}\p{N} ._@-]/gu, '')
    .trim()
    .slice(0, 100);
  return text ? text : undefined;
}
