import { GEN_AI_OPERATIONS } from '../core/gen-ai-operations.ts';
import type { Operation } from '../core/inference.ts';
import type { Usage } from '../core/usage.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import type { CounterChild, HistogramChild } from '../observability/metric-children.ts';
import type { Metrics } from '../observability/metrics.ts';
import { OTHER } from '../observability/series-bound.ts';
import { genAiProviderName } from '../providers/gen-ai-provider-name.ts';
import type { Provider } from '../providers/types.ts';

type Direction = 'input' | 'output' | 'cached' | 'reasoning';

/** Counters of tokens by direction. Each is created when there is something to count. */
class TokenCounters {
  #input: CounterChild | undefined;
  #output: CounterChild | undefined;
  #cached: CounterChild | undefined;
  #reasoning: CounterChild | undefined;

  constructor(private readonly create: (direction: Direction) => CounterChild) {}

  add({ inputTokens, outputTokens, cachedInputTokens, reasoningTokens }: Usage): void {
    if (inputTokens) {
      this.#input ??= this.create('input');
      this.#input.inc(inputTokens);
    }
    if (outputTokens) {
      this.#output ??= this.create('output');
      this.#output.inc(outputTokens);
    }
    if (cachedInputTokens) {
      this.#cached ??= this.create('cached');
      this.#cached.inc(cachedInputTokens);
    }
    if (reasoningTokens) {
      this.#reasoning ??= this.create('reasoning');
      this.#reasoning.inc(reasoningTokens);
    }
  }
}

/** The counter of the last status and tier, which are nearly always those of the next request. */
interface LastCounter {
  readonly status: number;
  readonly tier: string;
  readonly counter: CounterChild;
}

/**
 * The metrics of one model at one provider. Ten metrics are looked up for every request by nearly always the same labels;
 * here that is one look-up for all of them. Each is created when there is something to count.
 */
class ModelSeries {
  readonly #tokens: TokenCounters;
  #streamed: LastCounter | undefined;
  #plain: LastCounter | undefined;
  #streamedDuration: HistogramChild | undefined;
  #plainDuration: HistogramChild | undefined;
  #firstToken: HistogramChild | undefined;
  #perToken: HistogramChild | undefined;
  #generated: CounterChild | undefined;
  readonly #genAi: Partial<Record<Operation, ServerHistograms>> = {};

  constructor(
    private readonly metrics: Metrics,
    private readonly model: string,
    private readonly provider: string,
  ) {
    this.#tokens = new TokenCounters((direction) => metrics.inference.tokens.labels(model, direction));
  }

  request(status: number, tier: string, isStream: boolean, seconds: number, traceId?: string): void {
    let last = isStream ? this.#streamed : this.#plain;
    if (last?.status !== status || last.tier !== tier) {
      last = this.#counterOf(status, tier, isStream);
      if (isStream) this.#streamed = last;
      else this.#plain = last;
    }
    last.counter.inc();
    this.#durationOf(isStream).observe(seconds, traceId);
  }

