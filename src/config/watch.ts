import { type FSWatcher, realpathSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, systemClock } from '../core/clock.ts';
import type { LoadedConfig } from './assemble.ts';
import { ConfigError, fileIssue } from './errors.ts';

/** The link that a mounted Kubernetes volume replaces when its files change. */
const VOLUME_LINK = '..data';

export interface DirectoryWatcher {
  close(): void;
}

/** Calls back with the name of the changed entry of the directory (null when the system reports none). */
export type WatchDirectory = (
  directory: string,
  onEvent: (name: string | null) => void,
  onError: (error: Error) => void,
) => DirectoryWatcher;

export interface WatchOptions {
  /** The absolute path of the file. */
  readonly file: string;
  /** The active configuration: an equal file is no change. */
  readonly current: LoadedConfig;
  /**
   * Reads the configuration again; throws when it is not valid.
   * @param current the active one, which it may return when the file has not changed
   */
  readonly load: (current: LoadedConfig) => LoadedConfig;
  /**
   * Whether files that the configuration names have changed, such as modules of plugins: then an equal file is activated again,
   * on a signal and for another gateway. Never, when absent.
   */
  readonly hasOtherChanges?: () => boolean;
  /** Activates a new configuration. When it throws, the active one stays. */
  readonly onChange: (next: LoadedConfig, trigger: ReloadTrigger) => void | Promise<void>;
  /** Called with the reason when a file is rejected, once for the same error. Must not throw. */
  readonly onRejected: (error: Error) => void;
  /** Milliseconds without a change in the directory before the file is read. */
  readonly debounceMs: number;
  readonly clock?: Clock;
  readonly watchDirectory?: WatchDirectory;
}

/** Why the file is read: an event of its directory, a signal, or another gateway that has activated a change. */
export type ReloadTrigger = 'file' | 'signal' | 'notice';
export type ReloadOutcome = 'changed' | 'unchanged' | 'rejected';

export interface ConfigWatch {
  /** Reads the file now, as on SIGHUP, and reports an error again. Never rejects. */
  reload(): Promise<ReloadOutcome>;
  /** Reads the file now, because another gateway has activated a change, which may be of the same file. Never rejects. */
  check(): Promise<ReloadOutcome>;
  /** Stops watching. An activation under way is finished. */
  close(): void;
}

/**
 * Watches the directory of the file, not the file: editors replace the file, and Kubernetes replaces a link next to it.
 * Configurations are compared, so that comments and layout are no change.
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
  /** One at a time: the next file is read after the previous one is active. */
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(private readonly options: WatchOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#watchDirectory = options.watchDirectory ?? watchWithSystem;
    this.#current = options.current;
    this.#follow();
    // Detects a change between the first load and now.
    this.#schedule();
  }

  reload(): Promise<ReloadOutcome> {
    return this.#enqueue('signal');
  }

  check(): Promise<ReloadOutcome> {
    return this.#enqueue('notice');
  }

  close(): void {
    this.#closed = true;
    this.#pending?.abort();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #enqueue(trigger: ReloadTrigger): Promise<ReloadOutcome> {
    const result = this.#queue.then(() => this.#check(trigger));
    this.#queue = result;
    return result;
  }

  async #check(trigger: ReloadTrigger): Promise<ReloadOutcome> {
    if (this.#closed) return 'unchanged';
    this.#follow();
    try {
      const next = this.options.load(this.#current);
      if (next.file !== this.options.file) {
        throw new ConfigError([
          fileIssue(this.options.file, 'was removed; the last configuration stays active'),
        ]);
      }
      const isSame = next === this.#current || isDeepStrictEqual(next.config, this.#current.config);
      // An event of the directory says nothing of other files.
      if (isSame && (trigger === 'file' || !this.options.hasOtherChanges?.())) {
        this.#lastFault = null;
        return 'unchanged';
      }
      await this.options.onChange(next, trigger);
      this.#current = next;
      this.#lastFault = null;
      return 'changed';
    } catch (thrown) {
      this.#reject(thrown instanceof Error ? thrown : new Error(String(thrown)), trigger === 'signal');
      return 'rejected';
    }
  }

  #reject(error: Error, explicit: boolean): void {
    if (!explicit && error.message === this.#lastFault) return;
    this.#lastFault = error.message;
    this.options.onRejected(error);
  }

  /** Waits for `debounceMs` without another event: a file may be written in several steps. */
  #schedule(): void {
    if (this.#closed) return;
    this.#pending?.abort();
    const pending = new AbortController();
    this.#pending = pending;
    this.#clock.sleep(this.options.debounceMs, pending.signal).then(
      () => this.#enqueue('file'),
      // Aborted by a later event or by close().
      () => undefined,
    );
  }

  /** Watches the directory of the file and that of its link target, which may have changed. */
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

/** The link target; the path itself while a replacement leaves it dangling. */
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
