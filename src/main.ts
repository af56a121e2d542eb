import { Command, CommanderError } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { CONFIG_CATALOG } from './app/config-catalog.ts';
import { addAlertCommands } from './cli/commands/alerts.ts';
import { addAuditCommands } from './cli/commands/audit.ts';
import { addBackupCommands } from './cli/commands/backup.ts';
import { addBatchCommands } from './cli/commands/batches.ts';
import { addBillingCommands } from './cli/commands/billing.ts';
import { addCacheCommands } from './cli/commands/cache.ts';
import { addEventCommands } from './cli/commands/events.ts';
import { addExportCommands } from './cli/commands/exports.ts';
import type { CommandTools } from './cli/commands/group.ts';
import { addGuardCommands } from './cli/commands/guard.ts';
import { addKeyCommands } from './cli/commands/keys.ts';
import { addLogsCommand } from './cli/commands/logs.ts';
import { addPeopleCommands } from './cli/commands/people.ts';
import { addPluginCommands } from './cli/commands/plugins.ts';
import { addReportCommands } from './cli/commands/reports.ts';
import { addRequestCommands } from './cli/commands/requests.ts';
import { addSecretCommands } from './cli/commands/secrets.ts';
import { addTenantCommands } from './cli/commands/tenants.ts';
import { CommandError, EXIT, terminalOutput } from './cli/output.ts';
import type { ReplayOptions } from './cli/replay.ts';
import type { RouteOptions } from './cli/route.ts';
import type { SimulatorOptions } from './cli/simulator.ts';
import type { LoadedConfig } from './config/assemble.ts';
import { ConfigError } from './config/errors.ts';
import { GatewayError } from './core/errors.ts';
import { DatabaseFileError } from './platform/sqlite.ts';
import { UnknownProviderError } from './routing/directory.ts';
import {
  DatabaseMissingError,
  isUnavailable,
  MigrationFailedError,
  unavailable,
} from './storage/sql/database-errors.ts';
import { DatabaseSetupError } from './storage/sql/postgres-setup-error.ts';
import { KeyRingError } from './tenancy/key-ring.ts';

const env = process.env;
const cwd = process.cwd();
const output = terminalOutput(env);
const { version } = manifest;

type Load = (file?: string) => LoadedConfig;

async function loader(): Promise<Load> {
  const { loadConfig } = await import('./config/load.ts');
  return (file) => loadConfig({ env, cwd, catalog: CONFIG_CATALOG, file });
}

/** The configuration with its secrets, for commands that open databases. */
async function command() {
  const load = await loader();
  const { resolvedConfig } = await import('./app/config-secrets.ts');
  return { ...(await resolvedConfig(load(), env)), output };
}

interface ServeFlags {
  readonly host?: string;
  readonly port?: string;
  readonly workers?: string;
  readonly config?: string;
}

/** The environment with what the command line says instead. */
function withFlags({ host, port, workers }: ServeFlags): Readonly<Record<string, string | undefined>> {
  return {
    ...env,
    ...(host === undefined ? {} : { SERVER_HOST: host }),
    ...(port === undefined ? {} : { SERVER_PORT: port }),
    ...(workers === undefined ? {} : { SERVER_WORKERS: workers }),
  };
}

async function standardInput(): Promise<string> {
  process.stdin.setEncoding('utf8');
  let text = '';
  for await (const part of process.stdin) text += String(part);
  return text;
}

