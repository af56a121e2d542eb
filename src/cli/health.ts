import { type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { CONFIG_CATALOG } from '../app/config-catalog.ts';
import { ConfigError } from '../config/errors.ts';
import type { Config } from '../config/schema.ts';
import { configWithoutFile, hasConfigFile } from '../config/without-file.ts';
import { asString, isRecord, parseJsonText } from '../core/json.ts';
import { urlOf } from './banner.ts';
import { CommandError, EXIT, type Output } from './output.ts';

/** Milliseconds until a gateway that does not respond counts as unhealthy. */
const TIMEOUT_MS = 3_000;
/** Characters of a response that are read. */
const MAX_BODY = 10_000;

export interface HealthOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The configuration file that the command line names. */
  readonly file?: string | undefined;
  /** The gateway; by default the one that this configuration describes. */
  readonly url?: string | undefined;
  /** Ask only whether the process runs, not whether it accepts requests. */
  readonly live: boolean;
  readonly output: Output;
  readonly timeoutMs?: number;
}

/**
 * Asks a running gateway for its health: the check of containers, which have no other program.
 * @returns exit code 0 when it is ready (with `live`: when it runs), otherwise 1
 */
export async function health(options: HealthOptions): Promise<number> {
  const { output, live, timeoutMs = TIMEOUT_MS } = options;
  const base = options.url ?? (await ownUrl(options));
  const url = new URL(live ? '/health/live' : '/health/ready', base);
  try {
    const { status, body } = await get(url, timeoutMs);
    const document = parseJsonText(body);
    const state = (isRecord(document) ? asString(document.status) : undefined) ?? `HTTP ${status}`;
    (status === 200 ? output.out : output.err)(state);
    return status === 200 ? EXIT.ok : EXIT.failure;
  } catch (error) {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    output.err(`no response from ${url.href}: ${reason}`);
    return EXIT.failure;
  }
}

/** A file that became invalid must not make a running gateway unhealthy: it keeps the configuration that it has. */
async function ownUrl({ env, cwd, file, output }: HealthOptions): Promise<string> {
  const source = { env, cwd, file, catalog: CONFIG_CATALOG };
  if (!hasConfigFile(source)) return addressOf(configWithoutFile(source).config);
  const { loadConfig } = await import('../config/load.ts');
  try {
    return addressOf(loadConfig(source).config);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    output.err('the configuration file is invalid; using the address of the environment');
    return addressOf(configWithoutFile(source).config);
  }
}

/** @throws CommandError where health checks have no port that they can ask */
function addressOf({ server: { host, port, metrics_port, tls } }: Config): string {
  if (!tls?.client_ca) return urlOf({ host, port, secure: tls !== null });
  if (metrics_port !== null) return urlOf({ host, port: metrics_port, secure: false });
  throw new CommandError(
    '"server.tls.client_ca" asks every client of the API for a certificate, which health checks have none of. Set "server.metrics_port": that port serves /health/live and /health/ready without TLS.',
  );
}

function get(url: URL, timeoutMs: number): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      signal: AbortSignal.timeout(timeoutMs),
      // The certificate is for the public name, and the connection stays on this machine.
      rejectUnauthorized: false,
      agent: false as const,
    };
    const read = (response: IncomingMessage) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        if (body.length < MAX_BODY) body += text;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    };
    const request =
      url.protocol === 'https:' ? requestTls(url, options, read) : requestPlain(url, options, read);
    request.on('error', reject);
    request.end();
  });
}
