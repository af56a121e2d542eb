import type { RequestView } from '../core/request-view.ts';
import { estimateLength, workUnits } from '../core/token-estimate.ts';
import { addCosts } from '../metering/cost.ts';
import type { Target } from '../providers/types.ts';
import type { ModelDirectory } from './directory.ts';
import { TargetStates } from './health/target-states.ts';
import { RequestFacts } from './request-facts.ts';
import type { Router } from './router.ts';

/** A request as the log tells of it. Times in milliseconds. */
export interface LoggedRequest {
  readonly at: number;
  readonly tenant: string;
  readonly model: string;
  readonly provider: string;
  readonly upstreamModel: string;
  readonly durationMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What came of all requests under one policy. */
export interface ReplayOutcome {
  readonly requests: number;
  /** Of a model that the policy does not know, or without any target. */
  readonly notRouted: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** US dollars, exact; of those requests whose target has a price. */
  readonly cost: string;
  readonly unpriced: number;
  readonly targets: readonly {
    readonly target: string;
    readonly requests: number;
    readonly mostInflight: number;
  }[];
}

/** A request without a prompt is as long as it was; of what is longer, the length no longer matters. UTF-16 units. */
const LONGEST_TEXT = 4_000_000;

/** How long each target took for a token, from the log. */
export class TimePerTokenSamples {
  readonly #known = new Map<string, { sum: number; count: number }>();
  #sum = 0;
  #count = 0;

  constructor(requests: readonly LoggedRequest[]) {
    for (const { provider, upstreamModel, durationMs, outputTokens } of requests) {
      const timePerTokenMs = durationMs / workUnits(outputTokens);
      const key = `${provider}/${upstreamModel}`;
      const known = this.#known.get(key) ?? { sum: 0, count: 0 };
      known.sum += timePerTokenMs;
      known.count += 1;
      this.#known.set(key, known);
      this.#sum += timePerTokenMs;
      this.#count += 1;
    }
  }

  has(key: string): boolean {
    return this.#known.has(key);
  }

  /** One that is not in the log is taken for as fast as all of them together. */
  of(key: string): number {
    const { sum, count } = this.#known.get(key) ?? { sum: this.#sum, count: this.#count };
    return count === 0 ? 0 : sum / count;
  }
}

/** Counts of one outcome. */
class Tally {
  readonly #durations: number[] = [];
  readonly #targets = new Map<string, { requests: number; mostInflight: number }>();
  #cost = '0';
  unpriced = 0;
  notRouted = 0;

  add(key: string, durationMs: number, inflight: number, cost: string | undefined): void {
    this.#durations.push(durationMs);
    const target = this.#targets.get(key) ?? { requests: 0, mostInflight: 0 };
    target.requests += 1;
    target.mostInflight = Math.max(target.mostInflight, inflight);
    this.#targets.set(key, target);
    if (cost === undefined) this.unpriced += 1;
    else this.#cost = addCosts(this.#cost, cost);
  }

  outcome(): ReplayOutcome {
    const sorted = this.#durations.toSorted((a, b) => a - b);
    const quantile = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
    return {
      requests: sorted.length,
      notRouted: this.notRouted,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      cost: this.#cost,
      unpriced: this.unpriced,
      targets: [...this.#targets]
        .map(([target, counts]) => ({ target, ...counts }))
        .sort((a, b) => b.requests - a.requests || a.target.localeCompare(b.target)),
    };
  }
}

interface Ending {
  readonly at: number;
  readonly end: () => void;
}

/** Ends whatever has ended by a time, the earliest first. */
class Endings {
  readonly #waiting: Ending[] = [];

  add(ending: Ending): void {
    let at = this.#waiting.length;
    while (at > 0 && (this.#waiting[at - 1]?.at ?? 0) > ending.at) at -= 1;
    this.#waiting.splice(at, 0, ending);
  }

  until(now: number): void {
    while ((this.#waiting[0]?.at ?? Number.POSITIVE_INFINITY) <= now) this.#waiting.shift()?.end();
  }
}

/** The log holds no prompts and no session, only how long the answer was. */
function withoutPrompt(outputLimit: number): RequestView {
  return {
    outputLimit,
    affinityKey: undefined,
    hasTools: false,
    hasImages: () => false,
    promptParts: () => [],
    conversationStart: () => undefined,
  };
}

type CostOf = (target: Target, model: string, request: LoggedRequest) => string | undefined;

/** What the log itself says, counted in the same way. */
export function asLogged(
  requests: readonly LoggedRequest[],
  costOf: (request: LoggedRequest) => string | undefined,
): ReplayOutcome {
  const tally = new Tally();
  const endings = new Endings();
  const inflight = new Map<string, number>();
  for (const request of requests) {
    endings.until(request.at);
    const key = `${request.provider}/${request.upstreamModel}`;
    const now = (inflight.get(key) ?? 0) + 1;
    inflight.set(key, now);
    endings.add({
      at: request.at + request.durationMs,
      end: () => inflight.set(key, (inflight.get(key) ?? 1) - 1),
    });
    tally.add(key, request.durationMs, now, costOf(request));
  }
  return tally.outcome();
}

/**
 * Sends logged requests through a router again, with each target as fast as the log has it. Nobody queues or fails: it
 * shows where requests go, what they cost, and what is in flight where. Prompts are not in the log, so what depends
 * on them is replayed without.
 */
export function replay(
  requests: readonly LoggedRequest[],
  {
    directory,
    router,
    timePerToken,
    costOf,
  }: {
    readonly directory: ModelDirectory;
    readonly router: Router;
    readonly timePerToken: TimePerTokenSamples;
    readonly costOf: CostOf;
  },
): ReplayOutcome {
  const tally = new Tally();
  const endings = new Endings();
  for (const request of requests) {
    const { at, tenant, model, inputTokens, outputTokens } = request;
    endings.until(at);
    const route = directory.resolve(model);
    const call = {
      view: () => withoutPrompt(outputTokens),
      headers: new Headers(),
      text: ' '.repeat(Math.min(estimateLength(inputTokens), LONGEST_TEXT)),
    };
    const plan = route && router.plan(route, new RequestFacts(call, tenant), at);
    const step = plan?.next(at, Number.POSITIVE_INFINITY);
    const ready = step?.kind === 'try' ? step.candidate : step?.kind === 'queue' ? step.busy[0] : undefined;
    if (!ready) {
      tally.notRouted += 1;
      continue;
    }
    const { target, state } = ready;
    const lease = state.begin(at, true);
    lease.sent(at);
    const durationMs = timePerToken.of(`${target.provider.id}/${target.model}`) * workUnits(outputTokens);
    endings.add({
      at: at + durationMs,
      end: () => {
        lease.responseStarted(at + durationMs);
        lease.end(at + durationMs, undefined, outputTokens);
      },
    });
    tally.add(
      TargetStates.key(target).replace('\u0000', ' '),
      durationMs,
      state.inflight,
      costOf(target, model, request),
    );
  }
  return tally.outcome();
}
