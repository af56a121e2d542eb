// Starts the system's nginx with our configuration in front of a gateway, with a certificate of its own.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.mjs';
import { freePort, Service } from './service.mjs';

/**
 * @param {{ root: string, tools: object, temporary: () => string }} context
 * @param {string} gateway URL of the gateway
 * @param {(call: (path: string, options?: string[]) => Promise<string>) => Promise<void>} use gets a client that trusts the
 *   certificate: it returns a response's body, and throws for a status from 400
 */
export async function withNginx({ root, tools, temporary }, gateway, use) {
  const nginx = await tools.apt(['nginx-light'], 'nginx');
  const openssl = await tools.apt(['openssl'], 'openssl');
  const folder = temporary();
  cpSync(join(root, 'deploy/nginx'), folder, { recursive: true });
  const certificate = join(folder, 'tls.crt');
  const key = join(folder, 'tls.key');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'];
  await run([
    openssl,
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    certificate,
    ...subject,
  ]);
  writeFileSync(
    join(folder, 'certificate.conf'),
    `ssl_certificate ${certificate};\nssl_certificate_key ${key};\n`,
  );
  const { host } = new URL(gateway);
  writeFileSync(join(folder, 'upstream.conf'), `upstream weir { server ${host}; keepalive 8; }\n`);
  const [plain, secure] = [await freePort(), await freePort()];
  mkdirSync(join(folder, 'tmp'));
  const text = readFileSync(join(folder, 'nginx.conf'), 'utf8')
    .replace('listen 8080;', `listen 127.0.0.1:${plain};`)
    .replace('listen 8443 ', `listen 127.0.0.1:${secure} `)
    .replaceAll('/tmp/', `${folder}/tmp/`)
    // The output of a child of Node is a socket, which cannot be opened by name.
    .replaceAll('/dev/stdout', join(folder, 'access.log'));
  writeFileSync(join(folder, 'nginx.conf'), text);
  const service = new Service([nginx, '-p', folder, '-c', join(folder, 'nginx.conf'), '-g', 'daemon off;'], {
    env: { PATH: process.env.PATH },
  });
  try {
    await service.ready(`http://127.0.0.1:${plain}/health/live`);
    await use(async (path, options = []) => {
      const tls = ['--cacert', certificate, '--tlsv1.2', '--resolve', `localhost:${secure}:127.0.0.1`];
      const flags = ['--silent', '--show-error', '--fail', '--noproxy', '*', ...tls, ...options];
      return (await run(['curl', ...flags, `https://localhost:${secure}${path}`])).stdout;
    });
  } finally {
    await service.stop();
  }
}
