import type { ApiServices } from '../api/services.ts';
import type { ProviderResult } from '../batches/batch-parts.ts';
import { costPico, outputCostPico, promptCacheSavingPico } from '../metering/price.ts';
import type { Provider, Target } from '../providers/types.ts';
import type { ModelRoute } from '../routing/directory.ts';
import type { UsageEvent } from '../storage/usage-event.ts';

/** Operations by the last part of an endpoint's path; all others are chats. */
const OPERATIONS: Readonly<Record<string, string>> = {
  embeddings: 'embedding',
  moderations: 'moderation',
  completions: 'completion',
};

/**
 * Meters a line that a provider has run without running its request: the key may be revoked, and the model removed.
 * @returns the event that the pipeline would have recorded; undefined where the provider is not configured
 */
export function usageOfResult(
  { clock, snapshot }: Pick<ApiServices, 'clock' | 'snapshot'>,
  result: ProviderResult,
): UsageEvent | undefined {
  const { batch, requestId, forward, body, status } = result;
  const { tenant, keyId, member } = batch;
  const { directory, prices, providers, router } = snapshot();
  const provider = providers
    .flatMap((one) => one.accounts ?? [one])
    .find((one) => one.id === forward.provider && (one.account ?? 0) === forward.account);
  const usage = provider?.batches?.usageOf(forward.endpoint, body);
  if (!provider || !usage) return undefined;
  const named = result.models.flatMap((name) => directory.resolve(name) ?? []);
  const routes = [...named.flatMap((route) => router.possibleRoutes(route)), ...directory.routes()];
  const { route, target } = targetIn(routes, provider, forward.model) ?? {
    route: named[0],
    // Removed since: its list price is that of the provider's model.
    target: { provider, model: forward.model, weight: 1 },
  };
  const at = clock.wallTime();
  const price = prices.of(target, route?.facts, { tenant, at, isBatch: true });
  const cost = price && costPico(price, usage);
  const usesCache = usage.cachedInputTokens || usage.cacheWriteTokens;
  return {
    ...{ id: `${requestId}-result`, tenant, requestId, at, keyId, member, model: route?.label ?? 'unknown' },
    ...{ provider: provider.id, upstreamModel: forward.model, operation: operationOf(forward.endpoint) },
    ...{ tags: [], status, outcome: 'done', requests: 1 },
    inputTokens: usage.inputTokens ?? 0,
    outputTokens: usage.outputTokens ?? 0,
    cachedTokens: usage.cachedInputTokens ?? 0,
    cacheWriteTokens: usage.cacheWriteTokens ?? 0,
    reasoningTokens: usage.reasoningTokens ?? 0,
    costPico: cost ?? null,
    ...(price && cost ? { outputCostPico: outputCostPico(price, usage, cost, 0) } : {}),
    ...(price && usesCache ? { promptSavedPico: promptCacheSavingPico(price, usage) } : {}),
    ...{ estimated: false, durationMs: 0, firstEventMs: null },
  };
}

function targetIn(
  routes: readonly ModelRoute[],
  provider: Provider,
  model: string,
): { readonly route: ModelRoute; readonly target: Target } | undefined {
  for (const route of routes) {
    const target = route.targets.find((one) => one.provider === provider && one.model === model);
    if (target) return { route, target };
  }
  return undefined;
}

function operationOf(endpoint: string): string {
  if (endpoint.endsWith('/chat/completions')) return 'chat';
  return OPERATIONS[endpoint.slice(endpoint.lastIndexOf('/') + 1)] ?? 'chat';
}
