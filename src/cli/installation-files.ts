import { readdirSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { InstallationFile } from '../storage/backup/create-backup.ts';
import { CommandError } from './output.ts';

const MAX_FILES = 10_000;
const MAX_FILE_BYTES = 64 * 1024 * 1024;
/** Certificates and keys that the configuration names. */
const NAMED_FILE = /\.(?:pem|crt|cer|key)$/i;

/**
 * Files that an installation needs beside its databases: its configuration, the certificates that it names, and others.
 * @param config as it was read
 * @param configFile its path; null without one
 * @param included files and folders
 * @returns them by their absolute paths, without the first slash
 * @throws CommandError for one that does not exist or is too large
 */
export function installationFiles(
  config: unknown,
  configFile: string | null,
  included: readonly string[],
): readonly InstallationFile[] {
  const paths = new Set<string>();
  for (const path of included) addFiles(paths, resolve(path));
  if (configFile !== null) addFiles(paths, resolve(configFile));
  for (const text of textsOf(config)) {
    const path = resolve(text);
    // The gateway itself reports one that is missing.
    if (NAMED_FILE.test(text) && statSync(path, { throwIfNoEntry: false })?.isFile()) addFiles(paths, path);
  }
  return [...paths].sort().map((path) => ({ name: relative('/', path), path }));
}

/** Adds a file, or the files of a folder. Links are followed, because Kubernetes mounts configuration as links. */
function addFiles(paths: Set<string>, path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found)
    throw new CommandError(`${path} does not exist, so it cannot be in the backup. Correct --include.`);
  if (found.isDirectory()) {
    for (const name of readdirSync(path)) {
      const entry = join(path, name);
      const target = statSync(entry, { throwIfNoEntry: false });
      if (target?.isDirectory() || target?.isFile()) addFiles(paths, entry);
    }
    return;
  }
  if (!found.isFile()) throw new CommandError(`${path} is no file or folder, so it cannot be in the backup.`);
  if (found.size > MAX_FILE_BYTES || paths.size >= MAX_FILES) {
    throw new CommandError(
      `${path}: a backup has at most ${MAX_FILES} files of 64 MiB beside the databases. Include fewer.`,
    );
  }
  paths.add(path);
}

function* textsOf(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) yield* textsOf(part);
  }
}
