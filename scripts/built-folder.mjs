// Parts of the product that are built from a folder with packages of its own: the console and the guide.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

/** Longest build. Milliseconds */
const LOCK_MS = 180_000;
const POLL_MS = 200;

/** Files below a path, or the file itself. */
function filesOf(path) {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** A folder of the checkout that is built when what it reads has changed. A release contains the built files. */
export class BuiltFolder {
  /**
   * @param {string} name of the folder, and of what is built
   * @param {string[]} inputs files and folders that the build reads, as paths from the checkout
   */
  constructor(name, inputs) {
    this.name = name;
    this.folder = join(root, name);
    this.inputs = [`${name}/package-lock.json`, ...inputs];
    this.stamp = join(this.folder, 'dist', 'sources.sha256');
  }

  #digest() {
    const hash = createHash('sha256');
    for (const path of this.inputs.flatMap((input) => filesOf(join(root, input)))) {
      hash.update(path.slice(root.length)).update(readFileSync(path));
    }
    return hash.digest('hex');
  }

  #isInstalled() {
    if (!existsSync(join(this.folder, 'node_modules', '.package-lock.json'))) return false;
    const lock = JSON.parse(readFileSync(join(this.folder, 'package-lock.json'), 'utf8'));
    return Object.entries(lock.packages[''].dependencies).every(([name]) => {
      const manifest = join(this.folder, 'node_modules', name, 'package.json');
      return (
        existsSync(manifest) &&
        JSON.parse(readFileSync(manifest, 'utf8')).version === lock.packages[`node_modules/${name}`].version
      );
    });
  }

  /** Installs the packages of the build. @returns whether it succeeded */
  install() {
    if (this.#isInstalled()) return true;
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    // What it prints goes to stderr, so that `--json` and pipes stay clean.
    const options = { cwd: this.folder, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' };
    // The plugin of Tailwind has the runtime as a peer, which is not in this lockfile. npm before 11.19 takes that for an error.
    const args = ['ci', '--legacy-peer-deps', '--no-audit', '--no-fund', '--loglevel=error'];
    return spawnSync(npm, args, options).status === 0;
  }

  /** @returns whether it is built from the sources as they are, or there are no sources: a release */
  isCurrent() {
    if (this.inputs.some((input) => !existsSync(join(root, input))))
      return existsSync(join(this.folder, 'dist'));
    return existsSync(this.stamp) && readFileSync(this.stamp, 'utf8') === this.#digest();
  }

  /**
   * Builds it if it is not current. A failure is printed, and leaves the gateway without it.
   * @param {string} file the program that builds
   * @param {Record<string, string | undefined>} env
   * @param {string} build the script that it runs
   * @returns whether it is there
   */
  build(file, env, build) {
    if (this.isCurrent()) return true;
    if (!existsSync(build)) return false;
    const release = this.#lock();
    try {
      return this.isCurrent() || this.#build(file, env, build);
    } finally {
      release();
    }
  }

  /** Waits while another process builds: both would install into one folder. @returns a function that lets the next one build */
  #lock() {
    const path = join(this.folder, 'building');
    for (;;) {
      try {
        mkdirSync(path);
        return () => rmSync(path, { recursive: true, force: true });
      } catch (error) {
        if (error.code !== 'EEXIST') throw error;
      }
      const since = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
      // Left by one that was killed.
      if (Date.now() - since > LOCK_MS) rmSync(path, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
    }
  }

  #build(file, env, build) {
    const digest = this.#digest();
    console.error(`Weir: building the ${this.name} (after changes only) ...`);
    rmSync(this.stamp, { force: true });
    const isBuilt =
      this.install() && spawnSync(file, [build], { cwd: root, stdio: ['ignore', 2, 2], env }).status === 0;
    if (isBuilt) writeFileSync(this.stamp, digest);
    else console.error(`Weir: the ${this.name} could not be built (see above); everything else works.`);
    return isBuilt;
  }
}
