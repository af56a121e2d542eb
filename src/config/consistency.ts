import type { ProviderCatalog } from './catalog.ts';
import { headerNameFault } from './fields.ts';
import type { Problem } from './origins.ts';
import type { ModelOutline, Outline, ProviderOutline } from './outline.ts';

/** Rules between the keys of one section, which the schema of a single key cannot express. */
export function checkConsistency(outline: Outline, catalog: ProviderCatalog): Problem[] {
  return [
    ...checkServer(outline),
    ...checkSimulator(outline, catalog),
    ...checkRegion(outline),
    ...(outline.providers ?? []).flatMap((provider) => [
      ...checkKind(provider, catalog),
      ...checkHeaders(provider),
    ]),
    ...outline.models.flatMap(checkWeights),
    ...outline.models.flatMap(checkExperiments),
    ...outline.models.flatMap((model) => checkCache(model, outline)),
    ...checkSemanticCache(outline),
  ];
}

/** Without `cache`, the settings of a model would have no effect. */
function checkCache({ path, hasCache }: ModelOutline, outline: Outline): Problem[] {
  if (!hasCache || outline.hasCache) return [];
  const message = 'requires the section "cache", such as "cache: {}"';
  return [{ path: [...path, 'cache'], message, onKey: true }];
}

/** Its lookups come after those of the exact cache, whose entries it shares. */
function checkSemanticCache({ hasSemanticWithoutExact }: Outline): Problem[] {
  if (!hasSemanticWithoutExact) return [];
  return [{ path: ['cache', 'semantic'], message: 'requires "cache.exact"', onKey: true }];
}

function checkServer({ ports, cors }: Outline): Problem[] {
  const problems: Problem[] = [];
  if (typeof ports.api === 'number' && ports.api > 0 && ports.api === ports.metrics) {
    const [key, other] = ports.metricsGiven
      ? ['metrics_port', 'server.port']
      : ['port', 'server.metrics_port'];
    problems.push({ path: ['server', key], message: `must not be the same as ${other} (${ports.api})` });
  }
  for (const [other, taken] of [
    ['server.port', ports.api],
    ['server.metrics_port', ports.metrics],
  ] as const) {
    if (typeof ports.grpc !== 'number' || ports.grpc === 0 || ports.grpc !== taken) continue;
    problems.push({ path: ['server', 'grpc_port'], message: `must not be the same as ${other} (${taken})` });
  }
  if (cors.anyOrigin && cors.credentials) {
    const message = 'cannot be true with the origin "*": list the origins that may send credentials';
    problems.push({ path: ['server', 'cors', 'allow_credentials'], message });
  }
  return problems;
}

/** A gateway of no known region would count as none of the places that tenants allow. */
function checkRegion({ region, regionIds, regionsComplete }: Outline): Problem[] {
  if (regionIds.length > 0 && region === undefined) {
    const message = 'is required with "regions": the region of this gateway (WEIR_REGION)';
    return [{ path: ['region'], message }];
  }
  if (region === undefined || regionIds.length === 0 || !regionsComplete) return [];
  if (regionIds.includes(region.name)) return [];
  return [{ path: region.path, message: `is not in "regions", which has ${regionIds.join(', ')}` }];
}

/** A built-in provider and the kind of providers like it have the same name. */
function checkSimulator({ simulator, providers }: Outline, { builtinIds }: ProviderCatalog): Problem[] {
  if (simulator !== 'off') return [];
  return (providers ?? []).flatMap(({ kind, path }) =>
    kind !== undefined && builtinIds.includes(kind)
      ? [{ path: [...path, 'kind'], message: `cannot be ${kind} with "simulator: off"` }]
      : [],
  );
}

