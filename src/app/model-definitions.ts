import type { Config, ModelConfig } from '../config/schema.ts';
import { sharedLimit } from '../config/shared-targets.ts';
import type { SubjectLimits } from '../core/limit.ts';
import { type LimitDocument, limitOf } from '../core/limit-schema.ts';
import type { ModelOverrides } from '../metering/model-data.ts';
import type { ModelPrice } from '../metering/price-data.ts';
import type { PriceRule } from '../metering/prices.ts';
import type { LimitSetting } from '../routing/admission/concurrency-limit.ts';
import type { ModelDefinition } from '../routing/directory.ts';
import type { ExperimentSettings } from '../routing/experiments/settings.ts';

/** The routing form of a configured model. */
export function modelDefinition(model: ModelConfig): ModelDefinition {
  const contextWindow = model.context_window ?? model.max_length;
  const { max_output_tokens: maxOutputTokens, price, capabilities } = model;
  const facts: ModelOverrides = {
    ...(contextWindow === null ? {} : { contextWindow }),
    ...(maxOutputTokens === null ? {} : { maxOutputTokens }),
    ...(price === null ? {} : { price: listPrice(price) }),
    ...(Object.keys(capabilities).length === 0 ? {} : { capabilities }),
  };
  const { hedge } = model;
  const hedging = hedge && {
    percent: hedge.percent,
    afterMs: hedge.after ?? undefined,
    maxPriceRatio: hedge.max_price_ratio,
  };
  return {
    ...model,
    limits: subjectLimits('model', model.id, model.limits),
    targets: model.targets.map((target) => {
      const name = `${target.provider}/${target.model}`;
      return { ...target, limits: subjectLimits('target', name, target.limits) };
    }),
    strategyPlugin: model.strategy_plugin ?? undefined,
    fallbacksOn: model.fallbacks_on,
    hedging: hedging ?? undefined,
    microBatch: model.micro_batch
      ? {
          windowMs: model.micro_batch.window,
          maxInputs: model.micro_batch.max_inputs,
          maxBytes: model.micro_batch.max_bytes,
        }
      : undefined,
    continueStreams: model.continue_streams,
    timeoutMs: model.timeout ?? undefined,
    responseMetadata: model.response_metadata,
    bestFor: model.best_for,
    costTier: model.cost_tier ?? undefined,
    experiments: experimentsOf(model),
    escalation: model.escalate
      ? {
          model: model.escalate.model,
          when: model.escalate.when,
          minConfidence: model.escalate.min_confidence,
        }
      : undefined,
    facts,
  };
}

function subjectLimits(
  scope: 'model' | 'target',
  id: string,
  limits: readonly LimitDocument[],
): readonly SubjectLimits[] | undefined {
  return limits.length === 0
    ? undefined
    : [{ scope, id, name: id, limits: limits.map(limitOf), timeZone: 'UTC' }];
}

/** The rules of `prices:`, which override the list prices of models. */
export function priceRules(prices: Config['prices']): PriceRule[] {
  return prices.map((rule) => {
    const { input, output, cached_input, cache_write, gpu_hour, gpu_share, time_of_day } = rule;
    const hasPrice = gpu_hour !== null || (input !== null && output !== null);
    return {
      ...{ model: rule.model, provider: rule.provider, tenant: rule.tenant },
      from: rule.from ?? Number.NEGATIVE_INFINITY,
      until: rule.until ?? Number.POSITIVE_INFINITY,
      price: hasPrice
        ? {
            ...(input === null || output === null
              ? {}
              : listPrice({ input, output, cached_input, cache_write })),
            ...(gpu_hour === null ? {} : { time: { perHour: gpu_hour, share: gpu_share } }),
          }
        : undefined,
      batch: rule.batch ?? undefined,
      ...(time_of_day.length === 0
        ? {}
        : {
            dayTimes: time_of_day.map(({ from, until, days, time_zone: timeZone, factor }) => ({
              ...{ from, until, timeZone, factor },
              ...(days === null ? {} : { days }),
            })),
          }),
    };
  });
}

function experimentsOf({ split, canary, mirror }: ModelConfig): ExperimentSettings | undefined {
  if (split.length === 0 && !canary && !mirror) return undefined;
  return {
    split,
    canary: canary
      ? {
          model: canary.model,
          percent: canary.percent,
          minRequests: canary.min_requests,
          errorIncrease: canary.error_increase,
          latencyRatio: canary.latency_ratio,
          costRatio: canary.cost_ratio,
          windowMs: canary.window,
        }
      : undefined,
    mirror: mirror ?? undefined,
  };
}

/** Concurrency limits by target, which models with the same target share. */
export function concurrencyLimits(models: Config['models']): ReadonlyMap<string, LimitSetting> {
  const limits = new Map<string, LimitSetting>();
  for (const { provider, model, max_concurrency: limit } of models.flatMap(({ targets }) => targets)) {
    const key = `${provider}/${model}`;
    const shared = sharedLimit([limits.get(key) ?? null, limit]);
    if (shared !== null) limits.set(key, shared);
  }
  return limits;
}

function listPrice(price: NonNullable<ModelConfig['price']>): ModelPrice {
  const { input, output, cached_input: cachedInput, cache_write: cacheWrite } = price;
  return {
    input: { base: input },
    output: { base: output },
    ...(cachedInput === null ? {} : { cachedInput: { base: cachedInput } }),
    ...(cacheWrite === null ? {} : { cacheWrite: { base: cacheWrite } }),
  };
}
