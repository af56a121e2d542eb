import type { BackupRepository } from './repository.ts';
import { snapshotTime } from './snapshot.ts';

/** Which backups are kept. The latest always is. */
export interface RetentionPolicy {
  /** The latest ones. */
  readonly last?: number;
  /** All of this time before now. Milliseconds. */
  readonly withinMs?: number;
  /** The latest one of each hour, day, week (from Monday) or month in UTC, for this many of them that have one. */
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
}

export interface PruneResult {
  readonly kept: readonly string[];
  readonly deleted: readonly string[];
  /** Chunks that no other backup has. */
  readonly chunks: number;
  /** Of them, in the storage. */
  readonly bytes: number;
}

const DAY_MS = 86_400_000;

/** @returns the names of the backups to keep. @param now Unix milliseconds */
export function keptSnapshots(
  names: readonly string[],
  policy: RetentionPolicy,
  now: number,
): ReadonlySet<string> {
  const newestFirst = names
    .map((name) => ({ name, at: snapshotTime(name) ?? 0 }))
    .sort((one, other) => other.at - one.at);
  const kept = new Set(newestFirst.slice(0, Math.max(1, policy.last ?? 0)).map(({ name }) => name));
  for (const { name, at } of newestFirst) {
    if (policy.withinMs !== undefined && at >= now - policy.withinMs) kept.add(name);
  }
  for (const [period, count = 0] of [
    [hourOf, policy.hourly],
    [dayOf, policy.daily],
    [weekOf, policy.weekly],
    [monthOf, policy.monthly],
  ] as const) {
    const seen = new Set<number>();
    for (const { name, at } of newestFirst) {
      const number = period(at);
      if (seen.has(number) || seen.size >= count) continue;
      seen.add(number);
      kept.add(name);
    }
  }
  return kept;
}

/**
 * Deletes backups that the policy does not keep, and chunks that no kept backup has. The caller holds the repository's lock.
 * @param dryRun deletes nothing, and returns what would be deleted
 * @throws BackupError when a kept backup is not readable; no chunk is deleted then
 */
export async function pruneRepository(
  repository: BackupRepository,
  policy: RetentionPolicy,
  now: number,
  dryRun: boolean,
): Promise<PruneResult> {
  const names = await repository.snapshotNames();
  const keeps = keptSnapshots(names, policy, now);
  const kept = names.filter((name) => keeps.has(name));
  const deleted = names.filter((name) => !keeps.has(name));
  const used = await usedChunks(repository, kept);
  if (!dryRun) for (const name of deleted) await repository.deleteSnapshot(name);
  let chunks = 0;
  let bytes = 0;
  const unused: string[] = [];
  for await (const chunk of repository.storedChunks()) {
    if (used.has(chunk.name)) continue;
    unused.push(chunk.name);
    chunks += 1;
    bytes += chunk.bytes;
  }
  if (!dryRun) for (const name of unused) await repository.deleteChunk(name);
  return { kept, deleted, chunks, bytes };
}

async function usedChunks(
  repository: BackupRepository,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  const used = new Set<string>();
  const indexes = new Set<string>();
  for (const name of names) {
    const { databases, journal, files } = await repository.readSnapshot(name);
    for (const { content } of [...databases, ...journal, ...files]) {
      if ('index' in content) {
        // Unchanged databases have the same index in many backups.
        if (indexes.has(content.index.name)) continue;
        indexes.add(content.index.name);
        used.add(content.index.name);
      }
      for (const chunk of await repository.chunksOf(content)) used.add(chunk.name);
    }
  }
  return used;
}

function hourOf(at: number): number {
  return Math.floor(at / 3_600_000);
}

function dayOf(at: number): number {
  return Math.floor(at / DAY_MS);
}

function weekOf(at: number): number {
  // 1 January 1970 was a Thursday.
  return Math.floor((dayOf(at) + 3) / 7);
}

function monthOf(at: number): number {
  const date = new Date(at);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}
