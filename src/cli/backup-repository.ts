import { setTimeout as delay } from 'node:timers/promises';
import { journalFolder } from '../app/database-servers.ts';
import { readJournal } from '../metering/journal-files.ts';
import { type ObjectStorage, ObjectStorageError } from '../platform/object-storage/object-storage.ts';
import { randomIds } from '../platform/random-ids.ts';
import type { InstallationFile } from '../storage/backup/create-backup.ts';
import { BackupError } from '../storage/backup/manifest.ts';
import { createSnapshot } from '../storage/backup/repository/create-snapshot.ts';
import { withRepositoryLock } from '../storage/backup/repository/lock.ts';
import { BackupRepository } from '../storage/backup/repository/repository.ts';
import { verifySnapshot } from '../storage/backup/repository/repository-source.ts';
import { pruneRepository, type RetentionPolicy } from '../storage/backup/repository/retention.ts';
import { contentBytes, type Snapshot, snapshotTime } from '../storage/backup/repository/snapshot.ts';
import { isUnavailable } from '../storage/sql/database-errors.ts';
import {
  type BackupContext,
  type BackupFlags,
  count,
  serversOf,
  sizeText,
  withCommandErrors,
} from './backup-context.ts';
import {
  type LocationFlags,
  openRepository,
  openSource,
  openStorage,
  secretFrom,
} from './backup-location.ts';
import { type RetentionFlags, retentionFrom } from './backup-retention.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { progressLine } from './progress.ts';
import { durationFrom, shortTime } from './values.ts';

interface RepositoryFlags extends BackupFlags {
  readonly everyMs: number | undefined;
  readonly retention: RetentionPolicy | undefined;
}

/** Deleting lists all chunks, which stores charge for: it happens once an hour, whatever process makes the backups. */
const PRUNE_EVERY_MS = 3_600_000;
const LAST_PRUNE = 'last-prune';

/** Adds a backup to a repository, or one after the other until SIGTERM or SIGINT. */
export async function backUpToRepository(
  context: BackupContext,
  location: string,
  flags: RepositoryFlags,
  files: readonly InstallationFile[],
): Promise<void> {
  const { env, output } = context;
  const storage = openStorage(location, env, flags);
  const secret = secretFrom(env, flags);
  const exists = await BackupRepository.existsIn(storage);
  if (!exists && !(await isEmpty(storage))) {
    throw new BackupError(
      `${storage.location} is not empty and contains no backups. Choose another location.`,
    );
  }
  const repository = exists
    ? await BackupRepository.open(storage, secret)
    : await BackupRepository.create(storage, secret, new Date());
  const job = new BackupJob(context, repository, flags, files);
  if (flags.everyMs === undefined) return job.run();
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort());
  while (!ending.signal.aborted) {
    const next = performance.now() + flags.everyMs;
    try {
      await job.run();
    } catch (error) {
      // The next one may succeed: a database or store that is down comes back.
      if (!isPassing(error)) throw error;
      output.err(`The backup failed: ${error instanceof Error ? error.message : String(error)}`);
    }
    // Rejects at the signal.
    await delay(Math.max(0, next - performance.now()), undefined, { signal: ending.signal }).catch(
      () => undefined,
    );
  }
}

async function isEmpty(storage: ObjectStorage): Promise<boolean> {
  for await (const _ of storage.list('')) return false;
  return true;
}

function isPassing(error: unknown): boolean {
  return error instanceof BackupError || error instanceof ObjectStorageError || isUnavailable(error);
}

/** One backup, with what follows it. */
class BackupJob {
  readonly #nextId = randomIds('');
  #saidSecret = false;

  constructor(
    private readonly context: BackupContext,
    private readonly repository: BackupRepository,
    private readonly flags: RepositoryFlags,
    private readonly files: readonly InstallationFile[],
  ) {}

  async run(): Promise<void> {
    const { config, env, output, version } = this.context;
    const { repository, flags } = this;
    const progress = progressLine(output);
    const began = performance.now();
    const now = () => new Date();
    await withRepositoryLock(repository.storage, this.#nextId(), now, async () => {
      const made = await createSnapshot({
        ...{ repository, version, files: this.files, full: flags.full === true, now },
        servers: serversOf(config, output),
        journal: () => readJournal(journalFolder(config)),
        secret: env.WEIR_SECRET || undefined,
        randomId: () => this.#nextId().slice(0, 8),
        onProgress: ({ done, total, bytes }) =>
          progress.show(`${done} of ${total} databases, ${sizeText(bytes)}`),
      }).finally(() => progress.clear());
      this.#report(made, (performance.now() - began) / 1_000);
      await this.#prune();
    });
  }

  #report(made: Snapshot, seconds: number): void {
    const { output } = this.context;
    const { location, isEncrypted } = this.repository;
    const summary = summaryOf(made);
    if (this.flags.json) {
      const rounded = Math.round(seconds * 1_000) / 1_000;
      output.out(JSON.stringify({ location, encrypted: isEncrypted, seconds: rounded, ...summary }));
      return;
    }
    output.out(
      `Backed up ${count(summary.tenants, 'tenant')} (${sizeText(summary.bytes)}, ${sizeText(summary.new_bytes)} new) to ${location} as ${made.name} in ${seconds.toFixed(1)} s.`,
    );
    if (isEncrypted || this.#saidSecret) return;
    this.#saidSecret = true;
    output.err('The backups are not encrypted: store them where only operators can read them.');
  }

  async #prune(): Promise<void> {
    const { retention, json } = this.flags;
    if (retention === undefined) return;
    const { storage } = this.repository;
    const last = await storage.head(LAST_PRUNE);
    if (last !== undefined && Date.now() - last.modifiedAt < PRUNE_EVERY_MS) return;
    const result = await pruneRepository(this.repository, retention, Date.now(), false);
    await storage.put(LAST_PRUNE, new Uint8Array());
    if (result.deleted.length === 0 || json) return;
    this.context.output.out(
      `Deleted ${count(result.deleted.length, 'backup')} (${sizeText(result.bytes)}); ${result.kept.length} remain.`,
    );
  }
}

