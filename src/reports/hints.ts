import { dollarsOfPico } from '../metering/price.ts';
import type { ReportHint } from './report-document.ts';

/** Use of one model, or of one key on it, in a period. Money is 10^-12 US dollars. */
export interface ModelUse {
  readonly model: string;
  readonly requests: bigint;
  readonly attempts: bigint;
  readonly failures: bigint;
  readonly inputTokens: bigint;
  readonly outputTokens: bigint;
  readonly cachedTokens: bigint;
  readonly costPico: bigint;
  readonly outputCostPico: bigint;
  readonly cacheHits: bigint;
  readonly promptSavedPico: bigint;
}

export interface KeyUse extends ModelUse {
  readonly key: string;
  readonly name: string | null;
}

/** Requests without which a comparison says nothing. */
const MIN_REQUESTS = 100n;
/** Failures of a thousand attempts by which a cheaper model may be worse: within the noise of a hundred requests. */
const SUCCESS_TOLERANCE = 5n;
/** Smallest saving worth a hint: a cent, and a twentieth of the cost. */
const MIN_SAVING_PICO = 10_000_000_000n;
const MIN_SHARE = 20n;
/** Of a thousand tokens or requests. */
const LOW_SHARE = 50n;
const HIGH_SHARE = 200n;

/** The cheapest model that answered as reliably, at the prices that were paid. Its quality is not compared. */
export function cheaperModels(models: readonly ModelUse[]): ReportHint[] {
  return models.flatMap((one) => {
    const best = models
      .filter(
        (other) =>
          other.model !== one.model &&
          other.requests >= MIN_REQUESTS &&
          failuresOf(other) <= failuresOf(one) + SUCCESS_TOLERANCE,
      )
      .flatMap((other) => {
        const cost = costAt(other, one);
        return cost === undefined ? [] : [{ other, cost }];
      })
      .toSorted((a, b) => (a.cost < b.cost ? -1 : 1))[0];
    if (!best || one.requests < MIN_REQUESTS) return [];
    const saving = one.costPico - best.cost;
    if (!isWorth(saving, one.costPico)) return [];
    return [
      hintOf('cheaper_model', one.model, saving, {
        text: `${best.other.model} succeeded as often as ${one.model} and costs less for the same tokens. Compare its quality first.`,
        evidence: {
          model: best.other.model,
          cost: dollarsOfPico(one.costPico),
          cost_at_model: dollarsOfPico(best.cost),
          success_percent: successPercent(one),
          success_percent_of_model: successPercent(best.other),
          requests: Number(one.requests),
          requests_of_model: Number(best.other.requests),
        },
      }),
    ];
  });
}

/** Models without hits of the response cache, where another one has them. */
export function cacheCandidates(models: readonly ModelUse[]): ReportHint[] {
  const cached = models
    .filter(({ requests }) => requests >= MIN_REQUESTS)
    .toSorted((a, b) => (shareOf(a.cacheHits, a.requests) > shareOf(b.cacheHits, b.requests) ? -1 : 1))[0];
  if (!cached) return [];
  const share = shareOf(cached.cacheHits, cached.requests);
  if (share < LOW_SHARE) return [];
  return models.flatMap((one) => {
    if (one.cacheHits > 0n || one.requests < MIN_REQUESTS) return [];
    const saving = (one.costPico * share) / 1_000n;
    if (!isWorth(saving, one.costPico)) return [];
    return [
      hintOf('cache_candidate', one.model, saving, {
        text: `Requests to ${one.model} are not served from the response cache. ${cached.model} has hits.`,
        evidence: {
          hit_rate_percent_of_model: percent(share),
          model: cached.model,
          requests: Number(one.requests),
          cost: dollarsOfPico(one.costPico),
        },
      }),
    ];
  });
}

