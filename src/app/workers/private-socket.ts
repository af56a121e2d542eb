import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** The longest path of a Unix socket on all systems. Bytes. */
const MAX_PATH = 100;

/** The place of a Unix socket that only this user reaches. */
export class PrivateSocket {
  readonly path: string;
  /** Made where the path in the folder would be too long. */
  readonly #temporary: string | undefined;

  /** @param folder may be missing */
  constructor(folder: string, name: string) {
    const wanted = resolve(folder, name);
    this.#temporary = Buffer.byteLength(wanted) > MAX_PATH ? mkdtempSync(join(tmpdir(), 'weir-')) : undefined;
    this.path = this.#temporary === undefined ? wanted : join(this.#temporary, name);
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
  }

  /** Removes a socket that a killed process left. */
  clear(): void {
    rmSync(this.path, { force: true });
  }

  remove(): void {
    rmSync(this.#temporary ?? this.path, { recursive: true, force: true });
  }
}