function summaryOf({ name, parent, created_at, weir, secret, databases, ...rest }: Snapshot) {
  const { journal, files, deleted_tenants, written } = rest;
  return {
    ...{ backup: name, parent, created_at, weir, secret: secret.source },
    tenants: databases.length - 1,
    deleted_tenants,
    journal_files: journal.length,
    files: files.length,
    bytes: [...databases, ...journal, ...files].reduce((sum, one) => sum + contentBytes(one.content), 0),
    new_bytes: written.bytes,
  };
}

export interface ListFlags extends LocationFlags {
  readonly json?: boolean;
}

/** Prints the backups of a repository, oldest first. */
export async function listCommand(
  { env, output }: StoreCommand,
  location: string,
  flags: ListFlags,
): Promise<void> {
  await withCommandErrors(async () => {
    const repository = await openRepository(location, env, flags);
    const summaries = [];
    for (const name of await repository.snapshotNames()) {
      summaries.push(summaryOf(await repository.readSnapshot(name)));
    }
    if (flags.json) {
      for (const summary of summaries) output.out(JSON.stringify(summary));
      return;
    }
    const rows = summaries.map(({ backup, created_at, tenants, bytes, new_bytes, weir }) => [
      ...[backup, shortTime(Date.parse(created_at)), String(tenants), sizeText(bytes), sizeText(new_bytes)],
      weir,
    ]);
    output.out(table(['backup', 'time (UTC)', 'tenants', 'size', 'new', 'version'], rows));
  });
}

export interface VerifyFlags extends LocationFlags {
  readonly json?: boolean;
  readonly all?: boolean;
  /** A time, or the name of a backup. */
  readonly at?: string;
  /** A duration. */
  readonly maxAge?: string;
}

/** Reads and checks all of a backup, or of all backups. Changes nothing. */
export async function verifyCommand(
  { env, output }: StoreCommand,
  location: string,
  { all, at, maxAge, json, ...flags }: VerifyFlags,
): Promise<void> {
  if (all && at !== undefined) throw new CommandError('Use --all or --at, not both.');
  const maxAgeMs = maxAge === undefined ? undefined : durationFrom(maxAge, '--max-age');
  const progress = progressLine(output);
  await withCommandErrors(async () => {
    const checked: { readonly location: string; readonly created_at: string; readonly bytes: number }[] = [];
    const show = ({ done, total, bytes }: { done: number; total: number; bytes: number }) =>
      progress.show(`checked ${done} of ${total} chunks, ${sizeText(bytes)}`);
    if (all) {
      const repository = await openRepository(location, env, flags);
      const seen = new Set<string>();
      for (const name of await repository.snapshotNames()) {
        const snapshot = await repository.readSnapshot(name);
        await verifySnapshot(repository, snapshot, seen, show);
        checked.push({ location: name, created_at: snapshot.created_at, bytes: summaryOf(snapshot).bytes });
      }
      if (checked.length === 0) throw new BackupError(`${repository.location} contains no backup yet.`);
    } else {
      const source = await openSource(location, env, flags, at);
      const { created_at, bytes } = await source.check(show);
      checked.push({ location: source.location, created_at, bytes });
    }
    progress.clear();
    const latest = checked.at(-1);
    const ageMs = Date.now() - Date.parse(latest?.created_at ?? '');
    if (maxAgeMs !== undefined && ageMs > maxAgeMs) {
      throw new BackupError(
        `The latest backup is of ${latest?.created_at}, which is longer ago than ${maxAge}. Check the schedule that makes backups.`,
      );
    }
    if (json)
      output.out(JSON.stringify({ ok: true, age_seconds: Math.round(ageMs / 1_000), backups: checked }));
    else {
      output.out(
        `${count(checked.length, 'backup')} complete and unaltered; the latest is of ${latest?.created_at}.`,
      );
    }
  }).finally(() => progress.clear());
}

export interface PruneFlags extends LocationFlags, RetentionFlags {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Deletes backups that a retention policy does not keep. */
export async function pruneCommand(
  { env, output }: StoreCommand,
  location: string,
  flags: PruneFlags,
): Promise<void> {
  const { dryRun = false, json = false } = flags;
  const policy = retentionFrom(flags);
  if (policy === undefined)
    throw new CommandError('Say what to keep, such as --keep-within 2d --keep-daily 14.');
  await withCommandErrors(async () => {
    const repository = await openRepository(location, env, flags);
    const prune = () => pruneRepository(repository, policy, Date.now(), dryRun);
    const result = dryRun
      ? await prune()
      : await withRepositoryLock(repository.storage, randomIds('')(), () => new Date(), prune);
    if (json) {
      output.out(JSON.stringify({ dry_run: dryRun, ...result }));
      return;
    }
    for (const name of result.deleted) {
      output.out(`${dryRun ? 'Would delete' : 'Deleted'} ${name} (${shortTime(snapshotTime(name) ?? 0)})`);
    }
    const verb = dryRun ? 'Would delete' : 'Deleted';
    output.out(
      `${verb} ${count(result.deleted.length, 'backup')} and ${sizeText(result.bytes)}; ${result.kept.length} remain.`,
    );
  });
}
