// Makes a fresh checkout ready: installs the locked packages if any is missing, and finds the runtime. A released package has its
// packages, and installs nothing.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

const [major] = process.versions.node.split('.').map(Number);
if (major < 20) {
  console.error(`Weir needs Node 20 or newer to set itself up; this is ${process.version}.`);
  process.exit(1);
}

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** True when every direct dependency is installed in the version that the lockfile names. */
function installed(withDev) {
  const lock = readJson(join(root, 'package-lock.json'));
  const wanted = { ...lock.packages[''].dependencies, ...(withDev ? lock.packages[''].devDependencies : {}) };
  return Object.keys(wanted).every((name) => {
    const manifest = join(root, 'node_modules', name, 'package.json');
    return (
      existsSync(manifest) && readJson(manifest).version === lock.packages[`node_modules/${name}`].version
    );
  });
}

/** npm publishes no package-lock.json, so a released package has none. */
const isCheckout = existsSync(join(root, 'package-lock.json'));

/** The folder of a package that `from` can load, or undefined. npm may have installed it in a folder above this one. */
function folderOf(name, from) {
  try {
    return dirname(createRequire(from).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/** The runtime's executable, or undefined. Its own installer may have been blocked, so the platform package is tried too. */
function findBun() {
  const own = folderOf('bun', join(root, 'package.json'));
  if (own === undefined) return undefined;
  const places = [join(own, 'bin/bun.exe')];
  for (const suffix of ['', '-baseline', '-musl', '-musl-baseline']) {
    const name = `bun-${process.platform}-${process.arch === 'arm64' ? 'aarch64' : process.arch}${suffix}`;
    const folder = folderOf(`@oven/${name}`, join(own, 'package.json'));
    if (folder) places.push(join(folder, 'bin', process.platform === 'win32' ? 'bun.exe' : 'bun'));
  }
  // A blocked install script leaves a stub of a few hundred bytes in place of the executable.
  return places.find((path) => existsSync(path) && statSync(path).size > 1_000_000);
}

/**
 * Installs what a checkout lacks and returns the path of the runtime.
 * @param {{ withDev?: boolean }} [options] withDev: also what tests and benchmarks need
 */
export function setUp({ withDev = false } = {}) {
  if (isCheckout && !installed(withDev)) {
    console.error('Weir: installing packages (first start only) ...');
    const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...(withDev ? [] : ['--omit=dev'])];
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    // Installer output goes to stderr, so that `--json` and pipes stay clean.
    const done = spawnSync(npm, args, {
      cwd: root,
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32',
    });
    if (done.status !== 0) {
      console.error('Weir: `npm ci` failed (see above). Is the package registry reachable from here?');
      process.exit(1);
    }
  }
  let bun = findBun();
  if (!bun && isCheckout) {
    spawnSync(process.execPath, [join(root, 'node_modules/bun/install.js')], { stdio: ['ignore', 2, 2] });
    bun = findBun();
  }
  if (!bun) {
    console.error(
      `Weir: no runtime for ${process.platform}-${process.arch}: the npm package "bun" installed none. Reinstall without --omit=optional.`,
    );
    process.exit(1);
  }
  return bun;
}

/** Environment that the runtime reads before it starts, so it cannot be set from inside. */
export function runtimeEnvironment() {
  return {
    ...process.env,
    // Outgoing requests in flight; the runtime's default of 256 would queue the 257th stream without a word.
    BUN_CONFIG_MAX_HTTP_REQUESTS: process.env.BUN_CONFIG_MAX_HTTP_REQUESTS ?? '65336',
    // Freed memory is needed again within a second; what twenty seconds did not need is returned. See docs/decisions/0020.
    MIMALLOC_PURGE_DELAY: process.env.MIMALLOC_PURGE_DELAY ?? '20000',
    BUN_RUNTIME_TRANSPILER_CACHE_PATH: process.env.BUN_RUNTIME_TRANSPILER_CACHE_PATH ?? '0',
  };
}
