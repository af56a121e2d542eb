import { type ModelCatalogEntry, providersCatalog } from './capability-package.ts';

/** What a model can do. Absent means not known. */
export interface ModelCapabilities {
  readonly tools?: boolean;
  readonly vision?: boolean;
  readonly audio?: boolean;
  readonly files?: boolean;
  readonly reasoning?: boolean;
  readonly structuredOutput?: boolean;
  readonly embeddings?: boolean;
  readonly rerank?: boolean;
}

export interface CapableModel {
  readonly name?: string;
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
  readonly knowledgeCutoff?: string;
  readonly openWeights?: boolean;
  readonly capabilities: ModelCapabilities;
  /** Taken from the newest known model of the same line, for want of data on this one. */
  readonly inferred: boolean;
}

/** The part of a name that stays when regions, publishers, dates and versions go. */
export function lineOf(model: string): string {
  return model
    .toLowerCase()
    .replace(/^.*\//, '')
    .replace(/^(?:[a-z]{2,6}\.)?(?:anthropic|amazon|meta|cohere|mistral|ai21|deepseek|qwen|openai)\./, '')
    .replace(/[@:].*$/, '')
    .replace(/-v\d+$/, '')
    .replace(/-(?:\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{4}|latest|preview)$/, '');
}

function describe(entry: ModelCatalogEntry, inferred: boolean): CapableModel {
  const { input = [] } = entry.modalities ?? {};
  const known = <T>(name: string, value: T | undefined) => (value === undefined ? {} : { [name]: value });
  return {
    ...known('name', inferred ? undefined : entry.name),
    ...known('contextWindow', inferred ? undefined : entry.limit?.context),
    ...known('maxOutputTokens', inferred ? undefined : entry.limit?.output),
    ...known('knowledgeCutoff', inferred ? undefined : entry.knowledge),
    ...known('openWeights', entry.open_weights),
    capabilities: {
      ...known('tools', entry.tool_call),
      ...known('reasoning', entry.reasoning),
      ...known('structuredOutput', entry.structured_output),
      ...(input.length === 0
        ? {}
        : {
            vision: input.includes('image'),
            audio: input.includes('audio'),
            files: input.includes('pdf') || (entry.attachment === true && input.includes('image')),
          }),
    },
    inferred,
  };
}

/**
 * Capabilities from the kept catalogue, which is inside its package.
 * @param provider the catalogue's name of the provider; without it, any provider that has the model
 */
export function lookUpCapabilities(provider: string | undefined, model: string): CapableModel | undefined {
  const own = provider === undefined ? undefined : providersCatalog()[provider];
  const catalogs = own ? [own] : Object.values(providersCatalog());
  const line = lineOf(model);
  for (const { models } of catalogs) {
    const exact = models[model] ?? Object.values(models).find(({ id }) => lineOf(id) === line);
    if (exact) return describe(exact, false);
  }
  // `claude-opus-4-8` tells of `claude-opus`: the first two words name the line.
  const [first, second] = line.split('-');
  if (first === undefined || second === undefined || !own) return undefined;
  const relatives = Object.values(own.models).filter(({ id }) => lineOf(id).startsWith(`${first}-${second}`));
  const newest = relatives.sort((a, b) => (b.release_date ?? '').localeCompare(a.release_date ?? ''))[0];
  return newest && describe(newest, true);
}
