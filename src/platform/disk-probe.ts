import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes; more than any single write to a database or journal needs to begin. */
const PROBE_SIZE = 1024 * 1024;

/** Writes a file to a folder and removes it. @throws Error when the disk is full or not writable */
export function probeFolder(folder: string): void {
  const path = join(folder, `.write-probe-${process.pid}`);
  try {
    const descriptor = openSync(path, 'w', 0o600);
    try {
      writeAll(descriptor, new Uint8Array(PROBE_SIZE));
    } finally {
      closeSync(descriptor);
    }
  } finally {
    rmSync(path, { force: true });
  }
}

/** Writes all bytes. @throws Error when the disk is full: a single write may end early without one */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(descriptor, bytes, written);
}
