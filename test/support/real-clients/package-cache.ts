import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

/**
 * Packages that are too large for the project's own dependencies, installed on first use: in
 * `WEIR_TEST_CACHE`, else in the user's cache folder. A changed lockfile gets a folder of its own.
 */
export function cacheRoot(): string {
  const { WEIR_TEST_CACHE, XDG_CACHE_HOME } = process.env;
  return WEIR_TEST_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weir-tests');
}

/** What an installer wrote, if it failed. */
export class InstallError extends Error {}

/** Runs a command with its output kept. @throws InstallError with the end of its output */
export async function runInstaller(command: string, args: readonly string[], cwd: string): Promise<void> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (ended) => resolve(ended ?? 1));
  });
  if (code === 0) return;
  // The reason stands first in npm's output, and last in pip's.
  const text = output.trim();
  const shown = text.length > 1_500 ? `${text.slice(0, 900)}\n...\n${text.slice(-600)}` : text;
  throw new InstallError(`${command} ${args[0]} failed (${code}): ${shown}`);
}

/** The first twelve digits of the SHA-256 of a file. */
export const hashOf = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 12);

/**
 * Installs the packages of a folder with `package.json` and `package-lock.json`. Install scripts do not run:
 * some download from elsewhere, and the platform's binaries are packages of their own.
 * @returns the folder that contains `node_modules`
 * @throws InstallError if the registry does not provide the packages
 */
export async function installNpmPackages(folder: string): Promise<string> {
  const target = join(cacheRoot(), `${basename(folder)}-${hashOf(join(folder, 'package-lock.json'))}`);
  if (existsSync(target)) return target;
  console.error(`Installing the packages of ${basename(folder)} (first run only) ...`);
  const staging = `${target}.${process.pid}`;
  mkdirSync(staging, { recursive: true });
  try {
    for (const name of ['package.json', 'package-lock.json']) cpSync(join(folder, name), join(staging, name));
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    await runInstaller(process.platform === 'win32' ? 'npm.cmd' : 'npm', ['ci', ...flags], staging);
    renameSync(staging, target);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return target;
}

/** The newest Python that can hold the packages, or undefined. */
export function findPython(minor = 10): string | undefined {
  for (const command of ['python3', 'python']) {
    const { status, stdout } = spawnSync(command, ['-c', 'import sys, venv; print(*sys.version_info[:2])'], {
      encoding: 'utf8',
    });
    const [major, found] = (stdout ?? '').trim().split(' ').map(Number);
    if (status === 0 && major === 3 && found !== undefined && found >= minor) return command;
  }
  return undefined;
}

/**
 * Installs pinned requirements in a virtual environment.
 * @param python the command that creates the environment
 * @returns the environment's `bin` folder
 * @throws InstallError if the registry does not provide the packages
 */
export async function installPythonPackages(requirements: string, python: string): Promise<string> {
  const target = join(cacheRoot(), `python-${hashOf(requirements)}`);
  const bin = join(target, process.platform === 'win32' ? 'Scripts' : 'bin');
  // An environment cannot be moved after its creation, so a file marks the one that is complete.
  const marker = join(target, 'installed');
  if (existsSync(marker)) return bin;
  console.error('Installing Python packages (first run only) ...');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  await runInstaller(python, ['-m', 'venv', target], target);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
  await runInstaller(join(bin, 'python'), pip, target);
  writeFileSync(marker, '');
  return bin;
}
