import { unknownModel } from '../dispatch/dispatch-errors.ts';
import type { ModelDirectory, ModelRoute } from '../routing/directory.ts';

/** @throws GatewayError `model_not_found` with the vendor that is missing, or the names that are similar */
export function resolveModel(directory: ModelDirectory, name: string): ModelRoute {
  const route = directory.resolve(name);
  if (!route) throw unknownModel(name, directory.suggest(name), directory.missingVendors(name));
  return route;
}
