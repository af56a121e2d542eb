import type { ConfigOperations } from '../api/admin/config-operations.ts';
import type { LoadedConfig } from '../config/assemble.ts';
import { ConfigError, formatIssue } from '../config/errors.ts';
import { type ConfigOverlay, OVERLAID_SECTIONS, type OverlaidSection } from '../config/overlay.ts';
import type { Config } from '../config/schema.ts';
import { sourcesOf } from '../config/sources.ts';
import { GatewayError } from '../core/errors.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { ConfigItem, ConfigItemDocument, ConfigItems } from '../tenancy/config-items.ts';
import { SecretsUnreadableError } from './config-secrets.ts';

export interface EffectiveConfigOptions {
  readonly items: ConfigItems;
  readonly events: EventSink;
  /** @returns a configuration with its secrets. @throws ConfigError where they cannot be read */
  readonly resolve: (loaded: LoadedConfig) => Promise<Config>;
  /** Activates a configuration. @throws Error where it cannot be built; the last one stays active */
  readonly activate: (config: Config, loaded: LoadedConfig) => Promise<void>;
  /** Builds what a configuration needs, and discards it. @throws Error where it cannot be built */
  readonly check: (config: Config) => Promise<void>;
}

/** What was read of the control database. */
interface Overlay {
  readonly revision: number;
  readonly items: readonly ConfigItem[];
  /** Number of items that were sealed with another secret. */
  readonly unreadable: number;
}

const NO_OVERLAY: Overlay = { revision: 0, items: [], unreadable: 0 };

/**
 * The effective configuration: a file with the environment, and the overlay of the control database. Changes run one after
 * another, so that the last one stays active; what could not be activated is tried again with the next refresh.
 */
export class EffectiveConfig {
  #base: LoadedConfig;
  #current: LoadedConfig;
  #overlay = NO_OVERLAY;
  #rejected: string | undefined;
  /** Whether the overlay was rejected because a secret store could not be read, which may be possible later. */
  #waitsForSecrets = false;
  #queue: Promise<unknown> = Promise.resolve();

  /** @param base the file and the environment */
  constructor(
    base: LoadedConfig,
    private readonly options: EffectiveConfigOptions,
  ) {
    this.#base = base;
    this.#current = base;
  }

  /** The active configuration, with references in place of secrets. */
  get current(): LoadedConfig {
    return this.#current;
  }

  /** The file and the environment without the overlay. */
  get base(): LoadedConfig {
    return this.#base;
  }

  get items(): readonly ConfigItem[] {
    return this.#overlay.items;
  }

