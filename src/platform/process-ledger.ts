import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Spawn } from './child-process.ts';

interface Entry {
  readonly pid: number;
  /** When the system started it, in its own units: another process with the same number has another. */
  readonly started: string;
}

/**
 * Keeps note of the processes that were started, in a file, so that after a sudden death the next start can end what
 * the last one left behind. Only where the system tells when a process was started (Linux).
 */
export class ProcessLedger {
  #entries: readonly Entry[];

  constructor(private readonly file: string) {
    this.#entries = read(file);
  }

  /** Ends, with their groups, those that are still running. @returns how many there were */
  endLeftovers(): number {
    const left = this.#entries.filter(({ pid, started }) => startOf(pid) === started);
    for (const { pid } of left) {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch (error) {
        // It has ended in this moment.
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
      }
    }
    this.#write([]);
    return left.length;
  }

  /** The same, with notes. */
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
    writeFileSync(`${this.file}.new`, JSON.stringify(entries));
    renameSync(`${this.file}.new`, this.file);
  }
}

function read(file: string): Entry[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // There is none yet.
    return [];
  }
  try {
    const entries: unknown = JSON.parse(text);
    return Array.isArray(entries) ? entries.filter(isEntry) : [];
  } catch {
    // Cut short by whatever ended the last process: nothing to go by.
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

/** Field 22 of `/proc/<pid>/stat`; the second, a name in brackets, may hold anything. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    // No such process, or no such file system.
    return undefined;
  }
}
