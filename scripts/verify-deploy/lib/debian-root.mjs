// A Debian root for builds: what the image of the builder contains, without a registry of images.
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './process.mjs';

const SUITE = 'bookworm';
/** The packages of Debian's image of Node, and what our package needs. */
const PACKAGES = ['adduser', 'ca-certificates'];
const NPM = 'npm@11.6.2';

/**
 * A minimal Debian, built once and kept in the cache.
 * @returns {Promise<string>} its folder, not to be changed
 * @throws {import('./tools.mjs').ToolUnavailable} without root or debootstrap
 */
export async function debianRoot(tools, print) {
  const debootstrap = await tools.apt(['debootstrap'], 'debootstrap');
  const folder = join(tools.folder, 'roots', [SUITE, ...PACKAGES].join('+'));
  if (existsSync(folder)) return folder;
  print(`      installing Debian ${SUITE} into a folder`);
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  await run([debootstrap, '--variant=minbase', `--include=${PACKAGES}`, SUITE, partial], {
    timeoutMs: 1_200_000,
  });
  // The archives of installed packages are half of the root.
  rmSync(join(partial, 'var/cache/apt/archives'), { recursive: true, force: true });
  renameSync(partial, folder);
  return folder;
}

/**
 * Copies the Debian root, and adds this machine's Node and an npm of the registry.
 * @param {string} out
 */
export async function nodeRoot(tools, print, out) {
  await run(['cp', '--archive', await debianRoot(tools, print), out]);
  const npm = dirname(dirname(dirname(await tools.npm(NPM, 'npm'))));
  const modules = join(out, 'usr/local/lib/node_modules');
  mkdirSync(modules, { recursive: true });
  cpSync(process.execPath, join(out, 'usr/local/bin/node'));
  cpSync(join(npm, 'node_modules/npm'), join(modules, 'npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(out, 'usr/local/bin/npm'));
}
