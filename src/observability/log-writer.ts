import SonicBoom from 'sonic-boom';

const MAX_BATCH_MS = 200;
/** Characters, nearly all of which are one byte. */
const MAX_BATCH_LENGTH = 32 * 1024;
/** Bytes that wait for a slow reader: 20,000 lines of requests. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;
const MAX_FLUSH_MS = 2_000;

/**
 * Writes lines to a file descriptor without waiting for its reader. Lines are joined into batches, because a write
 * for each request costs more CPU than everything else that logging does. Writes run on the runtime's thread pool,
 * so a pipe whose reader stalls does not stop the event loop. Beyond 8 MiB of unwritten text, lines are dropped.
 */
export class LogWriter {
  readonly #file: SonicBoom;
  #batch = '';
  #batchLines = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Not yet reported. */
  #dropped = 0;
  #lost = 0;

  /**
   * @param fd stays open
   * @param onDropped called with the number of lines lost, once the reader is keeping up again
   */
  constructor(fd: number, onDropped: (lines: number) => void) {
    this.#file = new SonicBoom({ fd, sync: false, minLength: 1, maxLength: MAX_BUFFERED_BYTES });
    this.#file.on('drop', () => {
      this.#dropped += this.#batchLines;
      this.#lost += this.#batchLines;
    });
    this.#file.on('drain', () => {
      const lines = this.#dropped;
      this.#dropped = 0;
      if (lines > 0) onDropped(lines);
    });
    this.#file.on('error', () => {
      // The log's reader is gone, or its disk is full: there is no other place to report that to. Later batches retry.
    });
  }

  /** Lines that were lost since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** @param text ends with a newline. @param now whether to write it at once, with all before it */
  write(text: string, now: boolean): void {
    this.#batch += text;
    this.#batchLines += 1;
    if (now || this.#batch.length >= MAX_BATCH_LENGTH) this.#submit();
    else this.#timer ??= setTimeout(() => this.#submit(), MAX_BATCH_MS);
  }

  /** Resolves when all lines are written, or after two seconds. */
  flush(): Promise<void> {
    this.#submit();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, MAX_FLUSH_MS);
      // Its error is that of a descriptor that can't be synced, such as a pipe, or of a write.
      this.#file.flush(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #submit(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#batch === '') return;
    this.#file.write(this.#batch);
    this.#batch = '';
    this.#batchLines = 0;
  }
}