  #counterOf(status: number, tier: string, isStream: boolean): LastCounter {
    const { metrics, model, provider } = this;
    const counter = metrics.inference.requests.labels(
      model,
      provider,
      String(status),
      tier,
      String(isStream),
    );
    return { status, tier, counter };
  }

  #durationOf(isStream: boolean): HistogramChild {
    const { model, provider } = this;
    const { requestDuration } = this.metrics.inference;
    if (isStream) {
      this.#streamedDuration ??= requestDuration.labels(model, provider, 'true');
      return this.#streamedDuration;
    }
    this.#plainDuration ??= requestDuration.labels(model, provider, 'false');
    return this.#plainDuration;
  }

  firstToken(operation: Operation, seconds: number, traceId?: string): void {
    this.#firstToken ??= this.metrics.inference.timeToFirstToken.labels(this.model, this.provider);
    this.#firstToken.observe(seconds, traceId);
    this.#genAiOf(operation).firstToken.observe(seconds, traceId);
  }

  perToken(operation: Operation, seconds: number, traceId?: string): void {
    this.#perToken ??= this.metrics.inference.timePerOutputToken.labels(this.model, this.provider);
    this.#perToken.observe(seconds, traceId);
    this.#genAiOf(operation).perToken.observe(seconds, traceId);
  }

  tokens(usage: Usage): void {
    this.#tokens.add(usage);
    if (!usage.outputTokens) return;
    this.#generated ??= this.metrics.inference.tokensGenerated.labels(this.model);
    this.#generated.inc(usage.outputTokens);
  }

  #genAiOf(operation: Operation): ServerHistograms {
    let histograms = this.#genAi[operation];
    if (!histograms) {
      const { timeToFirstToken, timePerOutputToken } = this.metrics.genAi;
      // To its clients, Weir is the provider; which one it calls is in the metrics of the attempts.
      const labels = [GEN_AI_OPERATIONS[operation], SELF, this.model] as const;
      histograms = {
        firstToken: timeToFirstToken.labels(...labels),
        perToken: timePerOutputToken.labels(...labels),
      };
      this.#genAi[operation] = histograms;
    }
    return histograms;
  }
}

/** `gen_ai.provider.name` of Weir itself. */
const SELF = 'weir';

interface ServerHistograms {
  readonly firstToken: HistogramChild;
  readonly perToken: HistogramChild;
}

/** The metrics of one provider. */
class ProviderSeries {
  readonly #requests: CounterChild;
  #latency: HistogramChild | undefined;
  readonly #models = new Map<string, ModelHistograms>();

  constructor(
    private readonly metrics: Metrics,
    private readonly provider: string,
    private readonly genAiProvider: string,
    /** Whether one more model may have histograms; counts it. */
    private readonly takeRoom: () => boolean,
  ) {
    this.#requests = metrics.providers.requests.labels(provider);
  }

  /**
   * @param model the upstream's name of the model, from a bounded set
   * @param endedAt monotonic milliseconds
   * @param traceId of an exported trace
   */
  ended(attempt: AttemptTrace, operation: Operation, model: string, endedAt: number, traceId?: string): void {
    const { startedAt, firstEventAt, failure, usage } = attempt;
    this.#requests.inc();
    if (firstEventAt !== undefined) {
      this.#latency ??= this.metrics.providers.latency.labels(this.provider);
      this.#latency.observe((firstEventAt - startedAt) / 1000, traceId);
    }
    const error = failure?.code;
    if (error !== undefined) this.metrics.providers.errors.labels(this.provider, error).inc();
    const histograms = (this.#models.get(model) ?? this.#add(model)).of(operation);
    histograms.ended((endedAt - startedAt) / 1000, error, usage, traceId);
  }

  #add(model: string): ModelHistograms {
    const kept = model === OTHER || this.takeRoom() ? model : OTHER;
    const histograms = this.#models.get(kept) ?? new ModelHistograms(this.metrics, this.genAiProvider, kept);
    this.#models.set(kept, histograms);
    return histograms;
  }
}

/** The histograms of OpenTelemetry for one upstream model, by operation. */
class ModelHistograms {
  readonly #operations: Partial<Record<Operation, ClientHistograms>> = {};

  constructor(
    private readonly metrics: Metrics,
    private readonly genAiProvider: string,
    private readonly model: string,
  ) {}

  of(operation: Operation): ClientHistograms {
    let histograms = this.#operations[operation];
    if (!histograms) {
      const labels = [GEN_AI_OPERATIONS[operation], this.genAiProvider, this.model] as const;
      histograms = new ClientHistograms(this.metrics, labels);
      this.#operations[operation] = histograms;
    }
    return histograms;
  }
}

class ClientHistograms {
  #duration: HistogramChild | undefined;
  #input: HistogramChild | undefined;
  #output: HistogramChild | undefined;

  constructor(
    private readonly metrics: Metrics,
    private readonly labels: readonly [operation: string, provider: string, model: string],
  ) {}

