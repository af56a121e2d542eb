import { CAPABILITIES, type ModelCapabilities } from '../../core/capabilities.ts';
import type { ModelData, ModelInfo } from '../../metering/model-data.ts';
import type { ModelPrice } from '../../metering/price-data.ts';
import type { ModelRoute } from '../../routing/directory.ts';

/** What a client can rely on when it asks for a model, whichever of its targets answers. */
export interface RouteFacts
  extends Pick<ModelInfo, 'contextWindow' | 'maxOutputTokens' | 'knowledgeCutoff' | 'openWeights'> {
  readonly capabilities: ModelCapabilities;
  /** Of the first target whose price is known. */
  readonly price?: ModelPrice;
  /** Targets have different prices. */
  readonly priceVaries: boolean;
}

/** The facts of a model's targets taken together: the smallest window, and capabilities that all of them have. */
export function routeFacts({ targets, facts }: ModelRoute, data: ModelData): RouteFacts {
  const infos = targets.map((target) => data.of(target, facts));
  const [first] = infos;
  const prices = infos.flatMap(({ price }) => price ?? []);
  const contextWindow = least(infos.map((info) => info.contextWindow));
  const maxOutputTokens = least(infos.map((info) => info.maxOutputTokens));
  const distinct = new Set(prices.map((price) => JSON.stringify(price)));
  return {
    capabilities: common(infos.map(({ capabilities }) => capabilities)),
    priceVaries: distinct.size > 1,
    ...(prices[0] === undefined ? {} : { price: prices[0] }),
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

/** True where all have it, false where one is known not to, absent where that is not known. */
function common(all: readonly ModelCapabilities[]): ModelCapabilities {
  const result: { -readonly [Name in keyof ModelCapabilities]: boolean } = {};
  for (const name of CAPABILITIES) {
    if (all.length > 0 && all.every((one) => one[name] === true)) result[name] = true;
    else if (all.some((one) => one[name] === false)) result[name] = false;
  }
  return result;
}
