import { CAPABILITIES, type ModelCapabilities } from '../../core/capabilities.ts';
import type { ModelData, ModelInfo } from '../../metering/model-data.ts';
import type { ModelPrice } from '../../metering/price-data.ts';
import type { PriceContext, Prices } from '../../metering/prices.ts';
import type { ModelRoute } from '../../routing/directory.ts';

/** Facts of a model that hold for every target. */
export interface RouteFacts
  extends Pick<ModelInfo, 'contextWindow' | 'maxOutputTokens' | 'knowledgeCutoff' | 'openWeights'> {
  readonly capabilities: ModelCapabilities;
  /** What the configuration says that the model is good at. */
  readonly bestFor: readonly string[];
  /** Its price class, as configured. */
  readonly costTier: string | undefined;
  /** The price of the first target with a known price. */
  readonly price?: ModelPrice;
  /** True when targets have different prices. */
  readonly priceVaries: boolean;
}

/**
 * Combines the facts of a model's targets: the smallest window, and the capabilities that all of them have.
 * @param context of the prices: a tenant may have its own
 */
export function routeFacts(
  { targets, facts, bestFor = [], costTier }: ModelRoute,
  data: ModelData,
  prices: Pick<Prices, 'of'>,
  context: PriceContext,
): RouteFacts {
  const infos = targets.map((target) => data.of(target, facts));
  const [first] = infos;
  const known = targets.flatMap((target) => prices.of(target, facts, context) ?? []);
  const contextWindow = least(infos.map((info) => info.contextWindow));
  const maxOutputTokens = least(infos.map((info) => info.maxOutputTokens));
  const distinct = new Set(known.map((price) => JSON.stringify(price)));
  return {
    capabilities: common(infos.map(({ capabilities }) => capabilities)),
    ...{ bestFor, costTier },
    priceVaries: distinct.size > 1,
    ...(known[0] === undefined ? {} : { price: known[0] }),
    ...(contextWindow === undefined ? {} : { contextWindow }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(first?.knowledgeCutoff === undefined ? {} : { knowledgeCutoff: first.knowledgeCutoff }),
    ...(first?.openWeights === undefined ? {} : { openWeights: first.openWeights }),
  };
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** True when all targets have it, false when one is known to lack it, absent otherwise. */
function common(all: readonly ModelCapabilities[]): ModelCapabilities {
  const result: { -readonly [Name in keyof ModelCapabilities]: boolean } = {};
  for (const name of CAPABILITIES) {
    if (all.length > 0 && all.every((one) => one[name] === true)) result[name] = true;
    else if (all.some((one) => one[name] === false)) result[name] = false;
  }
  return result;
}
