import { z } from 'zod';
import { parseJsonText } from '../../core/json.ts';
import {
  ObjectMissingError,
  type ObjectStorage,
  readObject,
} from '../../platform/object-storage/object-storage.ts';
import { MANIFEST } from './manifest.ts';
import { SNAPSHOTS } from './repository/repository.ts';
import { snapshotTime } from './repository/snapshot.ts';

const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

/**
 * Reads when the latest complete backup of a location began: of a repository, or of a plain backup in a folder. It needs no
 * passphrase, because the names of backups contain their times.
 * @returns Unix milliseconds; undefined for a location without a backup
 * @throws ObjectStorageError while the location is unreachable
 */
export async function latestBackupAt(storage: ObjectStorage): Promise<number | undefined> {
  let latest: number | undefined;
  for await (const { key } of storage.list(SNAPSHOTS)) {
    latest = snapshotTime(key.slice(SNAPSHOTS.length)) ?? latest;
  }
  return latest ?? plainBackupAt(storage);
}

/** @returns undefined also for a manifest that is altered, which `weir backup verify` reports */
async function plainBackupAt(storage: ObjectStorage): Promise<number | undefined> {
  try {
    const text = String(await readObject(storage, MANIFEST, MAX_MANIFEST_BYTES));
    const { data } = manifest.safeParse(parseJsonText(text));
    return data && Date.parse(data.created_at);
  } catch (error) {
    if (error instanceof ObjectMissingError) return undefined;
    throw error;
  }
}

const manifest = z.object({ created_at: z.iso.datetime() });
