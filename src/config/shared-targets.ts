import type { Problem } from './origins.ts';
import type { Config } from './schema.ts';

type Limit = Config['models'][number]['targets'][number]['max_concurrency'];

interface Listing {
  readonly model: string;
  readonly limit: Limit;
  readonly path: Problem['path'];
}

/**
 * The concurrency limit of an upstream model that several models use: it holds for all of them together, because they
 * share the slots of one engine.
 * @returns the smallest number; `adaptive` where no number is set; null where nothing is
 */
export function sharedLimit(limits: readonly Limit[]): Limit {
  const numbers = limits.filter((limit) => typeof limit === 'number');
  if (numbers.length > 0) return Math.min(...numbers);
  return limits.includes('adaptive') ? 'adaptive' : null;
}

/** Warns where models share an upstream model and set different concurrency limits for it, or only some set one. */
export function sharedTargetWarnings(models: Config['models']): Problem[] {
  const listings = new Map<string, Listing[]>();
  for (const [index, { id, targets }] of models.entries()) {
    for (const [at, { provider, model, max_concurrency: limit }] of targets.entries()) {
      const path = ['models', index, 'targets', at, 'max_concurrency'];
      const known = listings.get(`${provider}/${model}`);
      const listing = { model: id, limit, path };
      if (known) known.push(listing);
      else listings.set(`${provider}/${model}`, [listing]);
    }
  }
  return [...listings].flatMap(([target, all]) => {
    const limit = sharedLimit(all.map((one) => one.limit));
    const setter = all.find((one) => one.limit === limit);
    if (setter === undefined || all.every((one) => one.limit === limit)) return [];
    const users = [...new Set(all.map(({ model }) => `"${model}"`))].join(', ');
    const message = `${limit} holds for "${target}" in all models that use it, together: ${users}`;
    return [{ path: setter.path, message }];
  });
}
