import type { Command } from 'commander';
import type { CreateOptions, KeySettings } from '../keys.ts';
import { type CommandTools, withLimits, withTenant } from './group.ts';

interface Flags extends KeySettings {
  readonly tenant: string;
  readonly json?: boolean;
}

/** `weir keys ...` */
export function addKeyCommands(program: Command, { stores }: CommandTools): void {
  const keys = program.command('keys').description('create, list, change, pause, rotate and revoke API keys');
  const settings = (command: Command) =>
    withLimits(command)
      .option('--expires <when>', 'a date, a duration from now such as 90d, or never')
      .option(
        '--models <names>',
        'the models that it may use, separated by commas; a final * matches any ending',
      );
  const one = (name: string, description: string) =>
    withTenant(keys.command(`${name} <id-or-name>`).description(description), 'the key').option(
      '--json',
      'print as JSON',
    );

  settings(withTenant(keys.command('create').description('create a key and print it once'), 'the key'))
    .option('--name <name>', 'the name of the key', 'unnamed')
    .option('--member <member>', 'the member that owns it: an id, e-mail address or name')
    .option('--admin', 'create an admin key, which may call every endpoint')
    .option('--json', 'print as JSON')
    .action(
      async (
        flags: Omit<CreateOptions, 'admin' | 'json'> & { readonly admin?: boolean; readonly json?: boolean },
      ) => {
        const { createKeyCommand } = await import('../keys.ts');
        const options = { ...flags, admin: flags.admin === true, json: flags.json === true };
        await createKeyCommand(await stores(), options);
      },
    );
  withTenant(keys.command('list').description('list the keys of a tenant, without their secrets'), 'the keys')
    .option('--json', 'print as JSON')
    .action(async ({ tenant, json }: Flags) => {
      const { listKeysCommand } = await import('../keys.ts');
      await listKeysCommand(await stores(), tenant, json === true);
    });
  settings(one('update', 'change the name, expiry, models or limits of a key'))
    .option('--name <name>', 'the new name')
    .action(async (idOrName: string, flags: Flags & { readonly name: string | undefined }) => {
      const { updateKeyCommand } = await import('../keys.ts');
      await updateKeyCommand(await stores(), { ...flags, idOrName, json: flags.json === true });
    });
  for (const [name, paused, description] of [
    ['pause', true, 'reject a key until it is resumed'],
    ['resume', false, 'accept a paused key again'],
  ] as const) {
    one(name, `${description}; running gateways follow within a second`).action(
      async (idOrName: string, { tenant, json }: Flags) => {
        const { pauseKeyCommand } = await import('../keys.ts');
        await pauseKeyCommand(await stores(), { tenant, idOrName, json: json === true }, paused);
      },
    );
  }
  one('rotate', 'give a key a new secret and print it once')
    .option('--grace <duration>', 'how long the old secret stays valid; 0s ends it at once', '24h')
    .action(async (idOrName: string, { tenant, json, grace }: Flags & { readonly grace: string }) => {
      const { rotateKeyCommand } = await import('../keys.ts');
      await rotateKeyCommand(await stores(), { tenant, idOrName, json: json === true }, grace);
    });
  one('revoke', 'revoke a key; running gateways reject it within a second').action(
    async (idOrName: string, { tenant, json }: Flags) => {
      const { revokeKeyCommand } = await import('../keys.ts');
      await revokeKeyCommand(await stores(), tenant, idOrName, json === true);
    },
  );
}
