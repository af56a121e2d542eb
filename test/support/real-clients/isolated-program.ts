import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Folders of a program's own: an empty home and a project. */
export interface Scratch {
  readonly home: string;
  readonly project: string;
  remove(): void;
}

export function createScratch(): Scratch {
  const root = mkdtempSync(join(tmpdir(), 'weir-client-'));
  const [home, project] = [mkdtempSync(join(root, 'home-')), mkdtempSync(join(root, 'project-'))];
  return { home, project, remove: () => rmSync(root, { recursive: true, force: true }) };
}

/**
 * The environment of a program that must reach 127.0.0.1 only: no settings of the caller, and a proxy that
 * nothing listens on for every other address.
 * @param refusedUrl a URL of 127.0.0.1 whose port refuses connections
 */
export function isolatedEnvironment(home: string, refusedUrl: string): Record<string, string> {
  const local = '127.0.0.1,localhost';
  return {
    PATH: process.env.PATH ?? '',
    HOME: home,
    USERPROFILE: home,
    TMPDIR: tmpdir(),
    SHELL: '/bin/bash',
    TERM: 'dumb',
    LANG: 'C.UTF-8',
    NO_COLOR: '1',
    HTTP_PROXY: refusedUrl,
    HTTPS_PROXY: refusedUrl,
    http_proxy: refusedUrl,
    https_proxy: refusedUrl,
    NO_PROXY: local,
    no_proxy: local,
  };
}

export interface ProgramRun {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** The program and its children are killed after this time, in milliseconds. */
  readonly timeoutMs: number;
  /** Stops the program when it resolves. */
  readonly until?: Promise<unknown>;
  /** Stops the program when its output matches. */
  readonly untilOutput?: RegExp;
}

export interface ProgramResult {
  /** null when the program was killed or stopped. */
  readonly code: number | null;
  readonly timedOut: boolean;
  readonly output: string;
  readonly elapsedMs: number;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL');
  } catch (error) {
    // The group ended between the check and the signal.
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'ESRCH') throw error;
  }
}

/** Runs a program to its end, with its output kept. What it leaves running is killed. */
export async function runProgram(run: ProgramRun): Promise<ProgramResult> {
  const started = performance.now();
  const child = spawn(run.command, run.args, {
    cwd: run.cwd,
    env: run.env,
    // A group of its own, so that the programs that it starts end with it.
    detached: process.platform !== 'win32',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let ended = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (run.untilOutput?.test(output) === true && !ended) killGroup(child);
    });
  }
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child);
  }, run.timeoutMs);
  run.until?.then(
    // The id of a program that has ended may be another program's by now.
    () => ended || killGroup(child),
    // The caller waits for the same promise, and reports its failure.
    () => undefined,
  );
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (exitCode) => {
      ended = true;
      killGroup(child);
      child.once('close', () => resolve(exitCode));
    });
  });
  clearTimeout(timer);
  return { code, timedOut, output, elapsedMs: performance.now() - started };
}
