import type { Command } from 'commander';
import type { AddMemberOptions, UpdateMemberOptions } from '../members.ts';
import type { CreateUserOptions } from '../users.ts';
import { type CommandTools, withLimits, withTenant } from './group.ts';

type Flags<Options, Name extends keyof Options> = Omit<Options, Name> & {
  readonly [name in Name]?: boolean;
};

/** `weir users ...` and `weir members ...` */
export function addPeopleCommands(program: Command, tools: CommandTools): void {
  addUserCommands(program, tools);
  addMemberCommands(program, tools);
}

function addUserCommands(program: Command, { stores, input }: CommandTools): void {
  const users = program.command('users').description('create, list and suspend users, who can sign in');
  users
    .command('create <email>')
    .description('create a user, and print a generated password once')
    .option('--name <name>', 'the name (default: the e-mail address)')
    .option('--platform-admin', 'give every permission in every tenant')
    .option('--password-stdin', 'read the password from standard input')
    .option('--json', 'print as JSON')
    .action(
      async (email: string, flags: Flags<CreateUserOptions, 'platformAdmin' | 'passwordStdin' | 'json'>) => {
        const { createUserCommand } = await import('../users.ts');
        const { name, platformAdmin = false, passwordStdin = false, json = false } = flags;
        await createUserCommand(await stores(), email, { name, platformAdmin, passwordStdin, json }, input);
      },
    );
  users
    .command('list')
    .description('list users with their roles')
    .option('--search <text>', 'a part of the e-mail address')
    .option('--json', 'print as JSON')
    .action(async ({ search, json }: { readonly search?: string; readonly json?: boolean }) => {
      const { listUsersCommand } = await import('../users.ts');
      await listUsersCommand(await stores(), search, json === true);
    });
  for (const [name, suspended, description] of [
    ['suspend', true, 'suspend a user, and end its sessions'],
    ['activate', false, 'let a suspended user sign in again'],
  ] as const) {
    users
      .command(`${name} <email>`)
      .description(description)
      .action(async (email: string) => {
        const { suspendUserCommand } = await import('../users.ts');
        await suspendUserCommand(await stores(), email, suspended);
      });
  }
}

function addMemberCommands(program: Command, { stores }: CommandTools): void {
  const members = program
    .command('members')
    .description('add, list, change and remove members of a tenant, and invite people');
  withLimits(withTenant(members.command('add <email>').description('add a user to a tenant'), 'the member'))
    .option('--role <role>', 'owner, admin, developer, billing or viewer', 'developer')
    .option('--service-account', 'create a service account of this name instead')
    .option('--json', 'print as JSON')
    .action(async (who: string, flags: Flags<AddMemberOptions, 'serviceAccount' | 'json'>) => {
      const { addMemberCommand } = await import('../members.ts');
      const options = { ...flags, serviceAccount: flags.serviceAccount === true, json: flags.json === true };
      await addMemberCommand(await stores(), who, options);
    });
  withTenant(
    members.command('invite <email>').description('invite a person, and print the token once'),
    'the member',
  )
    .option('--role <role>', 'owner, admin, developer, billing or viewer', 'developer')
    .option('--json', 'print as JSON')
    .action(
      async (
        email: string,
        { tenant, role, json }: { readonly tenant: string; readonly role: string; readonly json?: boolean },
      ) => {
        const { inviteCommand } = await import('../members.ts');
        await inviteCommand(await stores(), email, { tenant, role, json: json === true });
      },
    );
  withTenant(members.command('list').description('list the members of a tenant'), 'the members')
    .option('--json', 'print as JSON')
    .action(async ({ tenant, json }: { readonly tenant: string; readonly json?: boolean }) => {
      const { listMembersCommand } = await import('../members.ts');
      await listMembersCommand(await stores(), tenant, json === true);
    });
  withLimits(
    withTenant(
      members.command('update <member>').description('change a member: its id, address or name'),
      'the member',
    ),
  )
    .option('--role <role>', 'the new role')
    .option('--status <status>', 'active or suspended')
    .action(async (who: string, flags: UpdateMemberOptions) => {
      const { updateMemberCommand } = await import('../members.ts');
      await updateMemberCommand(await stores(), who, flags);
    });
  withTenant(
    members.command('remove <member>').description('remove a member, and revoke its keys'),
    'the member',
  ).action(async (who: string, { tenant }: { readonly tenant: string }) => {
    const { removeMemberCommand } = await import('../members.ts');
    await removeMemberCommand(await stores(), who, tenant);
  });
}