  /** Why the overlay is not used; undefined while it is. */
  get rejected(): string | undefined {
    const { unreadable } = this.#overlay;
    if (this.#rejected !== undefined || unreadable === 0) return this.#rejected;
    return `${unreadable} providers or models were sealed with another WEIR_SECRET: set it again, or write them again.`;
  }

  /** Activates the first configuration. @throws Error where the file alone cannot be built */
  start(): Promise<void> {
    return this.#inTurn(async () => this.#activate(this.#base, await this.#read(), true));
  }

  /** Activates another file. @throws Error where it cannot be built; the last one stays active */
  rebase(base: LoadedConfig): Promise<void> {
    return this.#inTurn(async () => this.#activate(base, await this.#read().catch(() => this.#overlay)));
  }

  /** Activates what other gateways changed. @throws the database's error */
  refresh(): Promise<void> {
    return this.#inTurn(() => this.#refresh());
  }

  /** Activates the same configuration again, after secrets have changed. @throws Error where it cannot be built */
  reactivate(): Promise<void> {
    return this.#inTurn(async () => this.#activate(this.#base, this.#overlay));
  }

  /**
   * Stores a change, and activates it.
   * @param store writes it to the control database
   * @throws GatewayError `invalid_request` where the configuration would not be valid or could not be built
   */
  change(
    section: OverlaidSection,
    id: string,
    document: ConfigItemDocument | null | undefined,
    store: () => Promise<void>,
  ): Promise<void> {
    return this.#inTurn(async () => {
      // With the changes of other gateways, so that it is checked against what will be there.
      await this.#refresh();
      const loaded = this.preview(section, id, document);
      try {
        await this.options.check(await this.options.resolve(loaded));
      } catch (cause) {
        const message = cause instanceof ConfigError ? messageOf(cause) : errorText(cause);
        throw new GatewayError('invalid_request', message, { cause });
      }
      await store();
      await this.#refresh();
    });
  }

  /** @returns the configuration with one item changed, which is stored nowhere. @throws GatewayError `invalid_request` */
  preview(
    section: OverlaidSection,
    id: string,
    document: ConfigItemDocument | null | undefined,
  ): LoadedConfig {
    const others = overlayOf(this.items).filter((item) => item.section !== section || item.id !== id);
    const own = document === undefined ? [] : [{ section, id, document }];
    try {
      return this.#base.withOverlay([...others, ...own]);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new GatewayError('invalid_request', messageOf(error), { param: paramOf(error) ?? null });
    }
  }

  /** @returns a configuration with its secrets. @throws GatewayError `invalid_request` where they cannot be read */
  async resolved(loaded: LoadedConfig): Promise<Config> {
    try {
      return await this.options.resolve(loaded);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new GatewayError('invalid_request', messageOf(error), { param: paramOf(error) ?? null });
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    // The caller gets its error; the next change does not.
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #read(): Promise<Overlay> {
    const { items } = this.options;
    const revision = await items.revision();
    return revision === this.#overlay.revision ? this.#overlay : { revision, ...(await items.list()) };
  }

  async #refresh(): Promise<void> {
    const overlay = await this.#read();
    if (overlay !== this.#overlay || this.#waitsForSecrets) await this.#activate(this.#base, overlay);
  }

  /**
   * An overlay that does not fit the file must not stop the gateway: the file counts alone, and the reason is reported.
   * @param isFirst nothing is active yet that could stay so
   */
  async #activate(base: LoadedConfig, overlay: Overlay, isFirst = false): Promise<void> {
    const { activate, events, resolve } = this.options;
    let rejected: string | undefined;
    let waitsForSecrets = false;
    let current = base;
    if (overlay.items.length > 0) {
      try {
        current = base.withOverlay(overlayOf(overlay.items));
        await activate(await resolve(current), current);
      } catch (error) {
        if (!isFirst && !(error instanceof ConfigError)) throw error;
        rejected = error instanceof ConfigError ? messageOf(error) : String(error);
        current = base;
        waitsForSecrets = error instanceof SecretsUnreadableError;
        // It is tried again every few seconds, and reported once.
        if (!waitsForSecrets || !this.#waitsForSecrets) events.emit('config.overlay_rejected', { error });
      }
    }
    if (current === base && !(waitsForSecrets && this.#waitsForSecrets)) {
      await activate(await resolve(base), base);
    }
    this.#base = base;
    this.#current = current;
    this.#overlay = overlay;
    this.#rejected = rejected;
    this.#waitsForSecrets = waitsForSecrets;
  }
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function overlayOf(items: readonly ConfigItem[]): ConfigOverlay {
  return items.flatMap(({ section, id, document }) => {
    const known = OVERLAID_SECTIONS.find((one) => one === section);
    return known ? [{ section: known, id, document }] : [];
  });
}

export interface ConfigOperationsOptions {
  readonly items: ConfigItems;
  /** Called when a change is stored and active here: other gateways read it. */
  readonly onStored: () => void;
  readonly providers: ConfigOperations['providers'];
  /** Asks a configuration's provider for its models. */
  readonly test: ConfigOperations['test'];
}

/** @returns the operations of the admin API on the overlay */
export function configOperations(
  effective: EffectiveConfig,
  { items, onStored, providers, test }: ConfigOperationsOptions,
): ConfigOperations {
  // A provider is tested with the secrets of a configuration that was only previewed.
  const previewed = new WeakMap<Config, LoadedConfig>();
  return {
    file: () => effective.base.file,
    config: () => effective.current.config,
    sources: () => sourcesOf(effective.current.config, effective.current.origins),
    base: () => effective.base.config,
    providers,
    items: () => effective.items,
    rejected: () => effective.rejected,
    get: (section, id) => items.get(section, id),
    preview: (section, id, document) => {
      const loaded = effective.preview(section, id, document);
      previewed.set(loaded.config, loaded);
      return loaded.config;
    },
    change: async (section, id, document, seen, by) => {
      await effective.change(section, id, document, () => items.change({ section, id }, document, seen, by));
      onStored();
    },
    changes: (limit, before) => items.changes(limit, before),
    getChange: (id) => items.getChange(id),
    test: async (config, provider) => {
      const loaded =
        previewed.get(config) ?? (config === effective.current.config ? effective.current : undefined);
      return test(loaded ? await effective.resolved(loaded) : config, provider);
    },
  };
}

/** Paths begin at the item: its place in the list says nothing to the caller. */
const PLACE = /^(?:providers|models)\[\d+\]\.?/;

function messageOf({ issues }: ConfigError): string {
  return issues.map((issue) => formatIssue({ ...issue, path: issue.path.replace(PLACE, '') })).join('\n');
}

function paramOf({ issues }: ConfigError): string | undefined {
  const path = issues[0]?.path.replace(PLACE, '');
  return path === '' ? undefined : path;
}
