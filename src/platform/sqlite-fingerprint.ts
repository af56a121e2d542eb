import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { sha256Hex } from './hash.ts';

/** Of the file: its header, with a counter of changes. */
const HEADER_BYTES = 100;
/** Of the log: its header, with random numbers that change when it begins again. */
const LOG_HEADER_BYTES = 32;
/** Of the log's index: the number of the last change and the sum of all. */
const INDEX_HEADER_BYTES = 48;

/**
 * @returns a text that differs from an earlier one where the database has changed since, without opening it; undefined where
 * there is no file
 * @see https://www.sqlite.org/walformat.html
 */
export function sqliteFingerprint(path: string): string | undefined {
  const file = beginning(path, HEADER_BYTES);
  if (file === undefined) return undefined;
  const log = beginning(`${path}-wal`, LOG_HEADER_BYTES);
  const index = beginning(`${path}-shm`, INDEX_HEADER_BYTES, false);
  return sha256Hex(JSON.stringify([file, log, index]));
}

function beginning(path: string, bytes: number, hasTimes = true): readonly string[] | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const start = Buffer.alloc(bytes);
    readSync(descriptor, start, 0, bytes, 0);
    const { ino, size, mtimeNs } = fstatSync(descriptor, { bigint: true });
    // The index is mapped into memory, and has no useful times.
    return [start.toString('hex'), ...(hasTimes ? [ino, size, mtimeNs].map(String) : [])];
  } finally {
    closeSync(descriptor);
  }
}