  ended(seconds: number, error: string | undefined, usage: Usage | undefined, traceId?: string): void {
    const { operationDuration, tokenUsage } = this.metrics.genAi;
    if (error === undefined) {
      this.#duration ??= operationDuration.labels(...this.labels, '');
      this.#duration.observe(seconds, traceId);
    } else operationDuration.labels(...this.labels, error).observe(seconds, traceId);
    if (usage?.inputTokens !== undefined) {
      this.#input ??= tokenUsage.labels(...this.labels, 'input');
      this.#input.observe(usage.inputTokens, traceId);
    }
    if (usage?.outputTokens !== undefined) {
      this.#output ??= tokenUsage.labels(...this.labels, 'output');
      this.#output.observe(usage.outputTokens, traceId);
    }
  }
}

/** The metrics of one tenant. */
class TenantSeries {
  readonly #tokens: TokenCounters;
  #last: { readonly status: number; readonly counter: CounterChild } | undefined;

  constructor(
    private readonly metrics: Metrics,
    private readonly tenant: string,
  ) {
    this.#tokens = new TokenCounters((direction) => metrics.inference.tenantTokens.labels(tenant, direction));
  }

  request(status: number): void {
    if (this.#last?.status !== status) {
      const counter = this.metrics.inference.tenantRequests.labels(this.tenant, String(status));
      this.#last = { status, counter };
    }
    this.#last.counter.inc();
  }

  tokens(usage: Usage): void {
    this.#tokens.add(usage);
  }
}

/** The metrics that every request touches, by what they are labelled with. Each table is as bounded as the metrics. */
export class MetricHandles {
  readonly #models = new Map<string, Map<string, ModelSeries>>();
  /** Number of series in `#models`. */
  #modelCount = 0;
  readonly #providers = new Map<string, ProviderSeries>();
  /** Number of upstream models that have histograms. */
  #upstreamModels = 0;
  readonly #tenants = new Map<string, TenantSeries>();
  readonly #overheads = new Map<string, HistogramChild>();

  constructor(private readonly metrics: Metrics) {}

  /** @returns the handles of a model at a provider; those of `other` when too many pairs have some */
  of(model: string, provider: string): ModelSeries {
    return this.#models.get(model)?.get(provider) ?? this.#addModel(model, provider);
  }

  /**
   * @param id of the provider
   * @param provider undefined where it is not known
   * @returns the handles of a provider; those of `other` when too many have some
   */
  provider(id: string, provider: Provider | undefined): ProviderSeries {
    const series = this.#providers.get(id);
    if (series) return series;
    if (this.#providers.size >= this.metrics.maxSeries && id !== OTHER)
      return this.provider(OTHER, undefined);
    const name = provider ? genAiProviderName(provider) : OTHER;
    const made = new ProviderSeries(this.metrics, id, name, this.#takeRoom);
    this.#providers.set(id, made);
    return made;
  }

  /** @returns the handles of a tenant; those of `other` when too many have some */
  tenant(tenant: string): TenantSeries {
    const series = this.#tenants.get(tenant);
    if (series) return series;
    if (this.#tenants.size >= this.metrics.maxSeries && tenant !== OTHER) return this.tenant(OTHER);
    const made = new TenantSeries(this.metrics, tenant);
    this.#tenants.set(tenant, made);
    return made;
  }

  overhead(route: string, seconds: number, traceId?: string): void {
    let observed = this.#overheads.get(route);
    if (!observed) {
      observed = this.metrics.inference.overhead.labels(route);
      this.#overheads.set(route, observed);
    }
    observed.observe(seconds, traceId);
  }

  #addModel(model: string, provider: string): ModelSeries {
    if (this.#modelCount >= this.metrics.maxSeries && model !== OTHER) return this.of(OTHER, OTHER);
    const series = new ModelSeries(this.metrics, model, provider);
    const byProvider = this.#models.get(model) ?? new Map<string, ModelSeries>();
    this.#models.set(model, byProvider.set(provider, series));
    this.#modelCount += 1;
    return series;
  }

  readonly #takeRoom = (): boolean => {
    if (this.#upstreamModels >= this.metrics.maxSeries) return false;
    this.#upstreamModels += 1;
    return true;
  };
}
