import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findServices } from '../../../scripts/test-services.mjs';
import { sharedCertificate } from '../certificates.ts';
import { freePort } from '../free-port.ts';
import { exitOf, outputOf, runService, serviceFolder, startService, untilReady } from './process.ts';

/** nginx and HAProxy with the configurations of `deploy/`; only addresses, paths and certificates differ. */

const { nginx, haproxy } = findServices();

/** False: their tests are skipped; scripts/test-services.mjs prints a notice. */
export const hasNginx = nginx !== undefined;
export const hasHaproxy = haproxy !== undefined;

const root = join(import.meta.dirname, '../../..');
const deployed = (path: string) => readFileSync(join(root, 'deploy', path), 'utf8');

/** Replaces texts that must be there. */
function replaced(text: string, changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((all, [from, to]) => {
    if (!all.includes(from)) throw new Error(`the configuration has no ${from}`);
    return all.replaceAll(from, to);
  }, text);
}

const servers = (ports: readonly number[], more: string) =>
  ports.map((port) => `server 127.0.0.1:${port} ${more};`).join('\n');

async function connects(url: string): Promise<boolean> {
  try {
    await fetch(url, { signal: AbortSignal.timeout(1_000), redirect: 'manual' });
    return true;
  } catch (error) {
    // A certificate that is not trusted is a server that listens.
    return error instanceof Error && 'code' in error && String(error.code).includes('SELF_SIGNED');
  }
}

export interface TestProxy {
  readonly port: number;
  /** nginx: of plain HTTP. HAProxy: of its statistics. */
  readonly secondPort: number;
  /** Lines of the access log so far. */
  accessLog(): string;
  dispose(): Promise<void>;
}

interface Program {
  readonly name: string;
  readonly file: string | undefined;
  readonly files: Readonly<Record<string, string>>;
  readonly args: (folder: string) => readonly string[];
  readonly check: (folder: string) => readonly string[];
  readonly ports: readonly [number, number];
}

async function start({ name, file, files, args, check, ports }: Program): Promise<TestProxy> {
  if (file === undefined) throw new Error(`${name} is not installed`);
  const folder = serviceFolder(name);
  // The service runs as a user without rights.
  chmodSync(folder.path, 0o755);
  for (const [path, text] of Object.entries(files))
    folder.write(path, text.replaceAll('@FOLDER@', folder.path));
  await runService(file, check(folder.path), folder.path);
  const child = startService(file, args(folder.path), folder.path);
  const output = outputOf(child);
  const exited = exitOf(child);
  await untilReady(child, output, async () => {
    const all = await Promise.all(ports.map((port) => connects(`http://127.0.0.1:${port}/`)));
    return all.every(Boolean);
  });
  return {
    port: ports[0],
    secondPort: ports[1],
    accessLog: () => {
      const path = join(folder.path, 'access.log');
      return existsSync(path) ? readFileSync(path, 'utf8') : output();
    },
    dispose: async () => {
      child.kill('SIGTERM');
      await exited;
      folder.remove();
    },
  };
}

const TEMPORARY: readonly (readonly [string, string])[] = [['/tmp/nginx', '@FOLDER@/nginx']];
const nginxArgs = (folder: string) => ['-p', folder, '-c', join(folder, 'nginx.conf'), '-g', 'daemon off;'];
const nginxCheck = (folder: string) => ['-t', '-q', '-p', folder, '-c', join(folder, 'nginx.conf')];

/** `deploy/nginx/nginx.conf` in front of gateways on these ports. */
export async function startEdge(gateways: readonly number[]): Promise<TestProxy> {
  const [tls, plain] = [await freePort(), await freePort()];
  const { cert, key } = sharedCertificate();
  return start({
    name: 'nginx',
    file: nginx,
    ports: [tls, plain],
    args: nginxArgs,
    check: nginxCheck,
    files: {
      'nginx.conf': replaced(deployed('nginx/nginx.conf'), [
        ...TEMPORARY,
        // A pipe of another user cannot be opened.
        ['/dev/stdout', '@FOLDER@/access.log'],
        ['listen 8080', `listen 127.0.0.1:${plain}`],
        ['listen 8443', `listen 127.0.0.1:${tls}`],
      ]),
      'upstream.conf': replaced(deployed('nginx/upstream.conf'), [
        // Names and their changes need Docker's resolver and a newer nginx.
        ['resolver 127.0.0.11 valid=5s;', ''],
        [
          'server weir:8080 resolve max_fails=3 fail_timeout=30s;',
          servers(gateways, 'max_fails=3 fail_timeout=30s'),
        ],
      ]),
      'certificate.conf': replaced(deployed('nginx/certificate.conf'), [['/certs/', '@FOLDER@/']]),
      'json-errors.conf': deployed('nginx/json-errors.conf'),
      'headers.conf': deployed('nginx/headers.conf'),
      'tls.crt': cert,
      'tls.key': key,
    },
  });
}

/** `deploy/nginx/engines.conf` in front of engines on these ports. */
export async function startNginxForEngines(engines: readonly number[]): Promise<TestProxy> {
  const port = await freePort();
  return start({
    name: 'nginx-engines',
    file: nginx,
    ports: [port, port],
    args: nginxArgs,
    check: nginxCheck,
    files: {
      'nginx.conf': replaced(deployed('nginx/engines.conf'), [
        ...TEMPORARY,
        ['listen 8080', `listen 127.0.0.1:${port}`],
      ]),
      'engines-upstream.conf': replaced(deployed('nginx/engines-upstream.conf'), [
        ['server chat0:8000 max_fails=3 fail_timeout=30s;', servers(engines, 'max_fails=3 fail_timeout=30s')],
        ['server chat1:8000 max_fails=3 fail_timeout=30s;', ''],
      ]),
    },
  });
}

/** `deploy/haproxy/haproxy.cfg` in front of two engines. */
export async function startHaproxy([first, second]: readonly [number, number]): Promise<TestProxy> {
  const [port, stats] = [await freePort(), await freePort()];
  return start({
    name: 'haproxy',
    file: haproxy,
    ports: [port, stats],
    args: (folder) => ['-f', join(folder, 'haproxy.cfg')],
    check: (folder) => ['-c', '-q', '-f', join(folder, 'haproxy.cfg')],
    files: {
      'haproxy.cfg': replaced(deployed('haproxy/haproxy.cfg'), [
        ['bind :8080', `bind 127.0.0.1:${port}`],
        ['bind :8404', `bind 127.0.0.1:${stats}`],
        // Systems of tests allow fewer open files.
        ['maxconn 50000', 'maxconn 2000'],
        ['chat0:8000', `127.0.0.1:${first}`],
        ['chat1:8000', `127.0.0.1:${second}`],
        // So that the test need not wait for half a minute.
        ['inter 10s fall', 'inter 200ms fall'],
      ]),
    },
  });
}
