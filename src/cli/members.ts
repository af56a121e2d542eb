import { systemClock } from '../core/clock.ts';
import type { Member, Members } from '../tenancy/members.ts';
import { email as emailSchema, NAME_RULE, personName } from '../tenancy/names.ts';
import { ROLES, type Role } from '../tenancy/permissions.ts';
import { BY_OPERATOR } from './operator.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { assertTenant, withStores } from './stores.ts';
import { describeLimit, limitsFrom, shortTime } from './values.ts';

const MAX_LISTED = 10_000;

/** @throws CommandError for an unknown role */
export function roleFrom(text: string): Role {
  const role = ROLES.find((one) => one === text);
  if (role) return role;
  throw new CommandError(`Unknown role ${JSON.stringify(text)}. Use one of: ${ROLES.join(', ')}.`);
}

/** @throws CommandError for a text that is no address */
export function emailFrom(text: string): string {
  const result = emailSchema.safeParse(text);
  if (result.success) return result.data;
  throw new CommandError(`${JSON.stringify(text)} is not an e-mail address.`);
}

/** The member with this id, e-mail address or, if only one has it, this name. */
export async function findMember(members: Members, tenant: string, text: string): Promise<Member> {
  const all = await members.list({ tenant }, { limit: MAX_LISTED });
  const exact = all.find(({ id, email }) => id === text || email === text.toLowerCase());
  if (exact) return exact;
  const named = all.filter(({ name }) => name === text);
  const [only] = named;
  if (!only)
    throw new CommandError(`No member of ${tenant} has the id, address or name ${JSON.stringify(text)}.`);
  if (named.length === 1) return only;
  const ids = named.map(({ id }) => id).join(', ');
  throw new CommandError(`Several members have the name ${JSON.stringify(text)}. Use an id: ${ids}.`);
}

export async function listMembersCommand(
  { config, env, output }: StoreCommand,
  tenant: string,
  json: boolean,
): Promise<void> {
  await withStores(config, env, output, async ({ access, members }) => {
    assertTenant(access, tenant);
    const all = await members.list({ tenant }, { limit: MAX_LISTED });
    if (json) {
      output.out(
        JSON.stringify(
          all.map(({ id, kind, email, name, role, status, limits }) => ({
            ...{ id, kind, email, name, role, status, limits },
          })),
        ),
      );
      return;
    }
    if (all.length === 0) {
      output.err(
        `The tenant ${tenant} has no members. Add one: \`weir members add <email> --tenant ${tenant}\`.`,
      );
      return;
    }
    output.out(
      table(
        ['ID', 'NAME', 'E-MAIL', 'ROLE', 'STATUS', 'SINCE (UTC)', 'LIMITS'],
        all.map((member) => [
          member.id,
          member.name,
          member.email ?? '(service account)',
          member.role,
          member.status,
          shortTime(member.createdAt),
          member.limits.map(describeLimit).join(', '),
        ]),
      ),
    );
  });
}

export interface AddMemberOptions {
  readonly tenant: string;
  readonly role: string;
  /** Makes a service account of this name instead of adding a user. */
  readonly serviceAccount: boolean;
  readonly limit: readonly string[];
  readonly budget: readonly string[];
  readonly json: boolean;
}

/** Adds a user, by e-mail address, or a service account, by name. */
export async function addMemberCommand(
  { config, env, output }: StoreCommand,
  who: string,
  options: AddMemberOptions,
): Promise<void> {
  const { tenant, serviceAccount, json } = options;
  const role = roleFrom(options.role);
  const limits = limitsFrom(options.limit, options.budget) ?? [];
  await withStores(config, env, output, async ({ access, members, users, sources }) => {
    assertTenant(access, tenant);
    const added = async (): Promise<Member> => {
      if (!serviceAccount) {
        const { id, email, name } = await users.requireByEmail(emailFrom(who));
        return members.add({ tenant }, { id, kind: 'user', email, name, role, limits }, BY_OPERATOR);
      }
      const name = personName.safeParse(who);
      if (!name.success) throw new CommandError(`The name of a service account ${NAME_RULE}.`);
      const wanted = {
        id: sources.newId('svc'),
        kind: 'service_account',
        email: null,
        role,
        limits,
      } as const;
      return members.add({ tenant }, { ...wanted, name: name.data }, BY_OPERATOR);
    };
    const { id, name } = await added();
    if (json) output.out(JSON.stringify({ id, name, role, tenant }));
    else output.out(`Added ${name} (${id}) to ${tenant} as ${role}.`);
  });
}

export interface UpdateMemberOptions {
  readonly tenant: string;
  readonly role: string | undefined;
  readonly status: string | undefined;
  readonly limit: readonly string[];
  readonly budget: readonly string[];
}

export async function updateMemberCommand(
  { config, env, output }: StoreCommand,
  who: string,
  { tenant, role, status, limit, budget }: UpdateMemberOptions,
): Promise<void> {
  if (status !== undefined && status !== 'active' && status !== 'suspended') {
    throw new CommandError('--status must be active or suspended.');
  }
  const limits = limitsFrom(limit, budget);
  const change = {
    ...(role === undefined ? {} : { role: roleFrom(role) }),
    ...(status === undefined
      ? {}
      : { status: status === 'active' ? ('active' as const) : ('suspended' as const) }),
    ...(limits === undefined ? {} : { limits }),
  };
  if (Object.keys(change).length === 0)
    throw new CommandError('Nothing to change: give at least one option.');
  await withStores(config, env, output, async ({ access, members }) => {
    assertTenant(access, tenant);
    const { id } = await findMember(members, tenant, who);
    const member = await members.update({ tenant }, id, change, undefined, BY_OPERATOR);
    output.out(`Changed ${member.name} (${id}): ${member.role}, ${member.status}.`);
  });
}

/** Removes a member; its keys are revoked. */
export async function removeMemberCommand(
  { config, env, output }: StoreCommand,
  who: string,
  tenant: string,
): Promise<void> {
  await withStores(config, env, output, async ({ access, members }) => {
    assertTenant(access, tenant);
    const { id, name } = await findMember(members, tenant, who);
    await members.remove({ tenant }, id, undefined, BY_OPERATOR);
    output.out(`Removed ${name} (${id}) from ${tenant}. Its keys are revoked.`);
  });
}

/** Invites a person; prints the token, which is shown only once. */
export async function inviteCommand(
  { config, env, output }: StoreCommand,
  who: string,
  { tenant, role: wanted, json }: { readonly tenant: string; readonly role: string; readonly json: boolean },
): Promise<void> {
  const email = emailFrom(who);
  const role = roleFrom(wanted);
  await withStores(config, env, output, async ({ access, invitations }) => {
    assertTenant(access, tenant);
    const { invitation, token } = await invitations.create({ tenant }, { email, role }, BY_OPERATOR);
    const days = Math.round((invitation.expiresAt - systemClock.wallTime()) / 86_400_000);
    if (json) {
      output.out(JSON.stringify({ id: invitation.id, email, role, tenant, token }));
      return;
    }
    output.err(
      `Invited ${email} to ${tenant} as ${role}, for ${days} days. Send this token to that person: POST /v1/auth/invitations/accept takes it. It is shown only this once:`,
    );
    output.out(token);
  });
}
