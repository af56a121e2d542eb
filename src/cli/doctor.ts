import { createServer } from 'node:net';
import { CONFIG_CATALOG } from '../app/config-catalog.ts';
import { dataFolder } from '../app/database-servers.ts';
import { offlineSnapshot } from '../app/offline-snapshot.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import { openFilesLimit } from '../observability/process-stats.ts';
import { findProgram } from '../platform/child-process.ts';
import { fetchModels } from '../providers/buffered-call.ts';
import type { Provider } from '../providers/types.ts';
import { loadTlsFiles, type TlsPaths, validityProblem } from '../server/tls-files.ts';
import { connectIoredis } from '../storage/kv/ioredis-client.ts';
import { EXIT, type Output, paint } from './output.ts';
import { withStores } from './stores.ts';

export interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'problem';
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string;
}

export interface DoctorOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly output: Output;
  readonly json: boolean;
}

const PROVIDER_TIMEOUT_MS = 8_000;
/** Each stream uses a descriptor for the client and one for the upstream. */
const GOOD_FILE_LIMIT = 16_384;

/** Checks everything that a start needs, and says what to fix. @returns exit code 1 when something will not work */
export async function doctor(options: DoctorOptions): Promise<number> {
  const findings: Finding[] = [];
  const report = (finding: Finding) => {
    findings.push(finding);
    if (!options.json) print(options.output, finding);
  };
  let config: Config | undefined;
  try {
    const loaded = loadConfig({ env: options.env, cwd: options.cwd, catalog: CONFIG_CATALOG });
    config = loaded.config;
    report({ check: 'config', level: 'ok', message: loaded.file ?? 'no file; environment and defaults' });
    for (const warning of loaded.warnings) report({ check: 'config', level: 'warning', message: warning });
  } catch (error) {
    report({
      check: 'config',
      level: 'problem',
      message: messageOf(error),
      advice: 'Correct the file. `weir config schema` prints a JSON Schema for your editor.',
    });
  }
  if (config) {
    for (const finding of await checkStore(config, options.env, options.output)) report(finding);
    if (config.storage.redis_url !== null) report(await checkRedis(config, config.storage.redis_url));
    for (const finding of await checkPorts(config)) report(finding);
    if (config.server.tls !== null) report(await checkTls(config.server.tls));
    report(checkFileLimit());
    for (const finding of await checkProviders(config, options)) report(finding);
  }
  const problems = findings.filter(({ level }) => level === 'problem').length;
  const warnings = findings.filter(({ level }) => level === 'warning').length;
  if (options.json) options.output.out(JSON.stringify({ ok: problems === 0, findings }));
  else {
    const verdict = problems === 0 ? 'Weir can start.' : 'Weir will not work as configured.';
    options.output.out(`\n${problems} problems, ${warnings} warnings. ${verdict}`);
  }
  return problems === 0 ? EXIT.ok : EXIT.failure;
}

