import { fileURLToPath } from 'node:url';
import type { StaticFile } from '../http/static-file.ts';
import { isMissing, readStaticFiles } from './static-files.ts';

const FOLDER = fileURLToPath(new URL('../../guide/dist', import.meta.url));

/** Reads the guide that `guide/build.js` wrote. @returns its files by path; undefined when it is not built */
export async function readGuide(folder = FOLDER): Promise<ReadonlyMap<string, StaticFile> | undefined> {
  try {
    const files = await readStaticFiles(folder);
    return files.has('index.html') ? files : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