/** Each command loads its own modules when it runs, so that `serve` and `--help` start without those of the others. */
function commands(setExit: (code: number) => void): Command {
  const program = new Command('weir')
    .description('LLM inference gateway: one API in front of every model provider and engine.')
    .version(version, '-v, --version', 'print the version')
    .showHelpAfterError('(`weir --help` lists commands and options)')
    .exitOverride();
  program
    .command('serve')
    .description('run the gateway (until SIGTERM or Ctrl-C)')
    .option('--host <address>', 'the address to listen on, instead of SERVER_HOST or server.host')
    .option('--port <number>', 'the port of the API, instead of SERVER_PORT or server.port')
    .option('--workers <number>', 'processes that serve inference, or auto: one for each core')
    .option('--config <file>', 'the configuration file, instead of WEIR_CONFIG or ./weir.yaml')
    .action(async (flags: ServeFlags) => {
      const { serve } = await import('./cli/serve.ts');
      setExit(await serve({ env: withFlags(flags), cwd, file: flags.config, output, version }));
    });
  program
    .command('reload')
    .description('let the running gateway read its configuration again, and replace its workers')
    .option('--config <file>', 'the configuration file, instead of WEIR_CONFIG or ./weir.yaml')
    .action(async ({ config: file }: ServeFlags) => {
      const { reloadCommand } = await import('./cli/reload.ts');
      reloadCommand((await loader())(file).config, output);
    });
  program
    .command('doctor')
    .description('check configuration, stores, ports, limits and every provider, and say what to fix')
    .option('--config <file>', 'the configuration file, instead of WEIR_CONFIG or ./weir.yaml')
    .option('--json', 'print the findings as JSON')
    .action(async ({ json, ...flags }: ServeFlags & { json?: boolean }) => {
      const { doctor } = await import('./cli/doctor.ts');
      setExit(await doctor({ env: withFlags(flags), cwd, file: flags.config, output, json: json === true }));
    });

  program
    .command('health')
    .description('ask the running gateway whether it accepts requests; exit code 1 if not')
    .option('--url <url>', 'the gateway (default: the address of the configuration)')
    .option('--live', 'ask only whether the process runs')
    .option('--config <file>', 'the configuration file, instead of WEIR_CONFIG or ./weir.yaml')
    .action(async ({ url, live, config: file }: { url?: string; live?: boolean; config?: string }) => {
      const { health } = await import('./cli/health.ts');
      setExit(await health({ env, cwd, file, url, live: live === true, output }));
    });

  program
    .command('demo')
    .description('serve a week of invented traffic from a folder of its own, to look at the console')
    .option('--host <address>', 'the address to listen on (default: 127.0.0.1)')
    .option('--port <number>', 'the port of the API, instead of SERVER_PORT')
    .option('--data-dir <folder>', 'an empty folder that keeps the data (default: a temporary one)')
    .option('--seed <text>', 'the same seed generates the same traffic', 'weir')
    .option('--generate-only', 'generate the data, and end')
    .action(
      async (flags: ServeFlags & { dataDir?: string; readonly seed: string; generateOnly?: boolean }) => {
        const { demo } = await import('./cli/demo.ts');
        const { dataDir, seed, generateOnly } = flags;
        const options = { env: withFlags(flags), output, version, dataDir, seed };
        setExit(await demo({ ...options, serves: generateOnly !== true }));
      },
    );

  program
    .command('simulator')
    .description('run the simulator as a standalone engine, for tests (until SIGTERM or Ctrl-C)')
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .option('--port <number>', 'the port to listen on; 0 selects a free one', '8000')
    .option('--load-time <seconds>', 'how long to simulate loading a model before it is healthy', '0')
    .action(async (options: SimulatorOptions) => {
      const { serveSimulator } = await import('./cli/simulator.ts');
      setExit(await serveSimulator(output, options));
    });

  program
    .command('route <request.json>')
    .description('show where a request would be routed, and in which order targets would be tried')
    .option('--dry-run', 'send nothing, as the command always does')
    .option('--header <name: value>', 'a header of the request; may be repeated', collect, [])
    .option('--tenant <id>', 'the tenant that sends the request')
    .option('--url <url>', 'ask a running gateway, which knows the state of its targets')
    .option('--key <key>', 'its admin key (default: WEIR_ADMIN_KEY)')
    .option('--json', 'print as JSON')
    .action(async (file: string, options: RouteOptions) => {
      const { routeCommand } = await import('./cli/route.ts');
      const load = await loader();
      setExit(await routeCommand(() => load().config, env, output, file, options));
    });

  program
    .command('replay <log>')
    .description(
      'replay the requests of a log (JSON lines; - for standard input) with other configurations, and compare',
    )
    .option(
      '--policy <weir.yaml>',
      'a configuration to compare; may be repeated (default: the current one)',
      collect,
      [],
    )
    .option('--json', 'print as JSON')
    .action(async (file: string, options: ReplayOptions) => {
      const { replayCommand } = await import('./cli/replay.ts');
      const load = await loader();
      setExit(await replayCommand((path) => load(path).config, env, output, file, options));
    });

  const tools: CommandTools = { stores: command, input: standardInput };
  addKeyCommands(program, tools);
  addTenantCommands(program, tools);
  addRequestCommands(program, tools);
  addBatchCommands(program, tools);
  addPeopleCommands(program, tools);
  addPluginCommands(program, { load: async () => (await loader())(), output, cwd, env, setExit });
  addReportCommands(program, tools);
  addAlertCommands(program, tools);
  addBillingCommands(program, tools);
  addExportCommands(program, tools);
  addAuditCommands(program, tools);
  addSecretCommands(program, { ...tools, load: async () => (await loader())(), env, output, setExit });
  addCacheCommands(program, tools, setExit);
  addGuardCommands(program, tools, setExit);
  addEventCommands(program, env, output);
  addLogsCommand(program, env, output, async () => {
    const load = await loader();
    return () => load().config;
  });

  program
    .command('migrate')
    .description('apply pending migrations to all databases, as starting the gateway does')
    .option('--plan', 'list pending migrations and apply none')
    .option('--dry-run', 'the same as --plan')
    .option('--json', 'print as JSON')
    .action(async ({ plan, dryRun, json }: { plan?: boolean; dryRun?: boolean; json?: boolean }) => {
      const { migrateCommand } = await import('./cli/migrate.ts');
      await migrateCommand(await command(), plan === true || dryRun === true, json === true);
    });

  addBackupCommands(program, async () => {
    const { config, file } = (await loader())();
    return { config, configFile: file, env, output, version };
  });

  const config = program.command('config').description('check the configuration, or print its schema');
  config
    .command('check')
    .description('check the configuration file and the environment')
    .argument('[file]', 'the file to check, instead of WEIR_CONFIG or ./weir.yaml')
    .option('--json', 'print as JSON')
    .action(async (file: string | undefined, { json }: { json?: boolean }) =>
      setExit(checkConfig(await loader(), file, json === true)),
    );
  config
    .command('schema')
    .description('print the JSON Schema of the configuration file, for editors')
    .action(async () => {
      const { configJsonSchema } = await import('./config/json-schema.ts');
      output.out(JSON.stringify(configJsonSchema(CONFIG_CATALOG), null, 2));
    });
  return program;
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function checkConfig(load: Load, file: string | undefined, json: boolean): number {
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
      error instanceof DatabaseMissingError ||
      error instanceof DatabaseSetupError ||
      error instanceof GatewayError ||
      error instanceof KeyRingError ||
      error instanceof MigrationFailedError ||
      error instanceof UnknownProviderError
    ) {
      output.err(error.message);
      return EXIT.failure;
    }
    if (isUnavailable(error)) {
      const cause = unavailable(error);
      output.err(cause instanceof Error ? cause.message : String(cause));
      return EXIT.failure;
    }
    // Not thrown: `serve` goes on after what nothing has caught, and would listen for ever without a gateway.
    output.err(`weir failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT.failure;
  }
}

process.exitCode = await main();
// A pipe takes 64 KB at a time, and the exit would cut off what is left.
await new Promise<void>((resolve) => process.stdout.end(() => resolve()));
// An open keep-alive connection or timer must not keep the command running.
process.exit();
