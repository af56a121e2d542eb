// Builds the Dockerfile with buildah, which needs no engine, and unpacks the result.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { nodeRoot } from './debian-root.mjs';
import { run } from './process.mjs';

/** Variables with which this machine reaches registries. */
const NETWORK = [
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'npm_config_registry',
];
/** Files with which it does. Steps see them, and the image does not contain them. */
const SETTINGS = ['/etc/apt', '/etc/ssl/certs', '/etc/npmrc', join(homedir(), '.npmrc')];

/**
 * Executes every step of the Dockerfile in a Debian root.
 * @returns {Promise<{ root: string, bytes: number, config: Record<string, unknown> }>} root: the unpacked image; bytes: compressed
 *   size of its layers; config: as engines read it
 */
export async function buildImage({ root, tools, temporary, print }) {
  const buildah = await tools.apt(['buildah'], 'buildah');
  const folder = temporary();
  const store = [
    '--root',
    join(folder, 'store'),
    '--runroot',
    join(folder, 'run'),
    '--storage-driver',
    'overlay',
  ];
  const call = async (args, options) => (await run([buildah, ...store, ...args], options)).stdout.trim();
  const base = join(folder, 'base');
  await nodeRoot(tools, print, base);
  try {
    const container = await call(['from', 'scratch']);
    await call(['add', '--quiet', container, base, '/']);
    for (const name of NETWORK.filter((one) => process.env[one])) {
      await call(['config', '--env', `${name}=${process.env[name]}`, container]);
    }
    await call(['commit', '--quiet', '--rm', container, 'localhost/builder']);
    print('      building the Dockerfile (buildah)');
    const settings = SETTINGS.filter(existsSync).flatMap((path) => ['--volume', `${path}:${path}:ro`]);
    const flags = ['--isolation', 'chroot', '--network', 'host', '--pull-never', '--format', 'docker'];
    const names = ['--build-arg', 'BUILDER=localhost/builder', '--build-arg', 'VERSION=0.0.0-verify'];
    await call(['build', ...flags, ...settings, ...names, '--tag', 'localhost/weir', '.'], {
      cwd: root,
      timeoutMs: 1_800_000,
    });
    const { Docker } = JSON.parse(await call(['inspect', '--type', 'image', 'localhost/weir']));
    const archive = join(folder, 'archive');
    await call(['push', '--quiet', '--format', 'oci', 'localhost/weir', `oci:${archive}:weir`]);
    return { ...(await unpack(archive, join(folder, 'image'))), config: Docker.config };
  } finally {
    // Overlay storage is a mount of its own, and cannot be deleted before.
    await run(['umount', join(folder, 'store/overlay')], { ok: [0, 1, 32] });
  }
}

/** Unpacks the layers of an OCI layout, in their order. */
async function unpack(archive, out) {
  const blob = (digest) => join(archive, 'blobs', digest.replace(':', '/'));
  const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
  const [index] = readJson(join(archive, 'index.json')).manifests;
  const { layers } = readJson(blob(index.digest));
  mkdirSync(out, { recursive: true });
  let bytes = 0;
  for (const { digest, size } of layers) {
    bytes += size;
    await run(['tar', '--extract', '--gzip', '--same-owner', '--file', blob(digest), '--directory', out]);
  }
  return { root: out, bytes };
}

/** Folders that belong to the gateway's user. */
const VOLUMES = ['/backups', '/var/lib/weir'];

/** @returns {string[]} problems of an unpacked image: other programs, files that its user could change, missing parts */
export function inspectRoot(root, uid) {
  const problems = [];
  const programs = [];
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(root.length);
    if (entry.isSymbolicLink()) continue;
    const { mode, uid: owner } = statSync(path);
    if (mode & 0o6000) problems.push(`${name} is setuid or setgid`);
    if (owner === uid && !VOLUMES.includes(name)) problems.push(`${name} belongs to the gateway's user`);
    if (mode & 0o002 && name !== '/tmp') problems.push(`${name} is writable by everyone`);
    if (entry.isFile() && mode & 0o111 && !/\.so[.\d]*$/.test(name)) programs.push(name);
  }
  const others = programs.filter((name) => !['/usr/bin/weir', '/usr/lib/weir/bun'].includes(name));
  if (others.length > 0) problems.push(`programs beside the gateway: ${others.slice(0, 10)}`);
  for (const name of VOLUMES) {
    const found = statSync(join(root, name), { throwIfNoEntry: false });
    if (found?.uid !== uid || (found.mode & 0o777) !== 0o700)
      problems.push(`${name} does not belong to the gateway's user alone`);
  }
  for (const name of [
    '/etc/ssl/certs/ca-certificates.crt',
    '/usr/share/zoneinfo/Europe/Zurich',
    '/etc/passwd',
  ]) {
    if (!existsSync(join(root, name))) problems.push(`${name} is missing`);
  }
  return problems;
}
