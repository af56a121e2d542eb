import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ConsoleBuild } from '../api/console.ts';
import { isMissing, readStaticFiles } from './static-files.ts';

const FOLDER = fileURLToPath(new URL('../../console/dist', import.meta.url));

/** Reads the console that `console/build.ts` wrote. @returns undefined when it is not built */
export async function readConsole(folder = FOLDER): Promise<ConsoleBuild | undefined> {
  try {
    const page = await readFile(join(folder, 'index.html'), 'utf8');
    return { page, files: await readStaticFiles(join(folder, 'assets')) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
