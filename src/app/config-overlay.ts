import type { ConfigOperations } from '../api/admin/config-operations.ts';
import type { LoadedConfig } from '../config/assemble.ts';
import { ConfigError, formatIssue } from '../config/errors.ts';
import { type ConfigOverlay, OVERLAID_SECTIONS, type OverlaidSection } from '../config/overlay.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../core/errors.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { ConfigItem, ConfigItemDocument, ConfigItems } from '../tenancy/config-items.ts';

/** What the overlay needs of the gateway. */
export interface ConfigOverlayOptions {
  readonly items: ConfigItems;
  readonly events: EventSink;
  /** Activates a configuration. */
  readonly activate: (config: Config) => Promise<void>;
  /** Called after a change was stored and is active here: other gateways read it. */
  readonly onStored: () => void;
  readonly providers: ConfigOperations['providers'];
  /** Asks a configuration's provider for its models. */
  readonly test: ConfigOperations['test'];
}

/** The effective configuration: a file with the environment, and the overlay of the control database. */
export class EffectiveConfig {
  #base: LoadedConfig;
  #current: LoadedConfig;
  #items: readonly ConfigItem[] = [];
  #revision = 0;
  #rejected: string | undefined;
  #unreadable = 0;

  /** @param base the file and the environment */
  constructor(
    base: LoadedConfig,
    private readonly options: Pick<ConfigOverlayOptions, 'items' | 'events'>,
  ) {
    this.#base = base;
    this.#current = base;
  }

  /** The configuration that was made last. */
  get current(): LoadedConfig {
    return this.#current;
  }

  /** The file and the environment without the overlay. */
  get base(): LoadedConfig {
    return this.#base;
  }

  get items(): readonly ConfigItem[] {
    return this.#items;
  }

  /** Why the overlay is not used; undefined while it is. */
  get rejected(): string | undefined {
    if (this.#rejected !== undefined || this.#unreadable === 0) return this.#rejected;
    return `${this.#unreadable} providers or models were sealed with another WEIR_SECRET: set it again, or write them again.`;
  }

  /** Sets another file. @returns the configuration with the overlay */
  rebase(base: LoadedConfig): LoadedConfig {
    this.#base = base;
    return this.#make();
  }

  /** @returns the configuration if the overlay has changed since it was read. @throws the database's error */
  async refresh(): Promise<LoadedConfig | undefined> {
    const revision = await this.options.items.revision();
    if (revision === this.#revision) return undefined;
    const { items, unreadable } = await this.options.items.list();
    this.#items = items;
    this.#unreadable = unreadable;
    this.#revision = revision;
    return this.#make();
  }

  /** @returns the configuration with one item changed, which is stored nowhere. @throws GatewayError `invalid_request` */
  preview(
    section: OverlaidSection,
    id: string,
    document: ConfigItemDocument | null | undefined,
  ): LoadedConfig {
    const others = this.#overlay().filter((item) => item.section !== section || item.id !== id);
    const own = document === undefined ? [] : [{ section, id, document }];
    try {
      return this.#base.withOverlay([...others, ...own]);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new GatewayError('invalid_request', messageOf(error), { param: paramOf(error) ?? null });
    }
  }

  #overlay(): ConfigOverlay {
    return this.#items.flatMap(({ section, id, document }) => {
      const known = OVERLAID_SECTIONS.find((one) => one === section);
      return known ? [{ section: known, id, document }] : [];
    });
  }

  /** An overlay that does not fit a changed file must not stop the gateway: the file counts alone, and the reason is reported. */
  #make(): LoadedConfig {
    try {
      this.#current = this.#items.length === 0 ? this.#base : this.#base.withOverlay(this.#overlay());
      this.#rejected = undefined;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#current = this.#base;
      this.#rejected = messageOf(error);
      this.options.events.emit('config.overlay_rejected', { error });
    }
    return this.#current;
  }
}

/** @returns the operations of the admin API on the overlay */
export function configOperations(
  effective: EffectiveConfig,
  options: ConfigOverlayOptions,
): ConfigOperations & { readonly refresh: () => Promise<void> } {
  const { items, activate, onStored, providers, test } = options;
  const refresh = async () => {
    const next = await effective.refresh();
    if (next) await activate(next.config);
  };
  return {
    refresh,
    file: () => effective.base.file,
    config: () => effective.current.config,
    base: () => effective.base.config,
    providers,
    items: () => effective.items,
    rejected: () => effective.rejected,
    get: (section, id) => items.get(section, id),
    preview: (section, id, document) => effective.preview(section, id, document).config,
    change: async (section, id, document, seen, by) => {
      // Of changes of other gateways, too, so that it is checked against what will be there.
      await effective.refresh();
      effective.preview(section, id, document);
      await items.change({ section, id }, document, seen, by);
      await refresh();
      onStored();
    },
    changes: (limit, before) => items.changes(limit, before),
    getChange: (id) => items.getChange(id),
    test,
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
