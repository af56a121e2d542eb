import { closeSync, fsyncSync, openSync } from 'node:fs';

/** Waits until the disk has a file's content, or a folder's entries: after a rename they survive a power failure. */
export function syncToDisk(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
