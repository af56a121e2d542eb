import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Small enough to leave no room. Bytes. */
const PIECE = 4_096;
/** How often what was freed meanwhile is taken, too. Milliseconds. */
const EVERY_MS = 20;

/** Keeps a disk full: programs that delete files would have room again. */
export class DiskFiller {
  private readonly path: string;
  private timer: ReturnType<typeof setInterval> | undefined;

  /** @param disk folder of a small disk of its own */
  constructor(disk: string) {
    this.path = join(disk, 'filler');
  }

  start(): void {
    this.fill();
    this.timer = setInterval(() => this.fill(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    rmSync(this.path, { force: true });
  }

  private fill(): void {
    const piece = new Uint8Array(PIECE);
    const file = openSync(this.path, 'a');
    try {
      while (writeSync(file, piece) === PIECE);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    } finally {
      closeSync(file);
    }
  }
}
