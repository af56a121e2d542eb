// Installs the tools that checks use, each once, from package registries into the cache folder.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { lastLines, run } from './process.mjs';

/** A tool is not here, and cannot be installed or is not for this project to install. Its checks are reported as unproved, not as failed. */
export class ToolUnavailable extends Error {
  /**
   * @param {string} tool
   * @param {string} reason
   */
  constructor(tool, reason) {
    super(`${tool} is not available: ${reason}`);
    this.name = 'ToolUnavailable';
  }
}

/** The folder of installed tools: `WEIR_VERIFY_CACHE`, or a folder below the user's cache. */
export const cacheFolder = () =>
  process.env.WEIR_VERIFY_CACHE ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weir-verify-deploy');

/** Folders that Debian keeps off the PATH of users. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** @returns {string | undefined} path of a program of this machine */
export function findProgram(name) {
  return [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS]
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

export class Tools {
  /** Installations that run or have ended, by folder: two checks that use a tool install it once. */
  #installing = new Map();
  #aptUpdated = false;
  #used = new Set();

  /**
   * @param {string} folder the cache
   * @param {(line: string) => void} print reports what is installed
   */
  constructor(folder, print) {
    this.folder = folder;
    this.print = print;
  }

  /** @returns {string[]} names and versions of the tools that were asked for since the last call */
  takeUsed() {
    const used = [...this.#used];
    this.#used.clear();
    return used;
  }

  /**
   * Installs an npm package.
   * @param {string} spec name and exact version, such as `ajv-cli@5.0.0`
   * @param {string} program name of its program
   * @returns {Promise<string>} path of the program
   * @throws {ToolUnavailable}
   */
  npm(spec, program) {
    return this.#install('npm', spec, async (folder) => {
      const flags = ['--no-audit', '--no-fund', '--loglevel=error'];
      await run(['npm', 'install', '--prefix', folder, ...flags, spec]);
      return join('node_modules', '.bin', program);
    });
  }

  /**
   * Installs an npm package without a program.
   * @param {string} spec name and exact version
   * @returns {Promise<string>} path of the folder `node_modules` that has it
   * @throws {ToolUnavailable}
   */
  npmModules(spec) {
    return this.#install('npm', spec, async (folder) => {
      await run(['npm', 'install', '--prefix', folder, '--no-audit', '--no-fund', '--loglevel=error', spec]);
      return 'node_modules';
    });
  }

  /**
   * Installs a Python package in a virtual environment of its own.
   * @param {string} spec name and exact version, such as `checkov==3.2.400`; several are separated by spaces
   * @param {string} program name of its program; `python` for the interpreter that has the package
   * @returns {Promise<string>} path of the program
   * @throws {ToolUnavailable}
   */
  pip(spec, program) {
    return this.#install('pip', spec, async (folder) => {
      await run(['python3', '-m', 'venv', folder]);
      const flags = ['--disable-pip-version-check', '--quiet'];
      await run([join(folder, 'bin/python'), '-m', 'pip', 'install', ...flags, ...spec.split(' ')]);
      return join('bin', program);
    });
  }

  /**
   * Builds a Go program.
   * @param {string} spec package path and version, such as `github.com/rhysd/actionlint/cmd/actionlint@v1.7.7`
   * @param {string} program name of the program
   * @param {{ tags?: string, env?: Record<string, string> }} [options]
   * @returns {Promise<string>} path of the program
   * @throws {ToolUnavailable}
   */
  go(spec, program, { tags, env = {} } = {}) {
    return this.#install('go', spec, async (folder) => {
      const flags = tags === undefined ? [] : ['-tags', tags];
      await run(['go', 'install', ...flags, spec], {
        env: { CGO_ENABLED: '0', ...env, GOBIN: folder },
        timeoutMs: 1_200_000,
      });
      return program;
    });
  }

  /**
   * Finds a program of the system's packages, and installs it with apt where this user may.
   * @param {string[]} packages
   * @param {string} program
   * @returns {Promise<string>} path of the program
   * @throws {ToolUnavailable}
   */
  async apt(packages, program) {
    const path = findProgram(program) ?? (await this.#aptInstall(packages, program));
    const query = await run(['dpkg-query', '--search', path]).catch(() => undefined);
    const name = query?.stdout.split(':')[0] ?? packages[0];
    const format = `--showformat=$\{Version}`;
    const version = await run(['dpkg-query', '--show', format, name]).catch(() => undefined);
    this.#used.add(version === undefined ? program : `${name} ${version.stdout}`);
    return path;
  }

  async #aptInstall(packages, program) {
    if (process.getuid?.() !== 0 || findProgram('apt-get') === undefined) {
      throw new ToolUnavailable(program, `install ${packages.join(' ')} from the system's packages`);
    }
    this.print(`installing ${packages.join(' ')} (apt)`);
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    try {
      if (!this.#aptUpdated) await run(['apt-get', 'update'], { env });
      this.#aptUpdated = true;
      await run(['apt-get', 'install', '-y', '--no-install-recommends', ...packages], { env });
    } catch (error) {
      throw unavailable(program, error);
    }
    const installed = findProgram(program);
    if (installed === undefined) throw new ToolUnavailable(program, `${packages} contain no such program`);
    return installed;
  }

  /**
   * Finds a program that the user installs.
   * @param {string} program
   * @returns {string} path of the program
   * @throws {ToolUnavailable}
   */
  present(program) {
    const path = findProgram(program);
    if (path === undefined) throw new ToolUnavailable(program, 'it is not in PATH');
    return path;
  }

  /** The marker is written last: an interrupted installation is repeated. */
  #install(registry, spec, install) {
    this.#used.add(spec);
    const folder = join(this.folder, registry, spec.replaceAll(/[^\w.@=-]+/g, '_'));
    const running = this.#installing.get(folder);
    if (running !== undefined) return running;
    const installed = this.#installInto(folder, registry, spec, install);
    this.#installing.set(folder, installed);
    return installed;
  }

  async #installInto(folder, registry, spec, install) {
    // Its name is the path of the program in the folder.
    const marker = existsSync(folder) && readdirSync(folder).find((name) => name.startsWith('.program-'));
    if (marker) return join(folder, decodeURIComponent(marker.slice('.program-'.length)));
    this.print(`installing ${spec} (${registry})`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    try {
      const program = await install(folder);
      if (!existsSync(join(folder, program))) throw new Error(`it contains no program "${program}"`);
      mkdirSync(join(folder, `.program-${encodeURIComponent(program)}`));
      return join(folder, program);
    } catch (error) {
      throw unavailable(spec, error);
    }
  }
}

/** The last line of a registry client's output is its reason. */
function unavailable(tool, error) {
  return new ToolUnavailable(tool, lastLines(error instanceof Error ? error.message : String(error), 1));
}
