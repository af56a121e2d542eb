import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface ProcessSpec {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
}

export interface ProcessEvents {
  /** Receives each line of standard output and standard error. */
  readonly onLine: (line: string) => void;
  /** Called once, when the process ends or fails to start. */
  readonly onExit: (reason: string) => void;
}

export interface RunningProcess {
  readonly pid: number | undefined;
  /** Asks the process group to end, or kills it. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
}

/** Starts a program. Tests inject another function. */
export type Spawn = (spec: ProcessSpec, events: ProcessEvents) => RunningProcess;

/** Longer lines are cut: progress bars write lines without an end. UTF-16 units. */
const MAX_LINE_LENGTH = 2_000;

/** Starts the program in its own process group: an interrupt at the terminal must not end it while requests are in flight. */
export const spawnProcess: Spawn = ({ command: [program = '', ...args], env, cwd }, { onLine, onExit }) => {
  const child = spawn(program, args, {
    env,
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let over = false;
  const end = (reason: string) => {
    if (over) return;
    over = true;
    onExit(reason);
  };
  child.once('error', (error) => end(`could not be started: ${error.message}`));
  child.once('exit', (code, signal) =>
    end(signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
  );
  for (const stream of [child.stdout, child.stderr]) readLines(stream, onLine);
  return {
    pid: child.pid,
    signal: (name) => {
      if (!over && child.pid !== undefined) killGroup(child.pid, name);
    },
  };
};

/** The path of a command's program; undefined when it is not found or not executable. */
export function findProgram(name: string, searchPath: string | undefined): string | undefined {
  const places = name.includes('/')
    ? [name]
    : (searchPath ?? '')
        .split(delimiter)
        .filter(Boolean)
        .map((folder) => join(folder, name));
  return places.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      // Missing or not executable here: try the next folder.
      return false;
    }
  });
}

function readLines(stream: ChildProcess['stdout'], onLine: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (part: string) => {
    const lines = (rest + part).split(/\r\n|[\r\n]/);
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_LENGTH);
    for (const line of lines) if (line.trim() !== '') onLine(line.slice(0, MAX_LINE_LENGTH));
  });
  stream?.on('end', () => {
    if (rest.trim() !== '') onLine(rest);
  });
  // The exit event reports the failure.
  stream?.on('error', () => undefined);
}

/** Sends a signal to a process group; one that has ended is left alone. */
export function killGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch (error) {
    // It just ended; its exit event follows.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
