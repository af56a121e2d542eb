import { unknownModel } from '../dispatch/dispatch-errors.ts';
import type { ModelDirectory, ModelRoute } from '../routing/directory.ts';

/**
 * @param isShown whether an error may name a model that is similar
 * @throws GatewayError `model_not_found` with the vendor that is missing, or the names that are similar
 */
export function resolveModel(
  directory: ModelDirectory,
  name: string,
  isShown: (similar: string) => boolean,
): ModelRoute {
  const route = directory.resolve(name);
  if (route) return route;
  throw unknownModel(name, directory.suggest(name).filter(isShown), directory.missingVendors(name));
}