function print(output: Output, { check, level, message, advice }: Finding): void {
  const mark = {
    ok: paint(output, 'green', 'ok'),
    warning: paint(output, 'yellow', 'warn'),
    problem: paint(output, 'red', 'FAIL'),
  };
  const pad = ' '.repeat(4 - { ok: 2, warning: 4, problem: 4 }[level]);
  output.out(
    `${mark[level]}${pad}  ${check.padEnd(22)} ${message.replaceAll('\n', '\n                             ')}`,
  );
  if (advice) output.out(`${' '.repeat(29)}${paint(output, 'dim', `-> ${advice}`)}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function checkStore(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  output: Output,
): Promise<Finding[]> {
  const sqlite = /^sqlite:/i.test(config.storage.database_url);
  const where = sqlite ? `SQLite in ${dataFolder(config)}` : 'PostgreSQL';
  try {
    return await withStores(config, env, output, async ({ access }) => {
      const tenants = [...access.tenants()].filter(({ status }) => status !== 'deleted').length;
      const message = `${where}, ${tenants} tenant${tenants === 1 ? '' : 's'}`;
      const findings: Finding[] = [{ check: 'store', level: 'ok', message }];
      if (!sqlite && !env.WEIR_SECRET) {
        findings.push({
          check: 'secret',
          level: 'warning',
          message:
            'WEIR_SECRET is not set: the secret that hashes keys is stored in the same database as the hashes',
          advice:
            'Set it before you create keys, the same for all replicas: `openssl rand -hex 32` generates one.',
        });
      }
      return findings;
    });
  } catch (error) {
    return [
      {
        check: 'store',
        level: 'problem',
        message: `${where}: ${messageOf(error)}`,
        advice: sqlite
          ? 'The folder must be writable by this user and on a local disk. WEIR_DATA_DIR selects another.'
          : 'Check DATABASE_URL, that the server responds, and that its user may create databases (CREATEDB).',
      },
    ];
  }
}

/** How long a first connection may take. */
const REDIS_CONNECT_MS = 3_000;

async function checkRedis({ storage }: Config, url: string): Promise<Finding> {
  let reason = 'no response';
  const client = connectIoredis({
    url,
    timeoutMs: storage.redis_timeout,
    onError: (error) => {
      reason = error.message;
    },
  });
  const over = new AbortController();
  const late = systemClock.sleep(REDIS_CONNECT_MS, over.signal).then(
    () => false,
    () => false,
  );
  const connected = await Promise.race([client.connected().then(() => true), late]);
  over.abort();
  client.disconnect();
  if (connected)
    return { check: 'redis', level: 'ok', message: 'reachable; gateways share limits through it' };
  return {
    check: 'redis',
    level: 'problem',
    message: `unreachable: ${reason}`,
    advice: 'Check REDIS_URL. Until Redis is reachable, each gateway counts limits separately.',
  };
}

function tryListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

async function checkPorts(config: Config): Promise<Finding[]> {
  const { host, port, metrics_port } = config.server;
  const findings: Finding[] = [];
  for (const [check, number, variable, level] of [
    ['port', port, 'SERVER_PORT', 'problem'],
    ['metrics port', metrics_port, 'METRICS_PORT', 'warning'],
  ] as const) {
    if (number === null || number === 0) continue;
    const fault = await tryListen(host, number);
    findings.push(
      fault === undefined
        ? { check, level: 'ok', message: `${host}:${number} is free` }
        : {
            check,
            level,
            message: `${host}:${number} is unavailable (${fault})`,
            advice: `A running Weir uses this port; that is expected. Otherwise set ${variable} to another port.`,
          },
    );
  }
  return findings;
}

/** A certificate that ends sooner should have been renewed by now. */
const RENEWAL_DAYS = 14;
const DAY_MS = 86_400_000;

async function checkTls(paths: TlsPaths): Promise<Finding> {
  const check = 'tls';
  try {
    const credentials = await loadTlsFiles(paths);
    const { subject, validTo } = credentials;
    const problem = validityProblem(credentials, systemClock.wallTime());
    if (problem !== undefined) {
      return { check, level: 'warning', message: problem, advice: `Renew "${paths.cert}".` };
    }
    const days = Math.floor((validTo.getTime() - systemClock.wallTime()) / DAY_MS);
    const message = `${subject}, valid for ${days} more days`;
    return days >= RENEWAL_DAYS
      ? { check, level: 'ok', message }
      : { check, level: 'warning', message, advice: `Renew "${paths.cert}"; Weir reloads it.` };
  } catch (error) {
    return { check, level: 'problem', message: messageOf(error) };
  }
}

function checkFileLimit(): Finding {
  const limit = openFilesLimit();
  const check = 'open files';
  if (limit === undefined) return { check, level: 'ok', message: 'the limit is unknown on this system' };
  if (limit >= GOOD_FILE_LIMIT) return { check, level: 'ok', message: `limit ${limit}` };
  return {
    check,
    level: 'warning',
    message: `limit ${limit}: enough for about ${Math.floor(limit / 2)} streams at once`,
    advice: `Raise it before the start: ulimit -n 65536 (systemd: LimitNOFILE=65536).`,
  };
}

async function checkProviders(config: Config, { env }: DoctorOptions): Promise<Finding[]> {
  try {
    const snapshot = await offlineSnapshot(config, env);
    const providers = snapshot.providers
      .filter(({ lazyEngine }) => !lazyEngine)
      .flatMap((provider) => [provider, ...(provider.accounts ?? [])]);
    const findings = await Promise.all(providers.map((provider) => checkProvider(provider, config)));
    findings.push(...checkEngines(config, env));
    snapshot.close();
    if (snapshot.providers.length === 1) {
      findings.push({
        check: 'providers',
        level: 'warning',
        message: 'only the simulator is configured',
        advice:
          'Set a key such as OPENAI_API_KEY, or configure providers in weir.yaml (docs/configuration.md).',
      });
    }
    return findings;
  } catch (error) {
    return [{ check: 'providers', level: 'problem', message: messageOf(error) }];
  }
}

function checkEngines({ engines }: Config, env: DoctorOptions['env']): Finding[] {
  return engines.commands.map(({ id, command }) => {
    const [program = ''] = command;
    const found = findProgram(program, env.PATH);
    return found === undefined
      ? {
          check: `engine ${id}`,
          level: 'problem',
          message: `program "${program}" not found`,
          advice: 'Install it, add its folder to PATH, or write its full path in engines.commands[].command.',
        }
      : { check: `engine ${id}`, level: 'ok', message: `${found}, started on demand` };
  });
}

async function checkProvider(provider: Provider, config: Config): Promise<Finding> {
  const check = `provider ${provider.id}${provider.account === undefined ? '' : ` key ${provider.account}`}`;
  if (provider.profile.needsKey && provider.credential === undefined) {
    return {
      check,
      level: 'problem',
      message: `${provider.profile.label} needs a key; none is configured`,
      advice: `Set api_key, or ${provider.profile.environment?.key ?? 'its variable'} in the environment.`,
    };
  }
  const startedAt = systemClock.now();
  try {
    const models = await fetchModels(provider, PROVIDER_TIMEOUT_MS);
    const known = new Set(models.map(({ id }) => id));
    const missing = config.models
      .flatMap(({ targets }) => targets)
      .filter((target) => target.provider === provider.id && known.size > 0 && !known.has(target.model))
      .map(({ model }) => model);
    const took = Math.round(systemClock.now() - startedAt);
    if (missing.length > 0) {
      return {
        check,
        level: 'warning',
        message: `reachable in ${took} ms and its key is accepted, but it does not list ${[...new Set(missing)].join(', ')}`,
        advice: 'Check the spelling in models[].targets. Some providers list only part of their models.',
      };
    }
    return { check, level: 'ok', message: `reachable in ${took} ms, key accepted, ${models.length} models` };
  } catch (error) {
    return {
      check,
      level: 'problem',
      message: messageOf(error),
      advice: `Check base_url (${new URL(provider.baseUrl).host}) and api_key, and that this machine can connect to it.`,
    };
  }
}
