import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { type ClientOptions } from 'openai';
import { stringify } from 'yaml';
import { runtimeEnvironment, setUp } from '../../scripts/setup.mjs';
import { isRecord } from '../../src/core/json.ts';
import { sharedCertificate } from './certificates.ts';
import { collectFiles, collectOutput, isCollecting } from './collected-outputs.ts';
import { freePort } from './free-port.ts';
import planted from './planted.json' with { type: 'json' };
import { PROGRAM } from './program.ts';
import { startTlsTunnel } from './tls-tunnel.ts';
import { Waiters } from './waiters.ts';

/** Weir as a real process for end-to-end tests. */

export interface GatewayOptions {
  /** YAML text, or an object to write as YAML. Without it there is no configuration file. */
  readonly config?: string | Readonly<Record<string, unknown>>;
  /** Added to an otherwise clean environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Arguments after `serve`. */
  readonly args?: readonly string[];
  /** Where the embedded stores are kept; when absent, a fresh folder that goes away with the process. */
  readonly dataDir?: string;
  /** PEM of the authority of its certificate, where `env` or `config` sets one: its URL is `https:` then. */
  readonly ca?: string;
  /** How long it may take to become ready; 60,000 when absent. */
  readonly startTimeoutMs?: number;
  /** The port to listen on; a free one when absent. */
  readonly port?: number;
  /** Absolute path of the program to start; that of `program.ts` when absent. */
  readonly program?: string;
}

export interface GatewayExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Gateway {
  /** Without a slash at the end. */
  readonly url: string;
  /** Of the separate metrics server. */
  readonly metricsUrl: string;
  readonly adminKey: string;
  readonly pid: number;
  readonly dataDir: string;
  /** Where `writeConfig` writes, and what WEIR_CONFIG names when there is a configuration. */
  readonly configPath: string;
  stdout(): string;
  stderr(): string;
  /** The lines of stdout and stderr that are JSON objects, in order within each. */
  logs(): Record<string, unknown>[];
  /** Resolves with the first match in stdout followed by stderr; rejects when the process ends before one. */
  waitForOutput(pattern: RegExp): Promise<RegExpExecArray>;
  writeConfig(config: string | Readonly<Record<string, unknown>>): void;
  signal(name: NodeJS.Signals): void;
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<GatewayExit>;
  /** SIGTERM, and SIGKILL after `graceMs` (10,000 when absent); then removes the folders. Idempotent. */
  stop(graceMs?: number): Promise<GatewayExit>;
  /** The official SDK, with the admin key and without retries. */
  openai(overrides?: ClientOptions): OpenAI;
}

const ADMIN_KEY = planted['admin key'];

/** Nothing of the caller's environment but what a process needs to run: no provider keys, no settings. */
export function cleanEnvironment(home: string): Record<string, string> {
  const kept = Object.entries(runtimeEnvironment()).filter(
    ([name]) =>
      /^(BUN_(CONFIG|RUNTIME)|MIMALLOC)_/.test(name) || ['PATH', 'TMPDIR', 'SystemRoot'].includes(name),
  );
  const environment: Record<string, string> = { HOME: home, TZ: 'UTC' };
  for (const [name, value] of kept) if (value !== undefined) environment[name] = value;
  return environment;
}

/** One failure is one answer, for tests of other things: nothing is repeated, and no target is left alone. */
const FAILURES_SHOW = {
  retry: { attempts: 1 },
  breaker: { failures: 1_000_000, min_requests: 1_000_000 },
  cool_down: { max: '0s' },
  health: { interval: null },
};

/** `WEIR_TEST_TLS=1`: gateways serve TLS, and tests reach them through a tunnel. */
const OVER_TLS = process.env.WEIR_TEST_TLS === '1';

function writeCertificate(folder: string) {
  const { cert, key } = sharedCertificate();
  const paths = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
  writeFileSync(paths.cert, cert);
  writeFileSync(paths.key, key);
  return { ca: cert, env: { SERVER_TLS_CERT: paths.cert, SERVER_TLS_KEY: paths.key } };
}

function yamlText(config: string | Readonly<Record<string, unknown>>): string {
  if (typeof config === 'string') return config;
  const { routing = FAILURES_SHOW } = config;
  // Health checks come when a test takes long, and count as requests. Tests of them set their interval.
  const { health } = FAILURES_SHOW;
  return stringify({ ...config, routing: isRecord(routing) ? { health, ...routing } : routing });
}

function collect(child: ChildProcess, waiters: Waiters): { stdout(): string; stderr(): string } {
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8');
    child[name]?.on('data', (part: string) => {
      text[name] += part;
      waiters.changed();
    });
  }
  return { stdout: () => text.stdout, stderr: () => text.stderr };
}

async function ready(url: string, ca: string | undefined): Promise<boolean> {
  try {
    const tls = ca === undefined ? {} : { tls: { ca } };
    const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000), ...tls });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    // Refused or unanswered: not listening yet. The caller gives up at its deadline, or when the process ends.
    return false;
  }
}

