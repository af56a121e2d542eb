// Builds the web console when its sources have changed since the last build. A released package contains the built one.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, runtimeEnvironment } from './setup.mjs';

const folder = join(root, 'console');
const stamp = join(folder, 'dist', 'sources.sha256');
const installed = join(folder, 'node_modules', '.package-lock.json');

/** A digest of all that the build reads. */
function sources() {
  const hash = createHash('sha256');
  const names = readdirSync(join(folder, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const others = ['index.html', 'build.ts', 'package-lock.json'].map((name) => join(folder, name));
  for (const path of [...others, ...names]) hash.update(path.slice(folder.length)).update(readFileSync(path));
  return hash.digest('hex');
}

const isCurrent = (wanted) => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;

function isInstalled() {
  if (!existsSync(installed)) return false;
  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
  return Object.entries(lock.packages[''].dependencies).every(([name]) => {
    const manifest = join(folder, 'node_modules', name, 'package.json');
    return (
      existsSync(manifest) &&
      JSON.parse(readFileSync(manifest, 'utf8')).version === lock.packages[`node_modules/${name}`].version
    );
  });
}

/** Installs the packages that the console is built from. @returns whether it succeeded */
export function installConsole() {
  if (isInstalled()) return true;
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // What it prints goes to stderr, so that `--json` and pipes stay clean.
  const options = { cwd: folder, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' };
  // The plugin of Tailwind has the runtime as a peer, which is not in this lockfile. npm before 11.19 takes that for an error.
  const args = ['ci', '--legacy-peer-deps', '--no-audit', '--no-fund', '--loglevel=error'];
  return spawnSync(npm, args, options).status === 0;
}

/**
 * Builds the console if it is not current. A failure is printed, and leaves the gateway without a console.
 * @param bun path of the runtime
 * @returns whether a current console is there
 */
export function buildConsole(bun) {
  if (!existsSync(join(folder, 'src'))) return existsSync(join(folder, 'dist'));
  const wanted = sources();
  if (isCurrent(wanted)) return true;
  console.error('Weir: building the console (after changes only) ...');
  rmSync(stamp, { force: true });
  const built =
    installConsole() &&
    spawnSync(bun, [join(folder, 'build.ts')], {
      cwd: root,
      stdio: ['ignore', 2, 2],
      env: runtimeEnvironment(),
    }).status === 0;
  if (built) writeFileSync(stamp, wanted);
  else console.error('Weir: the console could not be built (see above); everything else works.');
  return built;
}
