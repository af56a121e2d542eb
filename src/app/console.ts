import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ConsoleBuild, ConsoleFile } from '../api/console.ts';

const FOLDER = fileURLToPath(new URL('../../console/dist', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.woff2': 'font/woff2',
  '.svg': 'image/svg+xml',
};
const ZIPPED = '.gz';

/** Reads the console that `console/build.ts` wrote. @returns undefined when it is not built */
export async function readConsole(folder = FOLDER): Promise<ConsoleBuild | undefined> {
  let page: string;
  try {
    page = await readFile(join(folder, 'index.html'), 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const assets = join(folder, 'assets');
  const names = await readdir(assets);
  const bytesOf = async (name: string) => new Uint8Array(await readFile(join(assets, name)));
  const files = new Map<string, ConsoleFile>();
  for (const name of names) {
    const contentType = TYPES[extname(name)];
    if (contentType === undefined) continue;
    const gzipped = names.includes(name + ZIPPED) ? { gzipped: await bytesOf(name + ZIPPED) } : {};
    files.set(name, { bytes: await bytesOf(name), contentType, ...gzipped });
  }
  return { page, files };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
