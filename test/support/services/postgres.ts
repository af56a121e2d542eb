import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import pg from 'pg';
import { findServices, servicesWanted } from '../../../scripts/test-services.mjs';
import type { TestCertificate } from '../certificates.ts';
import { freePort } from '../free-port.ts';
import {
  exitOf,
  outputOf,
  runService,
  type ServiceFolder,
  serviceFolder,
  startService,
  untilReady,
} from './process.ts';

/** A real PostgreSQL server for tests. */
export interface TestPostgres {
  /** Of a fresh, empty database on it. */
  freshUrl(): Promise<string>;
  /** Number of connections of gateways that do not use TLS. */
  plainConnections(): Promise<number>;
  /** Ends the server; what was committed stays. */
  stop(): Promise<void>;
  /** Starts it again where it was. */
  start(): Promise<void>;
  dispose(): Promise<void>;
}

const { initdb, postgres } = findServices();
const givenUrl = servicesWanted ? process.env.WEIR_TEST_POSTGRES_URL : undefined;

/** False: its tests are skipped; scripts/test-services.mjs prints a notice. */
export const hasPostgres = Boolean(givenUrl) || (initdb !== undefined && postgres !== undefined);
/** False if the server was given by URL: tests must not stop it. */
export const canStopPostgres = initdb !== undefined && postgres !== undefined;

async function plainConnections(url: string): Promise<number> {
  const rows = await query(
    url,
    `SELECT count(*)::int AS count FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
     WHERE application_name = 'weir' AND NOT ssl`,
  );
  return Number(rows[0]?.count);
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text);
    return rows;
  } finally {
    await client.end();
  }
}

/** @returns the settings that name the files */
function writeCertificate(folder: ServiceFolder, { cert, key }: TestCertificate) {
  return {
    ssl_cert_file: folder.write('server.crt', cert),
    ssl_key_file: folder.write('server.key', key),
  };
}

let names = 0;

async function freshDatabase(server: string): Promise<string> {
  names += 1;
  const name = `weir_test_${process.pid}_${names}`;
  await query(server, `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
  await query(server, `CREATE DATABASE "${name}" TEMPLATE template0`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

/** A server of the test's own, which it may stop and start. */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
  certificate?: TestCertificate,
): Promise<TestPostgres> {
  if (initdb === undefined || postgres === undefined) throw new Error('PostgreSQL is not installed');
  const folder = serviceFolder('postgres');
  const data = join(folder.path, 'data');
  await runService(
    initdb,
    ['-D', data, '-U', 'weir', '--auth=trust', '--locale=C', '--encoding=UTF8', '--no-sync'],
    folder.path,
  );
  const port = await freePort();
  const url = `postgres://weir@127.0.0.1:${port}/postgres`;
  const all = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    fsync: 'off',
    full_page_writes: 'off',
    autovacuum: 'off',
    max_connections: '120',
    ...(certificate && { ssl: 'on', ...writeCertificate(folder, certificate) }),
    ...settings,
  };
  const args = ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  let child: ChildProcess | undefined;
  const start = async () => {
    child = startService(postgres, args, folder.path);
    await untilReady(child, outputOf(child), () =>
      query(url, 'SELECT 1').then(
        () => true,
        () => false,
      ),
    );
  };
  const stop = async () => {
    if (!child || child.exitCode !== null) return;
    const exited = exitOf(child);
    // "Immediate": it does not wait for its clients, like a machine that goes away.
    child.kill('SIGQUIT');
    await exited;
    child = undefined;
  };
  await start();
  return {
    freshUrl: () => freshDatabase(url),
    plainConnections: () => plainConnections(url),
    stop,
    start,
    dispose: async () => {
      await stop();
      folder.remove();
    },
  };
}

let shared: Promise<TestPostgres> | undefined;

/** One server for all tests that don't stop it; it ends with the tests. */
export function sharedPostgres(): Promise<TestPostgres> {
  shared ??= givenUrl
    ? Promise.resolve({
        freshUrl: () => freshDatabase(givenUrl),
        plainConnections: () => plainConnections(givenUrl),
        stop: () => Promise.reject(new Error('not ours to stop')),
        start: async () => undefined,
        dispose: async () => undefined,
      })
    : startPostgres();
  return shared;
}
