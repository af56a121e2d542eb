import { type ConfigMap, isConfigMap } from './config-document.ts';
import { fromBooleanText, fromNumericText } from './fields.ts';
import type { ConfigPath } from './path.ts';
import { pluginIdOf } from './plugin-schema.ts';
import { DEFAULT_METRICS_PORT, DEFAULT_PORT } from './schema.ts';

/** A name in the configuration with its path. */
export interface NameAt {
  readonly name: string;
  readonly path: ConfigPath;
}

export interface ProviderOutline {
  readonly path: ConfigPath;
  /** undefined, here and below: missing or of another type. */
  readonly id: string | undefined;
  readonly kind: string | undefined;
  readonly vendor: string | null | undefined;
  readonly engine: string | null | undefined;
  readonly api: string | null | undefined;
  /** Keys with a value. */
  readonly given: readonly string[];
  readonly hasBaseUrl: boolean;
  readonly discover: boolean;
  readonly models: readonly NameAt[];
  /** The names of its headers, as written. */
  readonly headers: readonly NameAt[];
}

export interface TargetOutline {
  readonly provider: NameAt | undefined;
  readonly weight: number | undefined;
}

export interface ModelOutline {
  readonly path: ConfigPath;
  readonly id: NameAt | undefined;
  readonly aliases: readonly NameAt[];
  readonly strategy: string | undefined;
  readonly targets: readonly TargetOutline[];
  readonly fallbacks: readonly NameAt[];
  /** By the kind of failure. */
  readonly fallbacksOn: Readonly<Record<string, readonly NameAt[]>>;
  /** Models that it hands requests to for other reasons than a failure. */
  readonly experimentModels: readonly NameAt[];
  readonly strategyPlugin: NameAt | undefined;
  /** The names and percents of its split. */
  readonly split: readonly { readonly name: NameAt | undefined; readonly percent: number | undefined }[];
  readonly hasCanary: boolean;
  /** It has settings of the cache. */
  readonly hasCache: boolean;
}

/**
 * The parts of the configuration that rules between keys need, as far as they are readable, so that one typo does not
 * hide other errors.
 */
export interface Outline {
  /** Engines that are started when they are needed: each is a provider. */
  readonly engines: readonly NameAt[];
  /** null when the file has no `providers`: then they come from the environment. */
  readonly providers: readonly ProviderOutline[] | null;
  /** Providers of the environment are used, in addition to those of the file. */
  readonly usesEnvironment: boolean;
  /** Every provider's id could be read: a name that is not among them is wrong. */
  readonly providersComplete: boolean;
  readonly models: readonly ModelOutline[];
  /** Every model's id and aliases could be read. */
  readonly modelsComplete: boolean;
  readonly defaultModel: NameAt | undefined;
  /** Ids of guardrails. */
  readonly guardrailIds: readonly NameAt[];
  /** Models that guardrails ask. */
  readonly guardrailModels: readonly NameAt[];
  /** The plugins that guardrails name. */
  readonly guardrailPlugins: readonly NameAt[];
  /** The ids of plugins, enabled or not. */
  readonly plugins: readonly NameAt[];
  /** As written. */
  readonly simulator: string | undefined;
  /** With the defaults; `metricsGiven` when the second is not one. */
  readonly ports: {
    readonly api: unknown;
    readonly metrics: unknown;
    readonly metricsGiven: boolean;
    readonly grpc: unknown;
  };
  readonly cors: { readonly anyOrigin: boolean; readonly credentials: boolean };
  readonly hasCache: boolean;
  /** The models that the semantic cache asks. */
  readonly semanticModels: readonly NameAt[];
  readonly hasSemanticWithoutExact: boolean;
  /** The region of the gateway. */
  readonly region: NameAt | undefined;
  readonly regionIds: readonly string[];
  /** Every region's id could be read. */
  readonly regionsComplete: boolean;
}

