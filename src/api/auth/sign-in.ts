import { GatewayError } from '../../core/errors.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import type { ExternalIdentity, IdentityProviderSettings } from '../../tenancy/identity-providers.ts';
import type { Members } from '../../tenancy/members.ts';
import type { User, Users } from '../../tenancy/users.ts';

/**
 * The user whom an identity provider has authenticated: one who has signed in with this identity before, one with the same
 * e-mail address, which the provider has verified, or a new one where `sign_up` is configured.
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
