import type { OverlaidSection } from '../../config/overlay.ts';
import type { Config } from '../../config/schema.ts';
import type { ValueSource } from '../../config/sources.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import type { ConfigItem, ConfigItemChange, ConfigItemDocument } from '../../tenancy/config-items.ts';
import type { SeenVersion } from '../../tenancy/versions.ts';

/** The outcome of asking a provider for its models. */
export interface ProviderTest {
  readonly models: readonly string[];
  /** Undefined where it responded. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
  readonly durationMs: number;
}

/** A provider that is in use. */
export interface ActiveProvider {
  readonly id: string;
  readonly kind: string;
  readonly baseUrl: string | undefined;
  /** It is a part of Weir. */
  readonly isBuiltIn: boolean;
}

/** What admin routes do with the configuration. */
export interface ConfigOperations {
  /** The absolute path of the file; null when there is none. */
  file(): string | null;
  /** The active configuration. */
  config(): Config;
  /** Where its values come from, by path; defaults are left out. */
  sources(): ReadonlyMap<string, ValueSource>;
  /** The configuration without what the admin API changed. */
  base(): Config;
  /** Providers in use, with those of the environment and the built-in ones. */
  providers(): readonly ActiveProvider[];
  items(): readonly ConfigItem[];
  /** Why the items are not used; undefined while they are. */
  rejected(): string | undefined;
  get(section: OverlaidSection, id: string): Promise<ConfigItem | undefined>;
  /** @returns the configuration with a change, which is stored nowhere. @throws GatewayError `invalid_request` */
  preview(section: OverlaidSection, id: string, document: ConfigItemDocument | null | undefined): Config;
  /**
   * Stores a change and activates it.
   * @param document null leaves the item of the file out; undefined leaves it as it is in the file
   * @throws GatewayError `invalid_request`, `precondition_failed` or `conflict`
   */
  change(
    section: OverlaidSection,
    id: string,
    document: ConfigItemDocument | null | undefined,
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<void>;
  changes(limit: number, before?: number): Promise<readonly ConfigItemChange[]>;
  /** @throws GatewayError `not_found` */
  getChange(id: string): Promise<ConfigItemChange>;
  /** Asks a provider of a configuration for its models. */
  test(config: Config, provider: string): Promise<ProviderTest>;
}
