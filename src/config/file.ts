import { closeSync, openSync, readSync } from 'node:fs';

export const DEFAULT_CONFIG_FILE = 'weir.yaml';
/** Far more than a configuration needs: a larger file is the wrong file. */
export const MAX_CONFIG_BYTES = 1024 ** 2;

/** A file's bytes; at least the first `MAX_CONFIG_BYTES + 1` of a larger one. Throws the system's error. */
export type ReadFile = (path: string) => Uint8Array;

/** Reads at most one byte more than the limit, whatever the path is. */
export const readBounded: ReadFile = (path) => {
  const descriptor = openSync(path, 'r');
  try {
    const buffer = new Uint8Array(MAX_CONFIG_BYTES + 1);
    let length = 0;
    while (length < buffer.length) {
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return buffer.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
};
