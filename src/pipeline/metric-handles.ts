import type { Metrics } from '../observability/metrics.ts';
import { OTHER } from '../observability/series-bound.ts';

type Counted = ReturnType<Metrics['requests']['labels']>;
type Observed = ReturnType<Metrics['requestDuration']['labels']>;
type Direction = 'input' | 'output' | 'cached' | 'reasoning';

/**
 * What is counted of one model at one provider. Ten metrics are looked up for every request by nearly always the same
 * labels; here that is one look-up for all of them. Each comes to be when there is something to count.
 */
class ModelSeries {
  #duration: Observed | undefined;
  #firstToken: Observed | undefined;
  #perToken: Observed | undefined;
  #generated: Counted | undefined;
  readonly #tokens: Partial<Record<Direction, Counted>> = {};
  /** The one that was counted last, which is nearly always the next. */
  #requests: { readonly status: number; readonly tier: string; readonly counted: Counted } | undefined;

  constructor(
    private readonly metrics: Metrics,
    private readonly model: string,
    private readonly provider: string,
  ) {}

  request(status: number, tier: string, seconds: number): void {
    const { metrics, model, provider } = this;
    let last = this.#requests;
    if (last?.status !== status || last.tier !== tier) {
      last = { status, tier, counted: metrics.requests.labels(model, provider, String(status), tier) };
      this.#requests = last;
    }
    last.counted.inc();
    this.#duration ??= metrics.requestDuration.labels(model, provider);
    this.#duration.observe(seconds);
  }

  firstToken(seconds: number): void {
    this.#firstToken ??= this.metrics.timeToFirstToken.labels(this.model, this.provider);
    this.#firstToken.observe(seconds);
  }

  perToken(seconds: number): void {
    this.#perToken ??= this.metrics.timePerOutputToken.labels(this.model, this.provider);
    this.#perToken.observe(seconds);
  }

  tokens(direction: Direction, count: number | undefined): void {
    if (!count) return;
    let counted = this.#tokens[direction];
    if (!counted) {
      counted = this.metrics.tokens.labels(this.model, direction);
      this.#tokens[direction] = counted;
    }
    counted.inc(count);
  }

  generated(count: number): void {
    this.#generated ??= this.metrics.tokensGenerated.labels(this.model);
    this.#generated.inc(count);
  }
}

/** What is counted of one provider. */
interface ProviderSeries {
  readonly requests: Counted;
  latency: Observed | undefined;
}

/** The metrics that every request touches, by what they are labelled with. */
export class MetricHandles {
  readonly #models = new Map<string, Map<string, ModelSeries>>();
  /** Number of series in `#models`. */
  #size = 0;
  readonly #providers = new Map<string, ProviderSeries>();
  readonly #overheads = new Map<string, Observed>();

  constructor(private readonly metrics: Metrics) {}

  /** @returns the handles of a model at a provider; those of `other` when too many pairs have some */
  of(model: string, provider: string): ModelSeries {
    return this.#models.get(model)?.get(provider) ?? this.#add(model, provider);
  }

  #add(model: string, provider: string): ModelSeries {
    if (this.#size >= this.metrics.maxSeries && model !== OTHER) return this.of(OTHER, OTHER);
    const series = new ModelSeries(this.metrics, model, provider);
    const byProvider = this.#models.get(model) ?? new Map<string, ModelSeries>();
    this.#models.set(model, byProvider.set(provider, series));
    this.#size += 1;
    return series;
  }

  /** @param seconds until its first event; undefined where there was none */
  attempt(provider: string, seconds: number | undefined): void {
    let series = this.#providers.get(provider);
    if (!series && this.#providers.size >= this.metrics.maxSeries && provider !== OTHER) {
      this.attempt(OTHER, seconds);
      return;
    }
    if (!series) {
      series = { requests: this.metrics.providerRequests.labels(provider), latency: undefined };
      this.#providers.set(provider, series);
    }
    series.requests.inc();
    if (seconds === undefined) return;
    series.latency ??= this.metrics.providerLatency.labels(provider);
    series.latency.observe(seconds);
  }

  overhead(route: string, seconds: number): void {
    let observed = this.#overheads.get(route);
    if (!observed) {
      observed = this.metrics.overhead.labels(route);
      this.#overheads.set(route, observed);
    }
    observed.observe(seconds);
  }
}
