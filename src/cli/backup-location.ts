import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ObjectStorage } from '../platform/object-storage/object-storage.ts';
import { openObjectStorage } from '../platform/object-storage/open-object-storage.ts';
import { BackupError, isBackup } from '../storage/backup/manifest.ts';
import { parseKeyFile, type RepositorySecret } from '../storage/backup/repository/keys.ts';
import { BackupRepository } from '../storage/backup/repository/repository.ts';
import { RepositorySource } from '../storage/backup/repository/repository-source.ts';
import { snapshotTime } from '../storage/backup/repository/snapshot.ts';
import { type BackupSource, FolderSource } from '../storage/backup/source.ts';
import { CommandError } from './output.ts';
import { parseTime } from './values.ts';

/** Options of every command on backups. */
export interface LocationFlags {
  readonly passphraseFile?: string;
  readonly keyFile?: string;
  readonly endpoint?: string;
  readonly region?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const MIN_PASSPHRASE = 12;

export function openStorage(location: string, env: Environment, flags: LocationFlags): ObjectStorage {
  return openObjectStorage(location, env, { endpoint: flags.endpoint, region: flags.region });
}

/** Whether a location contains one backup as a folder, and no repository. */
export function isPlainBackup(location: string): boolean {
  return existsSync(location) && isBackup(location);
}

/** @returns what encrypts the backups; undefined for none. @throws CommandError for both, or an unusable one */
export function secretFrom(env: Environment, flags: LocationFlags): RepositorySecret | undefined {
  const keyFile = flags.keyFile ?? (env.WEIR_BACKUP_KEY_FILE || undefined);
  const passphrase =
    flags.passphraseFile === undefined
      ? env.WEIR_BACKUP_PASSPHRASE || undefined
      : readText(flags.passphraseFile).replace(/\r?\n$/, '');
  if (keyFile !== undefined && passphrase !== undefined) {
    throw new CommandError('There is a passphrase and a key file. Backups are encrypted with one of them.');
  }
  if (keyFile !== undefined) return { kind: 'key', key: parseKeyFile(readText(keyFile), keyFile) };
  if (passphrase === undefined) return undefined;
  if (passphrase.length < MIN_PASSPHRASE) {
    throw new CommandError(`The passphrase of the backups has less than ${MIN_PASSPHRASE} characters.`);
  }
  return { kind: 'passphrase', passphrase };
}

export async function openRepository(
  location: string,
  env: Environment,
  flags: LocationFlags,
): Promise<BackupRepository> {
  return BackupRepository.open(openStorage(location, env, flags), secretFrom(env, flags));
}

/**
 * Opens the backup to restore or verify.
 * @param at a time, or the name of a backup: the latest backup at that time; undefined for the latest
 */
export async function openSource(
  location: string,
  env: Environment,
  flags: LocationFlags,
  at: string | undefined,
): Promise<BackupSource> {
  if (isPlainBackup(location)) {
    if (at === undefined) return new FolderSource(location);
    throw new CommandError(`${location} contains one backup, so --at selects none.`);
  }
  const storage = openStorage(location, env, flags);
  // The message for a folder that is no backup at all.
  if (!/^s3:/.test(location) && !existsSync(join(storage.location, 'weir-backups.json'))) {
    return new FolderSource(location);
  }
  const repository = await BackupRepository.open(storage, secretFrom(env, flags));
  const name = selectSnapshot(await repository.snapshotNames(), at, repository.location);
  return new RepositorySource(repository, await repository.readSnapshot(name));
}

function selectSnapshot(names: readonly string[], at: string | undefined, location: string): string {
  const latest = names.at(-1);
  if (latest === undefined) throw new BackupError(`${location} contains no backup yet.`);
  if (at === undefined) return latest;
  if (names.includes(at)) return at;
  const time = parseTime(at);
  if (time === undefined) {
    throw new CommandError(
      `${JSON.stringify(at)} is neither a backup nor a time. Write a time such as 2026-11-30T08:00:00Z.`,
    );
  }
  const found = names.findLast((name) => (snapshotTime(name) ?? 0) <= time);
  if (found !== undefined) return found;
  throw new BackupError(
    `${location} has no backup of ${at} or before. The earliest is ${names[0]}; \`weir backup list\` prints all.`,
  );
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(`${path} is not readable: ${reason}.`, { cause });
  }
}
