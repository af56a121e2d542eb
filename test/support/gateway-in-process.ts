import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { CONFIG_CATALOG } from '../../src/app/config-catalog.ts';
import { createGateway, type Gateway } from '../../src/app/gateway.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { isRecord, parseJsonText } from '../../src/core/json.ts';
import { createLog } from '../../src/observability/log.ts';
import { asHttpRequest, asResponse } from './web-messages.ts';

export interface Call {
  /** Sent as `Authorization: Bearer`. */
  readonly key?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** The client's address; another one for each call when absent, so that no limit of addresses applies. */
  readonly address?: string;
}

export interface CallResult {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; `{}` for other bodies. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** A gateway without sockets, in the process of the test. Its API is complete; background jobs do not run. */
export interface InProcessGateway {
  readonly gateway: Gateway;
  readonly adminKey: string;
  call(method: string, path: string, call?: Call): Promise<CallResult>;
  close(): Promise<void>;
}

const ADMIN_KEY = 'wr-admin-in-process-0123456789abcdef';

export interface InProcessOptions {
  /** The configuration, as an object; the default one when absent. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly clock?: Clock;
  /** Additional environment variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts one with an empty data folder. */
export async function gatewayInProcess({
  config = {},
  clock = systemClock,
  env: more = {},
}: InProcessOptions = {}): Promise<InProcessGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-in-process-'));
  const env = {
    WEIR_ADMIN_KEY: ADMIN_KEY,
    WEIR_DATA_DIR: join(folder, 'data'),
    WEIR_DETECT_ENGINES: '0',
    WEIR_CONFIG: 'weir.yaml',
    LOG_LEVEL: 'silent',
    NODE_ENV: 'test',
    ...more,
  };
  const yaml = new TextEncoder().encode(stringify(config));
  const gateway = await createGateway({
    env,
    clock,
    loaded: loadConfig({ env, cwd: folder, catalog: CONFIG_CATALOG, readFile: () => yaml }),
    log: createLog({ level: 'silent', format: 'json', colour: false, wallTime: () => clock.wallTime() }),
    version: '0.0.0',
  });
  gateway.lifecycle.ready();
  let calls = 0;
  return {
    gateway,
    adminKey: ADMIN_KEY,
    call: async (method, path, { key, headers = {}, body, address } = {}) => {
      calls += 1;
      const request = new Request(`http://weir.test${path}`, {
        method,
        headers: {
          host: 'weir.test',
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const remoteAddress = address ?? `10.${(calls >> 16) & 255}.${(calls >> 8) & 255}.${calls & 255}`;
      const response = asResponse(await gateway.router.handle({ ...asHttpRequest(request), remoteAddress }));
      const text = ENDLESS.test(path) ? await cancelled(response) : await response.text();
      return { status: response.status, headers: response.headers, text, body: objectIn(text) };
    },
    close: async () => {
      await gateway.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Streams that end when their client leaves. */
const ENDLESS = /^\/admin\/v1\/(live|events\/stream|tenants\/[^/]+\/events\/stream)\b/;

/** @returns an error's body; nothing of a stream */
async function cancelled(response: Response): Promise<string> {
  if (response.status !== 200) return response.text();
  await response.body?.cancel();
  return '';
}

function objectIn(text: string): Readonly<Record<string, unknown>> {
  const parsed = parseJsonText(text);
  return isRecord(parsed) ? parsed : {};
}
