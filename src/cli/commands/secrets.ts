import type { Command } from 'commander';
import type { LoadedConfig } from '../../config/assemble.ts';
import type { Output } from '../output.ts';
import type { RotateOptions } from '../secrets-rotate.ts';
import type { CommandTools } from './group.ts';

export interface SecretTools extends CommandTools {
  readonly load: () => Promise<LoadedConfig>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
  readonly setExit: (code: number) => void;
}

/** `weir secrets`. */
export function addSecretCommands(
  program: Command,
  { stores, load, env, output, setExit }: SecretTools,
): void {
  const secrets = program
    .command('secrets')
    .description('secrets that the configuration refers to, and the keys that seal stored secrets');
  secrets
    .command('list')
    .description('list the references to secrets, and where they are used; reads none')
    .option('--json', 'print as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { listSecrets } = await import('../secrets.ts');
      listSecrets(await load(), env, output, json === true);
    });
  secrets
    .command('check')
    .description('read every secret that the configuration refers to; exit code 1 if one cannot be read')
    .option('--json', 'print as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { checkSecretReferences } = await import('../secrets.ts');
      setExit(await checkSecretReferences(await load(), env, output, json === true));
    });
  secrets
    .command('rotate')
    .description('rotate the key that seals stored secrets, also while gateways run')
    .option('--dry-run', 'count what would be sealed again, and change nothing')
    .option(
      '--from-stored',
      'WEIR_SECRET is new: the keys were sealed with the secret of the control database',
    )
    .option('--finish', 'remove retired keys, and what earlier secrets open')
    .option('--offline', 'no gateway runs: do not wait until gateways know the new key')
    .option('--json', 'print as JSON')
    .action(async (options: RotateOptions) => {
      const { rotateSecrets } = await import('../secrets-rotate.ts');
      await rotateSecrets(await stores(), options);
    });
}
