import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { StaticFile } from '../http/static-file.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.svg': 'image/svg+xml',
};
const ZIPPED = '.gz';

/**
 * Reads all files of a folder that a build wrote.
 * @returns by path below it, with `/`; files of other types are left out
 * @throws the error of the file system; {@link isMissing} tells whether there is no such folder
 */
export async function readStaticFiles(folder: string): Promise<Map<string, StaticFile>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const known = new Set(paths);
  const bytesOf = async (path: string) => new Uint8Array(await readFile(path));
  const files = new Map<string, StaticFile>();
  for (const path of paths) {
    const contentType = TYPES[extname(path)];
    if (contentType === undefined) continue;
    const gzipped = known.has(path + ZIPPED) ? { gzipped: await bytesOf(path + ZIPPED) } : {};
    const name = path.slice(folder.length + 1).replaceAll('\\', '/');
    files.set(name, { bytes: await bytesOf(path), contentType, ...gzipped });
  }
  return files;
}

/** @returns whether an error of the file system says that there is no such file or folder */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