export function outlineOf(root: ConfigMap): Outline {
  const providers = listAt(root, 'providers')?.map((item, index) => provider(item, ['providers', index]));
  const noProviders = root.providers === undefined || root.providers === null || root.providers === '';
  const uses = fromBooleanText(root.environment_providers);
  const models = listAt(root, 'models')?.map((item, index) => model(item, ['models', index]));
  const noModels = root.models === undefined || root.models === null;
  const server = mapAt(root, 'server');
  const cache = mapAt(root, 'cache');
  const semantic = mapAt(cache, 'semantic');
  const hasSemantic = semantic !== undefined || cache?.semantic === true;
  const cors = mapAt(server, 'cors');
  const regions = listAt(root, 'regions') ?? [];
  const regionIds = regions.flatMap((item) => textAt(isConfigMap(item) ? item : undefined, 'id') ?? []);
  const engines = (listAt(mapAt(root, 'engines'), 'commands') ?? []).flatMap((item, index) => {
    const id = nameAt(isConfigMap(item) ? item : undefined, 'id', ['engines', 'commands', index]);
    return id === undefined ? [] : [id];
  });
  return {
    engines,
    providers: providers ?? (noProviders ? null : []),
    usesEnvironment: typeof uses === 'boolean' ? uses : noProviders,
    providersComplete: noProviders || (providers?.every(({ id }) => id !== undefined) ?? false),
    models: models ?? [],
    modelsComplete: noModels || (models?.every(({ id }) => id !== undefined) ?? false),
    defaultModel: nameAt(root, 'default_model', []),
    guardrailIds: (listAt(root, 'guardrails') ?? []).flatMap(
      (item, index) => nameAt(isConfigMap(item) ? item : undefined, 'id', ['guardrails', index]) ?? [],
    ),
    guardrailModels: (listAt(root, 'guardrails') ?? []).flatMap((item, index) =>
      guardrailModels(item, index),
    ),
    guardrailPlugins: (listAt(root, 'guardrails') ?? []).flatMap((item, index) => {
      const map = isConfigMap(item) ? item : undefined;
      return nameAt(map, 'plugin', ['guardrails', index]) ?? [];
    }),
    plugins: (listAt(root, 'plugins') ?? []).flatMap((item, index) => plugin(item, ['plugins', index])),
    simulator: textAt(root, 'simulator'),
    ports: {
      api: fromNumericText(server?.port ?? DEFAULT_PORT),
      metrics: fromNumericText(
        server?.metrics_port === undefined ? DEFAULT_METRICS_PORT : server.metrics_port,
      ),
      metricsGiven: server?.metrics_port !== undefined,
      grpc: fromNumericText(server?.grpc_port),
    },
    cors: {
      anyOrigin: listAt(cors, 'origins')?.includes('*') ?? false,
      credentials: fromBooleanText(cors?.allow_credentials) === true,
    },
    hasCache: cache !== undefined,
    semanticModels: [
      nameAt(semantic, 'embedder', ['cache', 'semantic']) ?? [],
      nameAt(mapAt(semantic, 'judge'), 'model', ['cache', 'semantic', 'judge']) ?? [],
    ].flat(),
    region: nameAt(root, 'region', []),
    regionIds,
    regionsComplete: regionIds.length === regions.length,
    hasSemanticWithoutExact: hasSemantic && (cache?.exact === false || cache?.exact === null),
  };
}

function guardrailModels(item: unknown, index: number): readonly NameAt[] {
  const map = isConfigMap(item) ? item : undefined;
  const path = ['guardrails', index];
  const ofInjection = mapAt(mapAt(map, 'injection'), 'judge');
  return [
    nameAt(mapAt(map, 'judge'), 'model', [...path, 'judge']),
    nameAt(ofInjection, 'model', [...path, 'injection', 'judge']),
  ].flatMap((name) => name ?? []);
}

