import { Command, CommanderError } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { PROVIDERS } from './app/provider-registry.ts';
import { CommandError, EXIT, terminalOutput } from './cli/output.ts';
import type { ReplayOptions } from './cli/replay.ts';
import type { RouteOptions } from './cli/route.ts';
import type { SimulatorOptions } from './cli/simulator.ts';
import { ConfigError } from './config/errors.ts';
import { type LoadedConfig, loadConfig } from './config/load.ts';
import { GatewayError } from './core/errors.ts';
import { DEFAULT_TENANT } from './core/principal.ts';
import { DatabaseFileError } from './platform/sqlite.ts';
import { UnknownProviderError } from './routing/directory.ts';
import { isUnavailable } from './storage/sql/postgres-server.ts';

const env = process.env;
const cwd = process.cwd();
const output = terminalOutput(env);
const { version } = manifest;

function load(file?: string): LoadedConfig {
  return loadConfig({
    env: file === undefined ? env : { ...env, WEIR_CONFIG: file },
    cwd,
    catalog: PROVIDERS.catalog,
  });
}

function command() {
  return { config: load().config, env, output };
}

/** Each command loads its own modules when it runs, so that `serve` and `--help` start without those of the others. */
function commands(setExit: (code: number) => void): Command {
  const program = new Command('weir')
    .description('One door in front of every model provider and engine.')
    .version(version, '-v, --version', 'print the version')
    .showHelpAfterError('(`weir --help` shows what there is)')
    .exitOverride();
  program
    .command('serve')
    .description('run the gateway (until SIGTERM or Ctrl-C)')
    .action(async () => {
      const { serve } = await import('./cli/serve.ts');
      setExit(await serve({ env, cwd, output, version }));
    });
  program
    .command('doctor')
    .description('check configuration, stores, ports, limits and every provider, and say what to do')
    .option('--json', 'print the findings as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { doctor } = await import('./cli/doctor.ts');
      setExit(await doctor({ env, cwd, output, json: json === true }));
    });

  program
    .command('simulator')
    .description('serve the simulator alone, as an engine to try things with (until SIGTERM or Ctrl-C)')
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .option('--port <number>', 'the port to listen on; 0 takes any free one', '8000')
    .option('--load-time <seconds>', 'how long to play loading a model before it is well', '0')
    .action(async (options: SimulatorOptions) => {
      const { serveSimulator } = await import('./cli/simulator.ts');
      setExit(await serveSimulator(output, options));
    });

  program
    .command('route <request.json>')
    .description('say where a request would go, and in which order targets would be tried')
    .option('--dry-run', 'send nothing (there is nothing else that it does)')
    .option('--header <name: value>', 'a header of the request; may be repeated', collect, [])
    .option('--tenant <id>', 'whose request it is')
    .option('--url <url>', 'ask a gateway that is running, which knows the condition of its targets')
    .option('--key <key>', 'its admin key; WEIR_ADMIN_KEY by default')
    .option('--json', 'print as JSON')
    .action(async (file: string, options: RouteOptions) => {
      const { routeCommand } = await import('./cli/route.ts');
      setExit(await routeCommand(() => load().config, env, output, file, options));
    });

  program
    .command('replay <log>')
    .description(
      'run the requests of a log (JSON lines; - for standard input) under other configurations, and compare',
    )
    .option(
      '--policy <weir.yaml>',
      'a configuration to compare; may be repeated; the one in force by default',
      collect,
      [],
    )
    .option('--json', 'print as JSON')
    .action(async (file: string, options: ReplayOptions) => {
      const { replayCommand } = await import('./cli/replay.ts');
      setExit(await replayCommand((path) => load(path).config, env, output, file, options));
    });

  const keys = program.command('keys').description('make, list and revoke API keys');
  keys
    .command('create')
    .description('make a key and print it, this once')
    .option('--name <name>', 'what it is for', 'unnamed')
    .option(
      '--tenant <id>',
      'whose it is; places at busy models are shared fairly between tenants',
      DEFAULT_TENANT,
    )
    .option('--admin', 'an admin key, which may call everything')
    .option('--json', 'print as JSON')
    .action(
      async ({
        name,
        tenant,
        admin,
        json,
      }: {
        name: string;
        tenant: string;
        admin?: boolean;
        json?: boolean;
      }) => {
        const { createKeyCommand } = await import('./cli/keys.ts');
        await createKeyCommand(command(), { name, tenant, admin: admin === true, json: json === true });
      },
    );
  keys
    .command('list')
    .description('list the keys of a tenant; their secrets are not kept')
    .option('--tenant <id>', 'whose', DEFAULT_TENANT)
    .option('--json', 'print as JSON')
    .action(async ({ tenant, json }: { tenant: string; json?: boolean }) => {
      const { listKeysCommand } = await import('./cli/keys.ts');
      await listKeysCommand(command(), tenant, json === true);
    });
  keys
    .command('revoke <id-or-name>')
    .description('revoke a key; running gateways follow within a second')
    .option('--tenant <id>', 'whose', DEFAULT_TENANT)
    .option('--json', 'print as JSON')
    .action(async (idOrName: string, { tenant, json }: { tenant: string; json?: boolean }) => {
      const { revokeKeyCommand } = await import('./cli/keys.ts');
      await revokeKeyCommand(command(), tenant, idOrName, json === true);
    });

  const tenants = program.command('tenants').description('make, list and remove tenants');
  tenants
    .command('create <id>')
    .description('make a tenant and its database')
    .option('--name <name>', 'what people call it; the id by default')
    .option('--tier <tier>', 'what it may use, or none for no limits; limits.default_tier by default')
    .option('--server <id>', 'the database server to put it on (storage.servers)', '')
    .option('--json', 'print as JSON')
    .action(
      async (
        id: string,
        { name, tier, server, json }: { name?: string; tier?: string; server: string; json?: boolean },
      ) => {
        const { createTenantCommand } = await import('./cli/tenants.ts');
        await createTenantCommand(command(), id, { name, tier, server, json: json === true });
      },
    );
  tenants
    .command('list')
    .description('list all tenants')
    .option('--json', 'print as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { listTenantsCommand } = await import('./cli/tenants.ts');
      await listTenantsCommand(command(), json === true);
    });
  tenants
    .command('delete <id>')
    .description('say what removing a tenant would remove; with --yes, remove it with all its data')
    .option('--yes', 'do it')
    .action(async (id: string, { yes }: { yes?: boolean }) => {
      const { deleteTenantCommand } = await import('./cli/tenants.ts');
      await deleteTenantCommand(command(), id, yes === true);
    });

  program
    .command('migrate')
    .description('bring all databases up to date, as starting the gateway does')
    .option('--plan', 'only say what would be done')
    .option('--json', 'print as JSON')
    .action(async ({ plan, json }: { plan?: boolean; json?: boolean }) => {
      const { migrateCommand } = await import('./cli/migrate.ts');
      await migrateCommand(command(), plan === true, json === true);
    });

  const config = program.command('config').description('check the configuration, or print its schema');
  config
    .command('check')
    .description('check the configuration file and the environment')
    .argument('[file]', 'the file to check, instead of WEIR_CONFIG or ./weir.yaml')
    .option('--json', 'print as JSON')
    .action((file: string | undefined, { json }: { json?: boolean }) =>
      setExit(checkConfig(file, json === true)),
    );
  config
    .command('schema')
    .description('print the JSON Schema of the configuration file, for editors')
    .action(async () => {
      const { configJsonSchema } = await import('./config/json-schema.ts');
      output.out(JSON.stringify(configJsonSchema(PROVIDERS.catalog), null, 2));
    });
  return program;
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function checkConfig(file: string | undefined, json: boolean): number {
  try {
    const loaded = load(file);
    if (json)
      output.out(JSON.stringify({ ok: true, file: loaded.file, issues: [], warnings: loaded.warnings }));
    else {
      for (const warning of loaded.warnings) output.err(`warning: ${warning}`);
      output.out(`${loaded.file ?? 'The environment'} is valid.`);
    }
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (json)
      output.out(JSON.stringify({ ok: false, file: file ?? null, issues: error.issues, warnings: [] }));
    else output.err(error.message);
    return EXIT.failure;
  }
}

async function main(): Promise<number> {
  let exitCode: number = EXIT.ok;
  try {
    await commands((code) => {
      exitCode = code;
    }).parseAsync();
    return exitCode;
  } catch (error) {
    // Commander has printed its own message already; help and version end this way too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (
      error instanceof CommandError ||
      error instanceof ConfigError ||
      error instanceof DatabaseFileError ||
      error instanceof GatewayError ||
      error instanceof UnknownProviderError
    ) {
      output.err(error.message);
      return EXIT.failure;
    }
    if (isUnavailable(error)) {
      output.err(
        `The database server can not be reached: ${error instanceof Error ? error.message : String(error)}`,
      );
      return EXIT.failure;
    }
    throw error;
  }
}

process.exitCode = await main();
// Whatever still lingers (a keep-alive connection, a timer) must not hold the command back.
process.exit();
