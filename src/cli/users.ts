import { randomBytes } from 'node:crypto';
import { password as passwordSchema, renderUser } from '../api/admin/users.ts';
import { NAME_RULE, personName } from '../tenancy/names.ts';
import { emailFrom } from './members.ts';
import { BY_OPERATOR } from './operator.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { withStores } from './stores.ts';
import { shortTime } from './values.ts';

const MAX_LISTED = 10_000;

export interface CreateUserOptions {
  readonly name: string | undefined;
  readonly platformAdmin: boolean;
  /** Reads the password from standard input; otherwise one is generated and printed once. */
  readonly passwordStdin: boolean;
  readonly json: boolean;
}

/** Creates a user, who can sign in. @param input reads standard input */
export async function createUserCommand(
  { config, env, output }: StoreCommand,
  address: string,
  options: CreateUserOptions,
  input: () => Promise<string>,
): Promise<void> {
  const email = emailFrom(address);
  const name = personName.safeParse(options.name ?? email);
  if (!name.success) throw new CommandError(`A user's name ${NAME_RULE}.`);
  const generated = options.passwordStdin ? undefined : randomBytes(15).toString('base64url');
  const password = generated ?? passwordFrom(await input());
  const { platformAdmin, json } = options;
  await withStores(config, env, output, async ({ users }) => {
    const user = await users.create({ email, name: name.data, password, platformAdmin }, BY_OPERATOR);
    if (json) {
      const secret = generated === undefined ? {} : { password: generated };
      output.out(JSON.stringify({ id: user.id, email, name: user.name, ...secret }));
      return;
    }
    output.err(`Created the user ${email} (${user.id})${platformAdmin ? ', a platform administrator' : ''}.`);
    if (generated === undefined) return;
    output.err('The password is shown only this once:');
    output.out(generated);
  });
}

function passwordFrom(text: string): string {
  const result = passwordSchema.safeParse(text.replace(/\r?\n$/, ''));
  if (result.success) return result.data;
  throw new CommandError(`The password ${result.error.issues[0]?.message ?? 'is not valid'}.`);
}

export async function listUsersCommand(
  { config, env, output }: StoreCommand,
  search: string | undefined,
  json: boolean,
): Promise<void> {
  await withStores(config, env, output, async ({ users, access }) => {
    const all = await users.list({ search, limit: MAX_LISTED });
    if (json) {
      output.out(JSON.stringify(all.map((user) => renderUser({ access }, user))));
      return;
    }
    if (all.length === 0) {
      output.err('There are no users. Create one: `weir users create <email>`.');
      return;
    }
    output.out(
      table(
        ['ID', 'E-MAIL', 'NAME', 'STATUS', 'CREATED (UTC)', 'ROLES'],
        all.map((user) => [
          user.id,
          user.email,
          user.name,
          user.platformAdmin ? `${user.status}, platform admin` : user.status,
          shortTime(user.createdAt),
          [...access.rolesOf(user.id)].map(([tenant, role]) => `${tenant}: ${role}`).join(', '),
        ]),
      ),
    );
  });
}

/** Suspends a user, which ends its sessions, or lets it sign in again. */
export async function suspendUserCommand(
  { config, env, output }: StoreCommand,
  address: string,
  suspended: boolean,
): Promise<void> {
  const email = emailFrom(address);
  await withStores(config, env, output, async ({ users }) => {
    const { id } = await users.requireByEmail(email);
    await users.update(id, { status: suspended ? 'suspended' : 'active' }, undefined, BY_OPERATOR);
    output.out(suspended ? `Suspended ${email} and ended its sessions.` : `${email} can sign in again.`);
  });
}
