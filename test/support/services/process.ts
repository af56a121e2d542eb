import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SETPRIV = '/usr/bin/setpriv';
/** The user `nobody`: PostgreSQL does not run as root. */
const UNPRIVILEGED = 65_534;
const isRoot = process.getuid?.() === 0;

export interface ServiceFolder {
  readonly path: string;
  /** Writes a file that only the service may read. @returns its path */
  write(name: string, content: string): string;
  remove(): void;
}

/** A folder that a service may write to. */
export function serviceFolder(name: string): ServiceFolder {
  const path = mkdtempSync(join(tmpdir(), `weir-${name}-`));
  const own = (file: string) => {
    if (isRoot) chownSync(file, UNPRIVILEGED, UNPRIVILEGED);
  };
  own(path);
  return {
    path,
    write: (file, content) => {
      const target = join(path, file);
      writeFileSync(target, content, { mode: 0o600 });
      own(target);
      return target;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Starts a service as a user without rights. It ends when the tests do, however they end. */
export function startService(file: string, args: readonly string[], cwd: string): ChildProcess {
  const options = { cwd, stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'] };
  if (!existsSync(SETPRIV)) return spawn(file, args, options);
  const user = isRoot ? [`--reuid=${UNPRIVILEGED}`, `--regid=${UNPRIVILEGED}`, '--clear-groups'] : [];
  return spawn(SETPRIV, [...user, '--pdeathsig', 'KILL', file, ...args], options);
}

/** Runs a program of a service to its end. @throws with its output when it fails */
export async function runService(file: string, args: readonly string[], cwd: string): Promise<void> {
  const child = startService(file, args, cwd);
  const output = outputOf(child);
  const code = await exitOf(child);
  if (code !== 0) throw new Error(`${file} ended with ${code}: ${output()}`);
}

export function outputOf(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (part: string) => {
      text += part;
    });
  }
  return () => text;
}

export function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
}

/** Asks until a service answers. @throws with its output when it ends or does not answer in time */
export async function untilReady(
  child: ChildProcess,
  output: () => string,
  answers: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await answers())) {
    if (child.exitCode !== null || performance.now() > deadline) {
      throw new Error(`the service did not start: ${output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
