import type { ProviderCatalog } from './catalog.ts';
import { findCycles } from './cycles.ts';
import type { Origins, Problem } from './origins.ts';
import type { ModelOutline, NameAt, Outline } from './outline.ts';
import { quote } from './path.ts';
import { didYouMean } from './suggest.ts';

export interface ReferenceReport {
  readonly problems: readonly Problem[];
  /** Names that only the providers' model lists can confirm. */
  readonly warnings: readonly Problem[];
}

/** Checks every reference to a provider or model: names are unique, and references are known. */
export function checkReferences(
  outline: Outline,
  catalog: ProviderCatalog,
  origins: Origins,
): ReferenceReport {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const isOff = outline.simulator === 'off';
  const providers = checkProviderIds(outline, catalog, problems);
  if (isOff) for (const id of catalog.builtinIds) providers.delete(id);
  const models = checkModelNames(outline, problems);
  const upstreamNames = new Set([
    ...(isOff ? [] : (catalog.builtinModels ?? [])),
    ...(outline.providers ?? []).flatMap((provider) => provider.models.map(({ name }) => name)),
  ]);
  const open = outline.usesEnvironment;
  const discovered = open || (outline.providers ?? []).some((provider) => provider.discover);

  const checkProvider = ({ name, path }: NameAt): void => {
    if (providers.has(name) || !outline.providersComplete) return;
    const shown = origins.show(path, name);
    if (isOff && catalog.builtinIds.includes(name)) {
      problems.push({ path, message: `provider ${shown} cannot be used with "simulator: off"` });
    } else if (open)
      warnings.push({
        path,
        message: `provider ${shown} is not configured; it must come from the environment`,
      });
    else problems.push({ path, message: `unknown provider ${shown}${didYouMean(name, providers)}` });
  };
  const checkModel = ({ name, path }: NameAt): void => {
    const slash = name.indexOf('/');
    const qualified = slash > 0 && slash < name.length - 1 && providers.has(name.slice(0, slash));
    if (models.has(name) || qualified || upstreamNames.has(name)) return;
    if (!outline.providersComplete || !outline.modelsComplete) return;
    const shown = origins.show(path, name);
    const suggestion = didYouMean(name, models.keys());
    if (discovered) {
      const message = `model ${shown} is not configured; a provider must offer it${suggestion}`;
      warnings.push({ path, message });
    } else {
      problems.push({ path, message: `unknown model ${shown}${suggestion}` });
    }
  };

  problems.push(...checkPlugins(outline, origins));
  for (const model of outline.models) {
    for (const target of model.targets) if (target.provider !== undefined) checkProvider(target.provider);
    for (const fallback of model.fallbacks) checkModel(fallback);
    for (const fallback of Object.values(model.fallbacksOn).flat()) checkModel(fallback);
    for (const other of model.experimentModels) {
      checkModel(other);
      if (models.get(other.name) === outline.models.indexOf(model)) {
        problems.push({ path: other.path, message: 'refers to the model itself' });
      }
    }
  }
  for (const name of [...outline.semanticModels, ...outline.guardrailModels]) checkModel(name);
  const ids = new Set<string>();
  for (const { name, path } of outline.guardrailIds) {
    if (ids.has(name)) problems.push({ path, message: `duplicate id ${origins.show(path, name)}` });
    ids.add(name);
  }
  if (outline.defaultModel !== undefined) checkModel(outline.defaultModel);
  problems.push(...checkCycles(outline, models, ({ fallbacks }) => fallbacks));
  // Each kind of failure has a graph of its own: to a larger model for length, and back to a smaller for cost, is no circle.
  const reasons = new Set(outline.models.flatMap(({ fallbacksOn }) => Object.keys(fallbacksOn)));
  for (const reason of reasons) {
    problems.push(...checkCycles(outline, models, ({ fallbacksOn }) => fallbacksOn[reason] ?? []));
  }
  return { problems, warnings };
}

/** Ids of plugins are unique, and guardrails and models name plugins that are there. */
function checkPlugins({ plugins, models, guardrailPlugins }: Outline, origins: Origins): Problem[] {
  const first = new Map<string, number>();
  const problems: Problem[] = [];
  for (const [index, { name, path }] of plugins.entries()) {
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, index);
    else {
      const message = `duplicate id ${quote(name)}; plugins[${earlier}] already has it; set "id"`;
      problems.push({ path, message });
    }
  }
  const named = [...guardrailPlugins, ...models.flatMap(({ strategyPlugin }) => strategyPlugin ?? [])];
  for (const { name, path } of named) {
    if (first.has(name)) continue;
    const message = `unknown plugin ${origins.show(path, name)}${didYouMean(name, first.keys())}`;
    problems.push({ path, message });
  }
  return problems;
}

/** The ids that targets may name. */
function checkProviderIds(outline: Outline, catalog: ProviderCatalog, problems: Problem[]): Set<string> {
  const ids = new Set(catalog.builtinIds);
  const first = new Map<string, number>();
  for (const [index, { id, path }] of (outline.providers ?? []).entries()) {
    if (id === undefined) continue;
    const idPath = [...path, 'id'];
    const earlier = first.get(id);
    if (catalog.builtinIds.includes(id)) {
      const message = `${quote(id)} is the id of a built-in provider; choose another id`;
      problems.push({ path: idPath, message });
    } else if (earlier !== undefined) {
      problems.push({
        path: idPath,
        message: `duplicate id ${quote(id)}; providers[${earlier}] already has it`,
      });
    } else {
      first.set(id, index);
    }
    ids.add(id);
  }
  for (const { name, path } of outline.engines) {
    if (ids.has(name))
      problems.push({ path, message: `duplicate id ${quote(name)}; another provider already has it` });
    ids.add(name);
  }
  return ids;
}

/** Every model id and alias, with the index of its model. */
function checkModelNames(outline: Outline, problems: Problem[]): Map<string, number> {
  const names = new Map<string, number>();
  for (const [index, { id, aliases }] of outline.models.entries()) {
    for (const { name, path } of id === undefined ? aliases : [id, ...aliases]) {
      const earlier = names.get(name);
      if (earlier === undefined) {
        names.set(name, index);
      } else {
        const owner = earlier === index ? 'this model' : `models[${earlier}]`;
        problems.push({ path, message: `duplicate model name ${quote(name)}; ${owner} already has it` });
      }
    }
  }
  return names;
}

function checkCycles(
  outline: Outline,
  models: ReadonlyMap<string, number>,
  fallbacksOf: (model: ModelOutline) => readonly NameAt[],
): Problem[] {
  const edges = outline.models.map((model) =>
    fallbacksOf(model).flatMap(({ name, path }) => {
      const to = models.get(name);
      return to === undefined ? [] : [{ to, path }];
    }),
  );
  return findCycles(edges.map((list) => list.map(({ to }) => to))).map(({ nodes, edge }) => {
    const from = nodes.at(-1) ?? 0;
    const ring = [...nodes, ...nodes.slice(0, 1)].map(
      (node) => outline.models[node]?.id?.name ?? `models[${node}]`,
    );
    return {
      path: edges[from]?.[edge]?.path ?? ['models', from, 'fallbacks'],
      message: `fallbacks form a cycle: ${abridge(ring).join(' -> ')}`,
    };
  });
}

const MAX_CYCLE_NAMES = 12;

function abridge(ring: readonly string[]): readonly string[] {
  return ring.length <= MAX_CYCLE_NAMES
    ? ring
    : [...ring.slice(0, MAX_CYCLE_NAMES - 2), '...', ...ring.slice(-1)];
}
