import { type FSWatcher, realpathSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, systemClock } from '../core/clock.ts';
import type { LoadedConfig } from './assemble.ts';
import { ConfigError, fileIssue } from './errors.ts';

/** What a mounted Kubernetes volume renames when its files change: they are links through it. */
const VOLUME_LINK = '..data';

export interface DirectoryWatcher {
  close(): void;
}

/** Calls back with the name of what changed in the directory (null when the system does not say). */
export type WatchDirectory = (
  directory: string,
  onEvent: (name: string | null) => void,
  onError: (error: Error) => void,
) => DirectoryWatcher;

export interface WatchOptions {
  /** The absolute path of the file. */
  readonly file: string;
  /** What is running now: a file that says the same is not a change. */
  readonly current: LoadedConfig;
  /** Reads the configuration again; throws when it is not valid. */
  readonly load: () => LoadedConfig;
  /** Puts a new configuration to work. When it throws, the old one stays. */
  readonly onChange: (next: LoadedConfig) => void | Promise<void>;
  /** The new file is not used, and why. Called once for the same fault, however often the file is touched. Must not throw. */
  readonly onRejected: (error: Error) => void;
  /** How long the directory has to be quiet before the file is read. */
  readonly debounceMs: number;
  readonly clock?: Clock;
  readonly watchDirectory?: WatchDirectory;
}

export type ReloadOutcome = 'changed' | 'unchanged' | 'rejected';

export interface ConfigWatch {
  /** Reads the file now, as on SIGHUP. A fault is reported even if it was before. Never rejects. */
  reload(): Promise<ReloadOutcome>;
  /** Stops watching. A change that is being put to work is finished. */
  close(): void;
}

/**
 * Follows the file. It watches the directory, not the file: editors put a new file in the old one's place, and
 * Kubernetes swaps a link beside it. Comments and layout are no change: the configurations are compared.
 */
export function watchConfig(options: WatchOptions): ConfigWatch {
  return new FileWatch(options);
}

class FileWatch implements ConfigWatch {
  readonly #clock: Clock;
  readonly #watchDirectory: WatchDirectory;
  readonly #watchers = new Map<string, DirectoryWatcher>();
  #names: ReadonlySet<string> = new Set();
  #current: LoadedConfig;
  #lastFault: string | null = null;
  #pending: AbortController | null = null;
  /** One at a time: the next file is not read before the last is put to work. */
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(private readonly options: WatchOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#watchDirectory = options.watchDirectory ?? watchWithSystem;
    this.#current = options.current;
    this.#follow();
    // A change between the first load and now would otherwise go unseen.
    this.#schedule();
  }

  reload(): Promise<ReloadOutcome> {
    return this.#enqueue(true);
  }

  close(): void {
    this.#closed = true;
    this.#pending?.abort();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #enqueue(explicit: boolean): Promise<ReloadOutcome> {
    const result = this.#queue.then(() => this.#check(explicit));
    this.#queue = result;
    return result;
  }

  async #check(explicit: boolean): Promise<ReloadOutcome> {
    if (this.#closed) return 'unchanged';
    this.#follow();
    try {
      const next = this.options.load();
      if (next.file !== this.options.file) {
        throw new ConfigError([
          fileIssue(this.options.file, 'was removed; the last configuration stays active'),
        ]);
      }
      if (isDeepStrictEqual(next.config, this.#current.config)) {
        this.#lastFault = null;
        return 'unchanged';
      }
      await this.options.onChange(next);
      this.#current = next;
      this.#lastFault = null;
      return 'changed';
    } catch (thrown) {
      this.#reject(thrown instanceof Error ? thrown : new Error(String(thrown)), explicit);
      return 'rejected';
    }
  }

  #reject(error: Error, explicit: boolean): void {
    if (!explicit && error.message === this.#lastFault) return;
    this.#lastFault = error.message;
    this.options.onRejected(error);
  }

  /** Waits until `debounceMs` have passed without another event: a file may be written in several steps. */
  #schedule(): void {
    if (this.#closed) return;
    this.#pending?.abort();
    const pending = new AbortController();
    this.#pending = pending;
    this.#clock.sleep(this.options.debounceMs, pending.signal).then(
      () => this.#enqueue(false),
      // Aborted by a later event or by close().
      () => undefined,
    );
  }

  /** Watches the file's directory, and that of the file it links to, which may have changed. */
  #follow(): void {
    const places = [this.options.file, resolveLinks(this.options.file)];
    this.#names = new Set([...places.map((place) => basename(place)), VOLUME_LINK]);
    const wanted = new Set(places.map((place) => dirname(place)));
    for (const [directory, watcher] of this.#watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of wanted) if (!this.#watchers.has(directory)) this.#watch(directory);
  }

  #watch(directory: string): void {
    const failed = (error: Error): void => {
      this.#watchers.get(directory)?.close();
      this.#watchers.delete(directory);
      if (!this.#closed) this.#reject(error, false);
    };
    try {
      const onEvent = (name: string | null): void => {
        if (name === null || this.#names.has(name)) this.#schedule();
      };
      this.#watchers.set(directory, this.#watchDirectory(directory, onEvent, failed));
    } catch (thrown) {
      failed(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }
}

/** The path itself where it leads to nothing, as in the moment between two steps of a replacement. */
function resolveLinks(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

const watchWithSystem: WatchDirectory = (directory, onEvent, onError) => {
  const watcher: FSWatcher = watch(directory, { persistent: false }, (_kind, name) => onEvent(name));
  watcher.on('error', onError);
  return watcher;
};
