import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const WANTED_FILES = 65_536;
const RAISE_LIMIT = `ulimit -n ${WANTED_FILES} 2>/dev/null || ulimit -n "$(ulimit -Hn)" 2>/dev/null`;
const LOG_TAIL = 4000;

/** How many files a process started by `Children` may have open. */
export function openFilesLimit(): number {
  const done = spawnSync('sh', ['-c', `${RAISE_LIMIT}; ulimit -n`], { encoding: 'utf8' });
  const limit = done.stdout?.trim();
  return limit === 'unlimited' ? WANTED_FILES : Number(limit) || 256;
}

export interface StartOptions {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Where standard output goes: to the log file with standard error, or to `onLine` of the caller. */
  readonly onLine?: (line: string) => void;
}

/** A running child process. */
export class Child {
  /** Resolves when the process has ended and its output is read, with how it ended. */
  readonly ended: Promise<string>;
  readonly pid: number;
  private running = true;

  constructor(
    readonly name: string,
    private readonly process: ChildProcess,
    pid: number,
    private readonly logFile: string,
  ) {
    this.pid = pid;
    this.ended = new Promise((resolve) => {
      // Not `exit`, which may come before the last lines of its output.
      process.once('close', (code, signal) => {
        this.running = false;
        resolve(signal ? `signal ${signal}` : `exit code ${code}`);
      });
    });
  }

  write(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  kill(signal: NodeJS.Signals): void {
    if (this.running) this.process.kill(signal);
  }

  /** Asks the process to end, and after `graceMs` makes it. */
  async stop(graceMs = 8000): Promise<void> {
    this.process.stdin?.end();
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  /** The last of what it wrote to its log. */
  logTail(): string {
    return readFileSync(this.logFile, 'utf8').slice(-LOG_TAIL);
  }
}

/** Starts processes, and makes sure that none outlives the bench. */
export class Children {
  private readonly running = new Set<Child>();
  private readonly counts = new Map<string, number>();

  /** @param logFolder a temporary folder that the caller removes */
  constructor(private readonly logFolder: string) {}

  /** @throws when the executable cannot be started */
  async start(options: StartOptions): Promise<Child> {
    const count = (this.counts.get(options.name) ?? 0) + 1;
    this.counts.set(options.name, count);
    const logFile = join(this.logFolder, `${options.name}-${count}.log`);
    const log = openSync(logFile, 'a');
    // The shell raises the limit and then becomes the program, so the process id is the program's.
    const child = spawn('sh', ['-c', `${RAISE_LIMIT}; exec "$@"`, 'sh', ...options.command], {
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdio: ['pipe', options.onLine ? 'pipe' : log, log],
    });
    closeSync(log);
    const { pid } = child;
    if (pid === undefined) {
      const reason = await new Promise<Error>((resolve) => child.once('error', resolve));
      throw new Error(`${options.name} could not be started: ${reason.message}`);
    }
    // Writing to a process that has just ended is noticed by its exit.
    child.stdin?.on('error', () => undefined);
    if (child.stdout && options.onLine) createInterface({ input: child.stdout }).on('line', options.onLine);
    const started = new Child(options.name, child, pid, logFile);
    this.running.add(started);
    started.ended.then(() => this.running.delete(started));
    return started;
  }

  /** Starts a process that prints `{"port":n}` as its first line. @throws when it ends before, or says nothing in time */
  async startWithPort(options: Omit<StartOptions, 'onLine'>): Promise<{ child: Child; port: number }> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const child = await this.start({
      ...options,
      onLine: (line) => {
        const said: unknown = JSON.parse(line);
        if (typeof said === 'object' && said !== null && 'port' in said) resolve(Number(said.port));
      },
    });
    child.ended.then((how) => reject(new Error(`${child.name} ended (${how}): ${child.logTail()}`)));
    return { child, port: await withDeadline(promise, 15_000, `${child.name} to start`) };
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.running].map((child) => child.stop()));
  }

  /** For the last moment, when nothing can be awaited any more. */
  killAll(): void {
    for (const child of this.running) child.kill('SIGKILL');
  }
}

/** @throws Error saying what was waited for, when it takes too long */
export async function withDeadline<T>(work: Promise<T>, limitMs: number, waitedFor: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`waited ${Math.round(limitMs / 1000)} s for ${waitedFor}`)),
    limitMs,
  );
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
