import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { findProgram } from './child-process.ts';

/** A program that exchanges lines with this process. */
export interface MessageProcessSpec {
  /** A module that the runtime of this process runs. */
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Bytes. The program is killed above it. */
  readonly memoryLimit: number;
  /** Begins the lines of the program that are messages. */
  readonly token: string;
  /** Bytes of the longest line. */
  readonly maxLine: number;
}

export interface MessageProcessEvents {
  /** Receives each line that begins with the token, without it. */
  readonly onMessage: (line: string) => void;
  /** Receives each other line of its standard output and error. */
  readonly onPrinted: (line: string) => void;
  /** Called once, when it ends or cannot be started. @param reason why it was killed; undefined where it ended itself */
  readonly onExit: (how: string, reason: 'memory' | 'protocol' | undefined) => void;
}

export interface MessageProcess {
  readonly pid: number | undefined;
  /** Bytes of memory at the last look. */
  readonly memory: number;
  /** @returns false where more than 16 MiB wait to be read: nothing is sent */
  send(line: string): boolean;
  kill(): void;
}

/** Starts a program that exchanges lines. Tests inject another function. */
export type SpawnMessageProcess = (spec: MessageProcessSpec, events: MessageProcessEvents) => MessageProcess;

/** Bytes that a program may print between two looks at its memory: more would cost this process its time. */
const MAX_PRINTED = 1024 * 1024;
const MAX_UNSENT = 16 * 1024 * 1024;
/** A program that fills memory as fast as it can takes some 150 MB in this time. Milliseconds. */
const WATCH_MS = 100;
/** Where a process has no file with its memory, `ps` tells. Milliseconds. */
const SLOW_WATCH_MS = 1_000;
/** Data that the runtime reserves when it starts, and does not use. Bytes. */
const DATA_MARGIN = 320 * 1024 * 1024;
const PAGE = 4_096;

/**
 * Starts a program in its own process group, with a limit of memory: of its data, by the system, where `prlimit` is installed,
 * and of its resident memory, by watching. It ends when this process does.
 */
export const spawnMessageProcess: SpawnMessageProcess = (spec, events) => {
  const { program, env, cwd, memoryLimit, token, maxLine } = spec;
  const runtime = [process.execPath, '--no-orphans', '--no-env-file', '--no-install', program];
  const prlimit = process.platform === 'linux' ? findProgram('prlimit', process.env.PATH) : undefined;
  const [command = '', ...args] = prlimit
    ? [prlimit, `--data=${memoryLimit + DATA_MARGIN}`, '--core=0', ...runtime]
    : runtime;
  const child = spawn(command, args, { env, cwd, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  let over = false;
  let reason: 'memory' | 'protocol' | undefined;
  let memory = 0;
  let unsent = 0;
  let printed = 0;
  const kill = () => {
    if (!over && child.pid !== undefined) killGroup(child.pid);
  };
  const watch = startWatch(child, (bytes) => {
    memory = bytes;
    printed = 0;
    if (bytes <= memoryLimit) return;
    reason ??= 'memory';
    kill();
  });
  const end = (how: string) => {
    if (over) return;
    over = true;
    clearInterval(watch);
    events.onExit(how, reason);
  };
  child.once('error', (error) => end(`could not be started: ${error.message}`));
  child.once('exit', (code, signal) =>
    end(signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
  );
  const tooLong = () => {
    reason ??= 'protocol';
    kill();
  };
  const print = (line: string) => {
    printed += line.length;
    if (printed > MAX_PRINTED) tooLong();
    else events.onPrinted(line);
  };
  splitLines(child.stdout, maxLine, tooLong, (line) => {
    // Text that the plugin wrote to the file itself, without a line end, may come before a message.
    const at = line.indexOf(token);
    if (at < 0) print(line);
    else {
      if (at > 0) print(line.slice(0, at));
      events.onMessage(line.slice(at + token.length));
    }
  });
  splitLines(child.stderr, maxLine, tooLong, print);
  // The exit event reports the failure.
  child.stdin?.on('error', () => undefined);
  return {
    pid: child.pid,
    get memory() {
      return memory;
    },
    send: (line) => {
      if (over || unsent > MAX_UNSENT) return false;
      const bytes = Buffer.byteLength(line) + 1;
      unsent += bytes;
      child.stdin?.write(`${line}\n`, () => {
        unsent -= bytes;
      });
      return true;
    },
    kill,
  };
};

function startWatch(child: ChildProcess, onMemory: (bytes: number) => void): NodeJS.Timeout {
  const { pid } = child;
  if (pid === undefined) return setInterval(() => undefined, SLOW_WATCH_MS).unref();
  if (process.platform === 'linux') {
    return setInterval(() => {
      const bytes = residentMemory(pid);
      if (bytes !== undefined) onMemory(bytes);
    }, WATCH_MS).unref();
  }
  return setInterval(() => {
    execFile('ps', ['-o', 'rss=', '-p', String(pid)], (error, stdout) => {
      if (!error) onMemory(Number(stdout.trim()) * 1_024);
    });
  }, SLOW_WATCH_MS).unref();
}

/** @returns bytes; undefined when the process has ended */
function residentMemory(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE;
  } catch {
    // It has ended; its exit event follows.
    return undefined;
  }
}

/** Splits a stream at line ends. Calls `tooLong` for a line above the limit, and reads no more. */
function splitLines(
  stream: ChildProcess['stdout'],
  maxLine: number,
  tooLong: () => void,
  onLine: (line: string) => void,
): void {
  let parts: string[] = [];
  let length = 0;
  let isOver = false;
  const emit = (last: string) => {
    parts.push(last);
    const line = parts.join('');
    parts = [];
    length = 0;
    if (line !== '') onLine(line);
  };
  stream?.setEncoding('utf8');
  stream?.on('data', (piece: string) => {
    if (isOver) return;
    const lines = piece.split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) emit(line);
    length += rest.length;
    parts.push(rest);
    if (length <= maxLine) return;
    isOver = true;
    parts = [];
    tooLong();
  });
  stream?.on('end', () => emit(''));
  stream?.on('error', () => undefined);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has just ended; its exit event follows.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