function provider(item: unknown, path: ConfigPath): ProviderOutline {
  const map = isConfigMap(item) ? item : undefined;
  return {
    path,
    id: textAt(map, 'id'),
    kind: textAt(map, 'kind'),
    vendor: optionalTextAt(map, 'vendor'),
    engine: optionalTextAt(map, 'engine'),
    api: optionalTextAt(map, 'api'),
    given: map === undefined ? [] : Object.keys(map).filter((key) => map[key] !== null && map[key] !== ''),
    hasBaseUrl: map !== undefined && optionalTextAt(map, 'base_url') !== null,
    discover: fromBooleanText(map?.discover) !== false,
    models: namesAt(map, 'models', path),
    headers: Object.keys(mapAt(map, 'headers') ?? {}).map((name) => ({
      name,
      path: [...path, 'headers', name],
    })),
  };
}

function model(item: unknown, path: ConfigPath): ModelOutline {
  const map = isConfigMap(item) ? item : undefined;
  const split = (listAt(map, 'split') ?? []).map((entry, index) => {
    const variant = isConfigMap(entry) ? entry : undefined;
    const percent = fromNumericText(variant?.percent);
    return {
      name: nameAt(variant, 'name', [...path, 'split', index]),
      model: nameAt(variant, 'model', [...path, 'split', index]),
      percent: typeof percent === 'number' ? percent : undefined,
    };
  });
  return {
    path,
    id: nameAt(map, 'id', path),
    aliases: namesAt(map, 'aliases', path),
    strategy: textAt(map, 'strategy'),
    targets: (listAt(map, 'targets') ?? []).map((entry, index) => {
      const target = isConfigMap(entry) ? entry : undefined;
      const weight = target?.weight === undefined ? 1 : fromNumericText(target.weight);
      return {
        provider: nameAt(target, 'provider', [...path, 'targets', index]),
        weight: typeof weight === 'number' ? weight : undefined,
      };
    }),
    fallbacks: namesAt(map, 'fallbacks', path),
    fallbacksOn: Object.fromEntries(
      Object.keys(mapAt(map, 'fallbacks_on') ?? {}).map((reason) => [
        reason,
        namesAt(mapAt(map, 'fallbacks_on'), reason, [...path, 'fallbacks_on']),
      ]),
    ),
    experimentModels: [
      ...split.flatMap(({ model: to }) => to ?? []),
      ...['canary', 'mirror', 'escalate'].flatMap(
        (key) => nameAt(mapAt(map, key), 'model', [...path, key]) ?? [],
      ),
    ],
    strategyPlugin: nameAt(map, 'strategy_plugin', path),
    split,
    hasCanary: mapAt(map, 'canary') !== undefined,
    hasCache: mapAt(map, 'cache') !== undefined,
  };
}

function plugin(item: unknown, path: ConfigPath): NameAt[] {
  const map = isConfigMap(item) ? item : undefined;
  const module = textAt(map, 'module');
  const name = textAt(map, 'id') ?? (module === undefined ? undefined : pluginIdOf(module));
  return name === undefined ? [] : [{ name, path }];
}

function mapAt(map: ConfigMap | undefined, key: string): ConfigMap | undefined {
  const value = map?.[key];
  return isConfigMap(value) ? value : undefined;
}

function listAt(map: ConfigMap | undefined, key: string): readonly unknown[] | undefined {
  const value = map?.[key];
  return Array.isArray(value) ? value : undefined;
}

/** Text that is not empty. */
function textAt(map: ConfigMap | undefined, key: string): string | undefined {
  const value = map?.[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** null when there is none. */
function optionalTextAt(map: ConfigMap | undefined, key: string): string | null | undefined {
  const value = map?.[key];
  return value === undefined || value === null || value === '' ? null : textAt(map, key);
}

function nameAt(map: ConfigMap | undefined, key: string, path: ConfigPath): NameAt | undefined {
  const name = textAt(map, key);
  return name === undefined ? undefined : { name, path: [...path, key] };
}

function namesAt(map: ConfigMap | undefined, key: string, path: ConfigPath): NameAt[] {
  return (listAt(map, key) ?? []).flatMap((name, index) =>
    typeof name === 'string' && name !== '' ? [{ name, path: [...path, key, index] }] : [],
  );
}