/** Keys that use a provider's prompt cache less than another key on the same model does. */
export function promptCacheUse(keys: readonly KeyUse[]): ReportHint[] {
  return keys.flatMap((one) => {
    const best = keys
      .filter(
        (other) =>
          other.model === one.model &&
          other.requests >= MIN_REQUESTS &&
          other.promptSavedPico > 0n &&
          shareOf(other.cachedTokens, other.inputTokens) >= HIGH_SHARE,
      )
      .toSorted((a, b) =>
        shareOf(a.cachedTokens, a.inputTokens) > shareOf(b.cachedTokens, b.inputTokens) ? -1 : 1,
      )[0];
    const share = shareOf(one.cachedTokens, one.inputTokens);
    if (!best || one.requests < MIN_REQUESTS || share >= LOW_SHARE) return [];
    const bestShare = shareOf(best.cachedTokens, best.inputTokens);
    const more = (one.inputTokens * (bestShare - share)) / 1_000n;
    const saving = (more * best.promptSavedPico) / best.cachedTokens;
    if (!isWorth(saving, one.costPico)) return [];
    return [
      hintOf('prompt_cache', one.key, saving, {
        text: `${one.name ?? one.key} hardly uses the prompt cache of ${one.model}. Put what repeats first in its prompts, or turn prompt caching on.`,
        evidence: {
          model: one.model,
          key_name: one.name,
          cached_percent: percent(share),
          cached_percent_of_best_key: percent(bestShare),
          best_key: best.key,
          input_tokens: Number(one.inputTokens),
        },
      }),
    ];
  });
}

/** Keys that were not used in the period, and exist since before it. They cost nothing and can leak. */
export function unusedKeys(
  keys: readonly { readonly id: string; readonly name: string; readonly lastUsedAt: number | null }[],
): ReportHint[] {
  return keys.map(({ id, name, lastUsedAt }) =>
    hintOf('unused_key', id, 0n, {
      text: `The key ${name} was not used. Revoke it unless an application still needs it.`,
      evidence: {
        key_name: name,
        last_used_at: lastUsedAt === null ? null : new Date(lastUsedAt).toISOString(),
      },
    }),
  );
}

/** Engines that served nothing. @param hourlyPico cost of an hour; undefined where it is not known */
export function idleEngines(
  engines: readonly { readonly provider: string; readonly hourlyPico: bigint | undefined }[],
  hours: number,
): ReportHint[] {
  return engines.map(({ provider, hourlyPico }) =>
    hintOf('idle_engine', provider, hourlyPico === undefined ? null : hourlyPico * BigInt(hours), {
      text: `The engine ${provider} served no request. Stop it, or let Weir start it on demand.`,
      evidence: { hours, requests: 0 },
    }),
  );
}

function hintOf(
  kind: ReportHint['kind'],
  subject: string,
  savesPico: bigint | null,
  { text, evidence }: Pick<ReportHint, 'text' | 'evidence'>,
): ReportHint {
  const saves = savesPico === null ? null : dollarsOfPico(savesPico);
  return { kind, subject, text, saves, estimated: true, evidence };
}

/** What the tokens of one model would have cost at the unit costs of another; undefined where those are not known. */
function costAt(other: ModelUse, one: ModelUse): bigint | undefined {
  if (other.costPico <= 0n || other.inputTokens === 0n || other.outputTokens === 0n) return undefined;
  const input = ((other.costPico - other.outputCostPico) * one.inputTokens) / other.inputTokens;
  const output = (other.outputCostPico * one.outputTokens) / other.outputTokens;
  return input + output;
}

function isWorth(saving: bigint, cost: bigint): boolean {
  return saving >= MIN_SAVING_PICO && saving * MIN_SHARE >= cost;
}

/** Failures of a thousand attempts. */
function failuresOf({ failures, attempts }: ModelUse): bigint {
  return shareOf(failures, attempts);
}

function shareOf(part: bigint, whole: bigint): bigint {
  return whole === 0n ? 0n : (part * 1_000n) / whole;
}

const percent = (share: bigint) => Number(share) / 10;
const successPercent = (use: ModelUse) => percent(1_000n - failuresOf(use));
