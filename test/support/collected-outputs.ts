import { copyFileSync, linkSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * What gateways of end-to-end tests write, kept for `scripts/leak-scan.mjs`, which looks for planted secrets and personal data.
 * Nothing is kept without `WEIR_TEST_OUTPUTS`, the name of a folder.
 */
const FOLDER = process.env.WEIR_TEST_OUTPUTS;

export const isCollecting = FOLDER !== undefined && FOLDER !== '';

/** A path that nothing else has. @param name such as `stdout.log` */
function freshPath(name: string): string {
  const path = join(FOLDER ?? '', `${process.pid}-${process.hrtime.bigint().toString(36)}`, name);
  mkdirSync(dirname(path), { recursive: true });
  return path;
}

/** Keeps a text, such as the log of a gateway or what a collector received. */
export function collectOutput(name: string, content: string | Uint8Array): void {
  if (isCollecting && content.length > 0) writeFileSync(freshPath(name), content);
}

/** Keeps the files of a folder: databases, journals, log files. None is copied where the file system can link it. */
export function collectFiles(folder: string): void {
  if (!isCollecting) return;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const from = join(entry.parentPath, entry.name);
    const to = freshPath(entry.name);
    try {
      linkSync(from, to);
    } catch {
      // Another file system: the tests of a full disk have one of their own.
      copyFileSync(from, to);
    }
  }
}