function checkKind(provider: ProviderOutline, catalog: ProviderCatalog): Problem[] {
  const { path, kind, vendor, engine, api, given } = provider;
  const problems: Problem[] = [];
  if (given.includes('more_api_keys') && !given.includes('api_key')) {
    const message = 'requires api_key as the first key';
    problems.push({ path: [...path, 'more_api_keys'], message, onKey: true });
  }
  const generic = catalog.genericKinds.join(' or ');
  if (kind === undefined || !catalog.kinds.includes(kind)) return problems;
  problems.push(...checkSettings(provider, kind, catalog));
  if (api === 'native' && engine !== undefined && !catalog.nativeEngines.includes(engine ?? '')) {
    const message = `cannot be native: only engine ${catalog.nativeEngines.join(' or ')} has a native API`;
    problems.push({ path: [...path, 'api'], message });
  }
  const isGeneric = catalog.genericKinds.includes(kind);
  for (const [key, value] of Object.entries({ vendor, engine })) {
    if (!isGeneric && value !== null) {
      problems.push({ path: [...path, key], message: `only goes with kind ${generic}`, onKey: true });
    }
  }
  if (!isGeneric) {
    const isReported = catalog.required[kind]?.includes('base_url') ?? false;
    const hasDefault = catalog.defaultBaseUrl({ kind, vendor: null, engine: null }) !== undefined;
    if (!provider.hasBaseUrl && !hasDefault && !isReported) {
      problems.push({ path: [...path, 'base_url'], message: `is required with kind ${kind}` });
    }
    return problems;
  }
  if (vendor !== null && engine !== null) {
    problems.push({ path: [...path, 'engine'], message: 'cannot go together with vendor', onKey: true });
  } else if (vendor !== undefined && engine !== undefined && !provider.hasBaseUrl) {
    if (catalog.defaultBaseUrl({ kind, vendor, engine }) === undefined) {
      const hint = vendor === null && engine === null ? ', unless vendor or engine implies one' : '';
      problems.push({ path: [...path, 'base_url'], message: `is required with kind ${kind}${hint}` });
    }
  }
  return problems;
}

/** Keys that only some kinds accept, and keys that a kind requires. */
function checkSettings({ path, given }: ProviderOutline, kind: string, catalog: ProviderCatalog): Problem[] {
  const misplaced = given.flatMap((key) => {
    const kinds = catalog.settings[key];
    // Every provider may say where it computes.
    if (!kinds || kinds.includes(kind) || key === 'region') return [];
    return [{ path: [...path, key], message: `only goes with kind ${kinds.join(' or ')}`, onKey: true }];
  });
  const missing = (catalog.required[kind] ?? [])
    .filter((key) => !given.includes(key))
    .map((key) => ({ path: [...path, key], message: `is required with kind ${kind}` }));
  return [...misplaced, ...missing];
}

function checkHeaders({ headers }: ProviderOutline): Problem[] {
  const seen = new Set<string>();
  return headers.flatMap(({ name, path }) => {
    const twice = seen.has(name.toLowerCase())
      ? 'this header is given twice (case makes no difference)'
      : null;
    seen.add(name.toLowerCase());
    const message = headerNameFault(name) ?? twice;
    return message === null ? [] : [{ path, message, onKey: true }];
  });
}

function checkWeights({ path, strategy, targets }: ModelOutline): Problem[] {
  if (targets.length === 0 || targets.some(({ weight }) => weight !== 0)) return [];
  const message =
    strategy === 'weighted'
      ? 'the weights add up to 0, so no target can be selected'
      : 'every target has weight 0, so none can be selected';
  return [{ path: [...path, 'targets'], message }];
}

function checkExperiments({ path, split, hasCanary }: ModelOutline): Problem[] {
  const problems: Problem[] = [];
  const sum = split.reduce((total, { percent = 0 }) => total + percent, 0);
  if (sum > 100)
    problems.push({
      path: [...path, 'split'],
      message: `the percentages add up to ${sum}; at most 100 is allowed`,
    });
  if (hasCanary && split.length > 0) {
    problems.push({ path: [...path, 'canary'], message: 'cannot go together with split', onKey: true });
  }
  const seen = new Set(['control', 'canary']);
  for (const { name } of split) {
    if (!name) continue;
    if (seen.has(name.name)) {
      const message = ['control', 'canary'].includes(name.name)
        ? 'is reserved; choose another name'
        : 'another variant already has this name';
      problems.push({ path: name.path, message });
    }
    seen.add(name.name);
  }
  return problems;
}
