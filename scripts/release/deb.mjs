// The Debian package: the staged gateway, its command, unit and configuration.
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { run } from '../verify-deploy/lib/process.mjs';
import { writeSbom } from './sbom.mjs';
import { stageRuntime } from './stage.mjs';

const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' };

/** Files beside the gateway: path in deploy/, path in the package, mode. */
const FILES = [
  ['debian/weir', 'usr/bin/weir', 0o755],
  ['debian/weir.yaml', 'etc/weir/weir.yaml', 0o644],
  ['debian/weir.env', 'etc/weir/weir.env', 0o640],
  ['systemd/weir.service', 'usr/lib/systemd/system/weir.service', 0o644],
  ['systemd/weir-backup.service', 'usr/lib/systemd/system/weir-backup.service', 0o644],
  ['systemd/weir-backup.timer', 'usr/lib/systemd/system/weir-backup.timer', 0o644],
  ['debian/lintian-overrides', 'usr/share/lintian/overrides/weir', 0o644],
  ['debian/conffiles', 'DEBIAN/conffiles', 0o644],
  ['debian/postinst', 'DEBIAN/postinst', 0o755],
  ['debian/prerm', 'DEBIAN/prerm', 0o755],
  ['debian/postrm', 'DEBIAN/postrm', 0o755],
];

/** Debian wants a changelog; what changed is in the release's notes. */
function changelog(version) {
  const seconds = process.env.SOURCE_DATE_EPOCH ?? Date.now() / 1000;
  const date = new Date(Number(seconds) * 1000).toUTCString().replace('GMT', '+0000');
  const lines = [
    `weir (${version}) stable; urgency=medium`,
    `  * Release ${version}.`,
    ` -- The Weir authors <weir@example.com>  ${date}`,
  ];
  return gzipSync(`${lines.join('\n\n')}\n`, { level: 9 });
}

const sizeOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);

/**
 * The tree of the package.
 * @param {string} root the checkout, with a built console
 * @param {string} bun path of the runtime
 * @param {string} out an empty folder
 * @returns {Promise<{ version: string, architecture: string }>}
 */
export async function stageDeb(root, bun, out) {
  const architecture = ARCHITECTURES[process.arch];
  if (architecture === undefined) throw new Error(`No Debian package for ${process.arch}.`);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  stageRuntime(root, bun, join(out, 'usr/lib/weir'));
  for (const [from, to, mode] of FILES) {
    mkdirSync(join(out, to, '..'), { recursive: true });
    cpSync(join(root, 'deploy', from), join(out, to));
    chmodSync(join(out, to), mode);
  }
  const doc = join(out, 'usr/share/doc/weir');
  mkdirSync(doc, { recursive: true });
  cpSync(join(root, 'LICENSE'), join(doc, 'copyright'));
  cpSync(join(root, 'README.md'), join(doc, 'README.md'));
  writeFileSync(join(doc, 'changelog.gz'), changelog(version));
  await writeSbom(root, join(doc, 'sbom.cdx.json'));
  const control = readFileSync(join(root, 'deploy/debian/control'), 'utf8')
    .replace('@VERSION@', version)
    .replace('@ARCHITECTURE@', architecture)
    .replace('@SIZE@', String(Math.ceil(sizeOf(out) / 1024)));
  writeFileSync(join(out, 'DEBIAN/control'), control);
  return { version, architecture };
}

/**
 * Builds `weir_<version>_<architecture>.deb` with dpkg-deb.
 * @param {string} folder where it is written
 * @returns {Promise<string>} its path
 */
export async function buildDeb(root, bun, folder) {
  const tree = mkdtempSync(join(tmpdir(), 'weir-deb-'));
  try {
    chmodSync(tree, 0o755);
    const { version, architecture } = await stageDeb(root, bun, tree);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `weir_${version}_${architecture}.deb`);
    await run(['dpkg-deb', '--root-owner-group', '-Zxz', '-z1', '--build', tree, path]);
    return path;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
