// Bundles the program when its sources have changed since the last build. Starting a thousand modules takes twice as long.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root, runtimeEnvironment } from './setup.mjs';

const folder = join(root, 'dist/program');
/** A gateway that still runs loads modules of its own build later, so some earlier builds remain. */
const KEPT_BUILDS = 5;

/** A digest of what the build reads: of sources their paths, sizes and times. */
function sources() {
  const hash = createHash('sha256').update(readFileSync(join(root, 'package-lock.json')));
  hash.update(readFileSync(join(root, 'scripts/build-program.ts')));
  const names = readdirSync(join(root, 'src'), { recursive: true }).filter((name) =>
    /(?<!\.test)\.ts$/.test(name),
  );
  for (const name of names.sort()) {
    const { size, mtimeMs } = statSync(join(root, 'src', name));
    hash.update(`${name} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

function removeOldBuilds() {
  const builds = readdirSync(folder)
    .map((name) => ({ path: join(folder, name), time: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.time - a.time);
  for (const { path } of builds.slice(KEPT_BUILDS)) rmSync(path, { recursive: true, force: true });
}

/** The bundle of a released package. */
export const RELEASED = join(folder, 'released');

/**
 * Bundles the program.
 * @param bun path of the runtime
 * @param out folder of the bundle, three levels below the checkout: modules find data files by paths relative to it
 * @returns whether it succeeded
 */
export function bundleProgram(bun, out) {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const command = [join(root, 'scripts/build-program.ts'), out];
  const options = { cwd: root, stdio: ['ignore', 2, 2], env: runtimeEnvironment() };
  return spawnSync(bun, command, options).status === 0;
}

/**
 * Bundles the program if no current build is there. A failure is printed, and the sources are used.
 * @param bun path of the runtime
 * @returns path of the module to run
 */
export function buildProgram(bun) {
  const source = join(root, 'src/main.ts');
  // A released package has no lockfile, and comes with its bundle.
  if (!existsSync(join(root, 'package-lock.json'))) {
    const released = join(RELEASED, 'main.js');
    return existsSync(released) ? released : source;
  }
  const build = join(folder, sources());
  const program = join(build, 'main.js');
  if (existsSync(program)) return program;
  console.error('Weir: bundling the program (after changes only) ...');
  const unfinished = `${build}.${process.pid}`;
  if (bundleProgram(bun, unfinished)) {
    try {
      renameSync(unfinished, build);
    } catch (error) {
      // Another command has built the same in the meantime.
      if (!existsSync(program)) throw error;
      rmSync(unfinished, { recursive: true, force: true });
    }
    removeOldBuilds();
    return program;
  }
  rmSync(unfinished, { recursive: true, force: true });
  console.error('Weir: the program could not be bundled (see above); it starts from its sources.');
  return source;
}
