import { type Command, Option } from 'commander';
import type { LoadedConfig } from '../../config/assemble.ts';
import { PART_KINDS, type PartKind } from '../../plugins/manifest.ts';
import type { Output } from '../output.ts';

interface PluginTools {
  readonly load: () => Promise<LoadedConfig>;
  readonly output: Output;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly setExit: (code: number) => void;
}

/** `weir plugins new`, `list`, `check` and `test` */
export function addPluginCommands(program: Command, tools: PluginTools): void {
  const plugins = program.command('plugins').description('write, check and list plugins');
  plugins
    .command('new <name>')
    .description('write a plugin with a test into the folder <name>')
    .addOption(new Option('--kind <kind>', 'what it adds').choices(PART_KINDS).default('interceptor'))
    .action(async (name: string, { kind }: { readonly kind: PartKind }) => {
      const { newPlugin } = await import('../new-plugin.ts');
      newPlugin(name, kind, tools);
    });
  plugins
    .command('list')
    .description('list the plugins of the configuration, with their parts')
    .option('--json', 'print as JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const { listPlugins } = await import('../plugins.ts');
      await listPlugins({ ...tools, json: json === true });
    });
  plugins
    .command('check')
    .description('load every plugin of the configuration and check its settings; exit code 1 on a fault')
    .option('--json', 'print as JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const { checkPlugins } = await import('../plugins.ts');
      tools.setExit(await checkPlugins({ ...tools, json: json === true }));
    });
  plugins
    .command('test <folder>')
    .description('run the tests of a plugin')
    .action(async (folder: string) => {
      const { testPlugin } = await import('../plugins.ts');
      tools.setExit(await testPlugin(folder, tools.cwd));
    });
}
