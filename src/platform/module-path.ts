import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A module that was found. */
export interface FoundModule {
  /** Absolute path. */
  readonly path: string;
  readonly url: string;
  /** Changes when the content of the file changes, or that of a file of its own that it imports. */
  readonly version: string;
}

/** Files of one module that are read for its version; of a larger one, changes of the others are not noticed. */
const MAX_FILES = 200;
/** Bytes of a file that is read; of a larger one, size and time of change count. */
const MAX_FILE_BYTES = 2_000_000;
const LOADERS: Readonly<Record<string, 'ts' | 'tsx' | 'jsx'>> = {
  ...{ '.ts': 'ts', '.mts': 'ts', '.cts': 'ts', '.tsx': 'tsx', '.jsx': 'jsx' },
};

/**
 * Finds a module: a path, or a package that is installed at the folder or above.
 * @param folder absolute path that relative ones begin at
 * @returns undefined where there is none
 */
export function findModule(specifier: string, folder: string): FoundModule | undefined {
  const path = resolved(specifier, folder);
  if (path === undefined) return undefined;
  try {
    return { path, url: pathToFileURL(path).href, version: versionOf(path) };
  } catch {
    // A module of the runtime itself, such as `fs`, which is no plugin.
    return undefined;
  }
}

function resolved(specifier: string, folder: string): string | undefined {
  try {
    return Bun.resolveSync(specifier, folder);
  } catch {
    // Not there, or its package.json names no such file: the message of the caller says what was looked for.
    return undefined;
  }
}

/**
 * Digests a file and the files that it imports by relative paths. Packages are left out: they change when they are installed
 * again, with a lock file or a version.
 * @throws Error where the file cannot be read
 */
function versionOf(path: string): string {
  const hash = createHash('sha256');
  const paths = [path];
  for (let index = 0; index < paths.length && index < MAX_FILES; index += 1) {
    const file = paths[index];
    if (file === undefined) break;
    hash.update(`${file}\0`);
    const { mtimeMs, size } = statSync(file);
    if (size > MAX_FILE_BYTES) {
      hash.update(`${mtimeMs} ${size}`);
      continue;
    }
    const source = readFileSync(file);
    hash.update(source);
    for (const imported of importsOf(file, source.toString('utf8'))) {
      if (!paths.includes(imported)) paths.push(imported);
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/** @returns paths of the files that a module imports by relative paths; none for other files and for faulty ones */
function importsOf(file: string, source: string): readonly string[] {
  const extension = extname(file);
  const loader = LOADERS[extension] ?? (/^\.[cm]?js$/.test(extension) ? 'js' : undefined);
  if (loader === undefined) return [];
  try {
    return new Bun.Transpiler({ loader })
      .scanImports(source)
      .filter(({ path }) => path.startsWith('.'))
      .flatMap(({ path }) => resolved(path, dirname(file)) ?? []);
  } catch {
    // The plugin's own process reports what is wrong with it.
    return [];
  }
}
