import type { ZodType } from 'zod';

/**
 * The facts about this build's providers that the configuration checks against. The provider registry builds the
 * one value of this type, so that no provider's name is written down here.
 */
export interface ProviderCatalog {
  /** Every value that `providers[].kind` may take. */
  readonly kinds: readonly string[];
  /** The kinds that stand for any server of one dialect: only these take `vendor` and `engine`. */
  readonly genericKinds: readonly string[];
  /** Hosted services that a generic kind knows by name. */
  readonly vendors: readonly string[];
  /** Self-hosted servers that a generic kind knows by name. */
  readonly engines: readonly string[];
  /** Engines whose own API can be used, too. */
  readonly nativeEngines: readonly string[];
  /** Ids of the providers that are always there. A file may name them as targets, but not define them. */
  readonly builtinIds: readonly string[];
  /** Models that those offer, so that a fallback or default model may name them as they are. */
  readonly builtinModels?: readonly string[];
  /** Keys of a provider that only some kinds take, and which. */
  readonly settings: Readonly<Record<string, readonly string[]>>;
  /** By kind: keys that it can't do without. */
  readonly required: Readonly<Record<string, readonly string[]>>;
  /** The address of such a provider without `base_url` in the file; undefined when there is no default. */
  defaultBaseUrl(provider: ProviderKind): string | undefined;
}

export interface ProviderKind {
  readonly kind: string;
  readonly vendor: string | null;
  readonly engine: string | null;
}

/** An interceptor as the configuration sees it: its name, and the schema of `interceptors.<name>`. */
export interface InterceptorSettings {
  readonly name: string;
  /** Absent where it is configured by other keys. */
  readonly config?: ZodType;
}

/** Everything that the configuration's shape depends on. */
export interface ConfigCatalog extends ProviderCatalog {
  readonly interceptors: readonly InterceptorSettings[];
}
