import type { ModelOverrides } from '../metering/model-data.ts';
import { costPico, nanoOfPico } from '../metering/price.ts';
import type { Prices } from '../metering/prices.ts';
import type { Target } from '../providers/types.ts';
import type { RequestFacts } from '../routing/request-facts.ts';

/** Reserved for an answer whose request sets no limit. Tokens. */
const USUAL_ANSWER = 1_000;

function expectedOutput({ outputLimit }: RequestFacts): number {
  return outputLimit ?? USUAL_ANSWER;
}

/** What is reserved of limits on tokens. What is used beyond it is the error that one request in flight can make. */
export function expectedTokens(facts: RequestFacts): number {
  return facts.inputTokens + expectedOutput(facts);
}

/** The amount to reserve of budgets, in 10^-9 US dollars: the price of the most expensive possible target. */
export function expectedNanoUsd(
  prices: Prices,
  targets: readonly Target[],
  overrides: ModelOverrides | undefined,
  facts: RequestFacts,
  now: number,
): number {
  const usage = { inputTokens: facts.inputTokens, outputTokens: expectedOutput(facts), raw: {} };
  let highest = 0;
  for (const target of targets) {
    const price = prices.of(target, overrides, facts.tenant, now);
    const cost = price && costPico(price, usage);
    if (cost !== undefined && cost > highest) highest = cost;
  }
  return nanoOfPico(highest);
}
