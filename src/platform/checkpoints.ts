import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** Shorter logs are not moved yet. Bytes. */
const SHORT_LOG = 2 * 1024 * 1024;
/** The shortest time between two checks of one database. Milliseconds. */
const PAUSE = 1_000;

/** Moves the write-ahead logs of databases into their files, on request. */
export interface CheckpointThread {
  checkpoint(path: string): void;
}

/**
 * SQLite writes into a log next to the file and moves it into the file from time to time, which waits for the disk twice:
 * ten milliseconds and more in which the gateway serves no request. A separate thread does it, started when a log is long
 * for the first time; most logs never are.
 */
export class Checkpoints {
  readonly #checkedAt = new Map<string, number>();
  #thread: CheckpointThread | undefined;

  /** @param start starts the thread and receives the callback for its failure; injected for tests, like the time */
  constructor(
    private readonly start: (onFailed: () => void) => CheckpointThread = startThread,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Reports a write to a database. */
  wrote(path: string): void {
    const now = this.now();
    if (now - (this.#checkedAt.get(path) ?? Number.NEGATIVE_INFINITY) < PAUSE) return;
    this.#checkedAt.set(path, now);
    const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
    if (!log || log.size < SHORT_LOG) return;
    this.#thread ??= this.start(() => {
      // The next long log starts another thread.
      this.#thread = undefined;
    });
    this.#thread.checkpoint(path);
  }

  /** Reports that a database was closed. */
  closed(path: string): void {
    this.#checkedAt.delete(path);
  }
}

function startThread(onFailed: () => void): CheckpointThread {
  const worker = new Worker(new URL('./checkpoint-worker.ts', import.meta.url));
  // The thread does not keep the process alive.
  worker.unref();
  worker.on('error', onFailed);
  return { checkpoint: (path) => worker.postMessage(path) };
}
