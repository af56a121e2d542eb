import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Spawn } from './child-process.ts';

interface Entry {
  readonly pid: number;
  /** The process's start time in the system's units: it tells a process from a later one with the same id. */
  readonly started: string;
}

/**
 * Records started processes in a file, so that after a crash the next start can end the processes that remained. Only
 * where the system reports the start time of a process (Linux).
 */
export class ProcessLedger {
  #entries: readonly Entry[];

  /**
   * @param onWriteFailed receives the error of a record that the disk rejects, and a retry; processes run without a record
   *   until then
   */
  constructor(
    private readonly file: string,
    private readonly onWriteFailed: (error: unknown, retry: () => void) => void = () => undefined,
  ) {
    this.#entries = read(file);
  }

  /** Ends recorded processes that still run, with their process groups. @returns their number */
  endLeftovers(): number {
    const left = this.#entries.filter(({ pid, started }) => startOf(pid) === started);
    for (const { pid } of left) {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch (error) {
        // It ended between the check and the signal.
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
      }
    }
    this.#write([]);
    return left.length;
  }

  /** A spawn function that also records the processes that it starts. */
  noting(spawn: Spawn): Spawn {
    return (spec, events) => {
      let pid: number | undefined;
      const running = spawn(spec, {
        ...events,
        onExit: (reason) => {
          if (pid !== undefined) this.#write(this.#entries.filter((entry) => entry.pid !== pid));
          events.onExit(reason);
        },
      });
      pid = running.pid;
      const started = pid === undefined ? undefined : startOf(pid);
      if (pid !== undefined && started !== undefined) this.#write([...this.#entries, { pid, started }]);
      return running;
    };
  }

  #write(entries: readonly Entry[]): void {
    if (entries.length === 0 && this.#entries.length === 0) return;
    this.#entries = entries;
    try {
      this.#save();
    } catch (error) {
      this.onWriteFailed(error, () => this.#save());
    }
  }

  #save(): void {
    writeFileSync(`${this.file}.new`, JSON.stringify(this.#entries));
    renameSync(`${this.file}.new`, this.file);
  }
}

function read(file: string): Entry[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // The file does not exist yet.
    return [];
  }
  try {
    const entries: unknown = JSON.parse(text);
    return Array.isArray(entries) ? entries.filter(isEntry) : [];
  } catch {
    // Truncated by the crash of the last process: no usable record.
    return [];
  }
}

function isEntry(value: unknown): value is Entry {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    Number.isSafeInteger(value.pid) &&
    Number(value.pid) > 1 &&
    'started' in value &&
    typeof value.started === 'string'
  );
}

/** Field 22 of `/proc/<pid>/stat`. The second field, a name in brackets, may contain any character. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    // No such process, or no such file system.
    return undefined;
  }
}