/** The page at a URL; empty for a gateway that does not respond. */
async function pageOf(url: string): Promise<string> {
  try {
    return await (await fetch(url, { signal: AbortSignal.timeout(2_000) })).text();
  } catch {
    // A test may have stopped it, or its metrics.
    return '';
  }
}

function parseLogs(text: string): Record<string, unknown>[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{') || !line.endsWith('}')) return [];
    const record: Record<string, unknown> = JSON.parse(line);
    return [record];
  });
}

/**
 * Starts `weir serve` on free ports of 127.0.0.1 and resolves when it is ready. It runs in an empty folder, so
 * that no `.env` or `weir.yaml` of the checkout is read, and ends when the test process does.
 * @throws with the process's output when it ends, or is not ready in time
 */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const home = mkdtempSync(join(tmpdir(), 'weir-test-'));
  const certificate = OVER_TLS && options.ca === undefined ? writeCertificate(home) : undefined;
  const dataDir = options.dataDir ?? join(home, 'data');
  const configPath = join(home, 'weir.yaml');
  const writeConfig: Gateway['writeConfig'] = (config) => writeFileSync(configPath, yamlText(config));
  if (options.config !== undefined) writeConfig(options.config);
  const [port, metricsPort] = [options.port ?? (await freePort()), await freePort()];

  const settings: Record<string, string | undefined> = {
    ...cleanEnvironment(home),
    SERVER_HOST: '127.0.0.1',
    SERVER_PORT: String(port),
    METRICS_PORT: String(metricsPort),
    WEIR_DATA_DIR: dataDir,
    WEIR_ADMIN_KEY: ADMIN_KEY,
    WEIR_CONFIG: options.config === undefined ? undefined : configPath,
    WEIR_DETECT_ENGINES: '0',
    LOG_FORMAT: 'json',
    ...certificate?.env,
    ...options.env,
  };
  const env = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  // --no-orphans: a test process that dies without calling stop() takes the gateway with it.
  const flags = ['--no-orphans', '--no-env-file', '--no-install'];
  const args = [...flags, options.program ?? PROGRAM, 'serve', ...(options.args ?? [])];
  const child = spawn(setUp({ withDev: true }), args, { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] });

  const waiters = new Waiters();
  const { stdout, stderr } = collect(child, waiters);
  const output = () => `${stdout()}${stderr()}`;
  let end: GatewayExit | undefined;
  const exited = new Promise<GatewayExit>((resolve, reject) => {
    child.once('error', reject);
    // 'close' comes after the last of the output, 'exit' may come before it.
    child.once('close', (code, signal) => {
      end = { code, signal };
      waiters.changed();
      resolve(end);
    });
  });

  const metricsUrl = `http://127.0.0.1:${metricsPort}`;
  let isCollected = false;
  const collectOutputs = () => {
    if (isCollected || !existsSync(home)) return;
    isCollected = true;
    collectOutput('output.log', output());
    if (existsSync(dataDir)) collectFiles(dataDir);
  };
  const stop = async (graceMs = 10_000): Promise<GatewayExit> => {
    if (isCollecting && end === undefined)
      collectOutput('metrics.txt', await pageOf(`${metricsUrl}/metrics`));
    const killer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    if (end === undefined) child.kill('SIGTERM');
    try {
      return await exited;
    } finally {
      clearTimeout(killer);
      tunnel?.close();
      collectOutputs();
      rmSync(home, { recursive: true, force: true });
    }
  };

  const tunnel = certificate ? await startTlsTunnel(port, certificate.ca) : undefined;
  const url = `${options.ca === undefined ? 'http' : 'https'}://127.0.0.1:${tunnel?.port ?? port}`;
  const deadline = performance.now() + (options.startTimeoutMs ?? 60_000);
  while (!(await ready(url, options.ca)) || end !== undefined) {
    if (end === undefined && performance.now() < deadline) {
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 25)), exited]);
      continue;
    }
    const { code, signal } = await stop(0);
    const why =
      performance.now() < deadline ? `ended (code ${code}, signal ${signal})` : 'was not ready in time';
    throw new Error(`the gateway ${why}; its output:\n${output()}`);
  }
  if (child.pid === undefined) throw new Error('the gateway has no process id');

  return {
    url,
    metricsUrl,
    adminKey: settings.WEIR_ADMIN_KEY ?? ADMIN_KEY,
    pid: child.pid,
    dataDir,
    configPath,
    stdout,
    stderr,
    logs: () => parseLogs(`${stdout()}\n${stderr()}`),
    waitForOutput: async (pattern) => {
      const find = () => new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(output());
      await waiters.until(String(pattern), () => end !== undefined || find() !== null);
      const match = find();
      if (match === null) throw new Error(`the gateway ended without ${pattern}; its output:\n${output()}`);
      return match;
    },
    writeConfig,
    signal: (name) => void child.kill(name),
    exited,
    stop,
    openai: (overrides) =>
      new OpenAI({ apiKey: ADMIN_KEY, baseURL: `${url}/v1`, maxRetries: 0, ...overrides }),
  };
}
