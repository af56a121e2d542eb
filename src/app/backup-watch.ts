import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';

type Settings = NonNullable<Config['storage']['backups']>;

export interface BackupWatchOptions {
  readonly config: () => Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** How old the latest backup is, and how old it should be at most. Milliseconds. */
export interface BackupAge {
  readonly intervalMs: number;
  /** Undefined where no backup was found. */
  readonly ageMs: number | undefined;
  /** Whether there is no backup, or the latest is older than two intervals. */
  readonly isOverdue: boolean;
  /** Why the last look failed; undefined after one that succeeded. */
  readonly fault: string | undefined;
}

/** The next look comes after this part of the interval, within these bounds. Milliseconds. */
const LOOKS_PER_INTERVAL = 5;
const SHORTEST_MS = 10_000;
const LONGEST_MS = 10 * 60_000;
/** One backup may be missing, or take as long as its interval. */
const TOLERATED_INTERVALS = 2;

/** Watches the backups that a schedule outside of the gateway makes: whether the latest one is recent. */
export class BackupWatch {
  #settings: Settings | undefined;
  #hasLooked = false;
  /** Monotonic milliseconds. */
  #dueAt = 0;
  /** Unix milliseconds. */
  #latest: number | undefined;
  #fault: unknown;
  #running: Promise<void> | undefined;

  constructor(private readonly options: BackupWatchOptions) {}

  /**
   * Looks for the latest backup, when that is due; to be called every few seconds. Calls meanwhile share a run.
   * @throws the storage's error, also between two looks; the latest known backup stays
   */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** @returns undefined while `storage.backups` is null, and before the first look */
  get age(): BackupAge | undefined {
    const { clock, config } = this.options;
    const settings = config().storage.backups;
    if (settings === null || settings !== this.#settings || !this.#hasLooked) return undefined;
    const { interval: intervalMs } = settings;
    // The clock of the machine that makes backups may be ahead.
    const ageMs = this.#latest === undefined ? undefined : Math.max(0, clock.wallTime() - this.#latest);
    const isOverdue = ageMs === undefined || ageMs > TOLERATED_INTERVALS * intervalMs;
    const fault = this.#fault instanceof Error ? this.#fault.message : undefined;
    return { intervalMs, ageMs, isOverdue, fault };
  }

  async #run(): Promise<void> {
    const { clock, config, env } = this.options;
    const settings = config().storage.backups;
    if (settings === null) {
      this.#settings = undefined;
      return;
    }
    const now = clock.now();
    if (settings !== this.#settings) {
      if (settings.location !== this.#settings?.location) {
        this.#latest = undefined;
        this.#hasLooked = false;
      }
      this.#settings = settings;
      this.#fault = undefined;
      this.#dueAt = now;
    }
    if (now < this.#dueAt) {
      if (this.#fault !== undefined) throw this.#fault;
      return;
    }
    const pause = settings.interval / LOOKS_PER_INTERVAL;
    this.#dueAt = now + Math.min(LONGEST_MS, Math.max(SHORTEST_MS, pause));
    try {
      this.#latest = await latestIn(settings, env);
      this.#fault = undefined;
    } catch (error) {
      this.#fault = error;
      throw error;
    } finally {
      this.#hasLooked = true;
    }
  }
}

async function latestIn(
  { location, endpoint, region }: Settings,
  env: BackupWatchOptions['env'],
): Promise<number | undefined> {
  const [{ openObjectStorage }, { latestBackupAt }] = await Promise.all([
    import('../platform/object-storage/open-object-storage.ts'),
    import('../storage/backup/latest-backup.ts'),
  ]);
  const settings = { endpoint: endpoint ?? undefined, region: region ?? undefined };
  return latestBackupAt(openObjectStorage(location, env, settings));
}
