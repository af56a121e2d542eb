import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestCertificate } from '../certificates.ts';
import { type SecretStoreFixture, StoreServer, temporaryFolder } from './fixture.ts';

/** The API server of Kubernetes, with TLS of its own authority and the files that a pod has. */
export function kubernetesFixture(): SecretStoreFixture {
  const secrets = new Map<string, Readonly<Record<string, string>>>();
  const folder = temporaryFolder();
  const certificate = createTestCertificate();
  const token = 'a-service-account-token';
  const status = (code: number, reason: string, message: string) =>
    Response.json(
      { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code },
      { status: code },
    );
  const server = new StoreServer((request, { pathname }) => {
    if (request.headers.get('authorization') !== `Bearer ${token}`) {
      return status(401, 'Unauthorized', 'Unauthorized');
    }
    const failed = server.read({
      busy: status(429, 'TooManyRequests', 'too many requests'),
      denied: status(403, 'Forbidden', 'secrets "weir" is forbidden: User cannot get resource "secrets"'),
    });
    if (failed) return failed;
    const name = /^\/api\/v1\/namespaces\/weir\/secrets\/([\w.-]+)$/.exec(pathname)?.[1] ?? '';
    const found = secrets.get(name);
    if (!found) return status(404, 'NotFound', `secrets "${name}" not found`);
    const data = Object.fromEntries(
      Object.entries(found).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    );
    return Response.json({ kind: 'Secret', apiVersion: 'v1', metadata: { name }, type: 'Opaque', data });
  }, certificate);
  writeFileSync(join(folder.path, 'token'), `${token}\n`);
  writeFileSync(join(folder.path, 'ca.crt'), certificate.cert);
  writeFileSync(join(folder.path, 'namespace'), 'weir');
  return {
    scheme: 'k8s',
    settings: { kubernetes: { folder: folder.path } },
    env: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT_HTTPS: String(server.port) },
    put: (name, fields) => secrets.set(name, fields),
    reference: (name, key) => `k8s://weir/${name}#${key}`,
    get mode() {
      return server.mode;
    },
    set mode(mode) {
      server.mode = mode;
    },
    get reads() {
      return server.reads;
    },
    credentials: [token],
    close: () => {
      server.close();
      folder.remove();
    },
  };
}

/** Files of this machine. A denied read is of a folder; there are no busy ones. */
export function fileFixture(): SecretStoreFixture {
  const folder = temporaryFolder();
  return {
    scheme: 'file',
    settings: {},
    env: {},
    put: (name, fields) => writeFileSync(join(folder.path, name), `${JSON.stringify(fields)}\n`),
    reference: (name, key) => `file://${folder.path}/${name}#${key}`,
    mode: 'works',
    reads: 0,
    credentials: [],
    close: () => rmSync(folder.path, { recursive: true, force: true }),
  };
}

/** Variables of this process. */
export function environmentFixture(): SecretStoreFixture {
  const env: Record<string, string> = {};
  return {
    scheme: 'env',
    settings: {},
    env,
    put: (name, fields) => {
      env[variableOf(name)] = JSON.stringify(fields);
    },
    reference: (name, key) => `env://${variableOf(name)}#${key}`,
    mode: 'works',
    reads: 0,
    credentials: [],
    close: () => undefined,
  };
}

function variableOf(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
