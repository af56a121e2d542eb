import { statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** A module that was found. */
export interface FoundModule {
  /** Absolute path. */
  readonly path: string;
  readonly url: string;
  /** Changes when the file does. */
  readonly version: string;
}

/**
 * Finds a module: a path, or a package that is installed at the folder or above.
 * @param folder absolute path that relative ones begin at
 * @returns undefined where there is none
 */
export function findModule(specifier: string, folder: string): FoundModule | undefined {
  let path: string;
  try {
    path = Bun.resolveSync(specifier, folder);
  } catch {
    // Not there, or its package.json names no such file: the message of the caller says what was looked for.
    return undefined;
  }
  try {
    const { mtimeMs, size } = statSync(path);
    return { path, url: pathToFileURL(path).href, version: `${mtimeMs}-${size}` };
  } catch {
    // A module of the runtime itself, such as `fs`, which is no plugin.
    return undefined;
  }
}
