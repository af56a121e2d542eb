import { hostname } from 'node:os';
import { z } from 'zod';
import { parseJsonText } from '../../../core/json.ts';
import {
  ObjectExistsError,
  ObjectMissingError,
  type ObjectStorage,
  readObject,
} from '../../../platform/object-storage/object-storage.ts';
import { BackupError } from '../manifest.ts';

const LOCK = 'lock.json';
const MAX_BYTES = 4_096;
const RENEW_MS = 60_000;
/** A lock that was not renewed for this long belongs to a process that ended without releasing it. */
const STALE_MS = 600_000;

const holder = z.object({ id: z.string(), host: z.string(), pid: z.int(), at: z.iso.datetime() });

/**
 * Runs `work` while no other process writes to or deletes from the storage: a deleted chunk could be one that a backup is about
 * to reuse.
 * @throws BackupError when another process holds the lock
 */
export async function withRepositoryLock<T>(
  storage: ObjectStorage,
  id: string,
  now: () => Date,
  work: () => Promise<T>,
): Promise<T> {
  const described = () =>
    Buffer.from(JSON.stringify({ id, host: hostname(), pid: process.pid, at: now().toISOString() }));
  await take(storage, described, now);
  // A failed renewal is repeated by the next one, long before the lock is stale.
  const timer = setInterval(() => void storage.put(LOCK, described()).catch(() => undefined), RENEW_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await storage.delete(LOCK);
  }
}

async function take(storage: ObjectStorage, described: () => Buffer, now: () => Date): Promise<void> {
  try {
    await storage.put(LOCK, described(), { ifAbsent: true });
    return;
  } catch (error) {
    if (!(error instanceof ObjectExistsError)) throw error;
  }
  const other = await readHolder(storage);
  if (other && now().getTime() - Date.parse(other.at) < STALE_MS) {
    throw new BackupError(
      `Another backup to ${storage.location} is running (process ${other.pid} on ${other.host}, at ${other.at}). Wait for its end; a lock whose process has ended expires after 10 minutes.`,
    );
  }
  await storage.delete(LOCK);
  await storage.put(LOCK, described(), { ifAbsent: true });
}

/** @returns undefined for a lock that was released meanwhile, or is not readable */
async function readHolder(storage: ObjectStorage) {
  try {
    return holder.safeParse(parseJsonText(String(await readObject(storage, LOCK, MAX_BYTES)))).data;
  } catch (error) {
    if (error instanceof ObjectMissingError) return undefined;
    throw error;
  }
}
