import { PLAIN_DEMAND } from '../core/request-demand.ts';
import type { RequestView } from '../core/request-view.ts';
import { estimateLength, workUnits } from '../core/token-estimate.ts';
import { addCosts } from '../metering/cost.ts';
import type { Target } from '../providers/types.ts';
import type { ModelDirectory } from './directory.ts';
import { TargetStates } from './health/target-states.ts';
import { RequestFacts } from './request-facts.ts';
import type { Router } from './router.ts';

/** A request from the log. Times are Unix milliseconds, durations milliseconds. */
export interface LoggedRequest {
  readonly at: number;
  readonly tenant: string;
  readonly model: string;
  readonly provider: string;
  readonly upstreamModel: string;
  readonly durationMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Where the request was logged with its prompt. */
  readonly prompt?: LoggedPrompt | undefined;
}

/** A logged prompt, as routing reads it. Its texts are redacted. */
export interface LoggedPrompt {
  readonly text: string;
  readonly view: () => RequestView;
}

/** Totals of all requests under one routing policy. */
export interface ReplayOutcome {
  readonly requests: number;
  /** Requests whose model has no target under the policy. */
  readonly notRouted: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Exact decimal amount of US dollars, without unpriced requests. */
  readonly cost: string;
  readonly unpriced: number;
  readonly targets: readonly {
    readonly target: string;
    readonly requests: number;
    readonly mostInflight: number;
  }[];
}

/** Assumed length of prompts, which the log does not contain; routing does not distinguish longer texts. UTF-16 units. */
const MAX_TEXT_LENGTH = 4_000_000;

/** The mean time per token of each target in a log. */
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

  /** @returns milliseconds per token; the mean of all targets for one that is not in the log */
  of(key: string): number {
    const { sum, count } = this.#known.get(key) ?? { sum: this.#sum, count: this.#count };
    return count === 0 ? 0 : sum / count;
  }
}

/** Accumulates a `ReplayOutcome`. */
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

/** Attempts in flight, by the time at which they end. */
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

/** The view of a logged request: the log holds no prompt and no session, only the number of output tokens. */
function withoutPrompt(outputLimit: number): RequestView {
  return {
    outputLimit,
    affinityKey: undefined,
    hasTools: false,
    isBatch: false,
    hasImages: () => false,
    requestDemand: () => ({ ...PLAIN_DEMAND, outputLimit, generates: true }),
    promptParts: () => [],
    conversationStart: () => undefined,
  };
}

type CostOf = (target: Target, model: string, request: LoggedRequest) => string | undefined;

/** @returns the totals of the log itself, to compare a policy with */
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
 * Routes logged requests again under another policy, with each target as fast as in the log. Attempts neither queue nor
 * fail: the result shows which targets get requests, the cost, and the attempts in flight. Strategies that use prompts or
 * sessions work without them where the requests have none.
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
    const { at, tenant, model, inputTokens, outputTokens, prompt } = request;
    endings.until(at);
    const route = directory.resolve(model);
    const call = {
      operation: 'chat' as const,
      view: prompt?.view ?? (() => withoutPrompt(outputTokens)),
      headers: new Headers(),
      text: prompt?.text ?? ' '.repeat(Math.min(estimateLength(inputTokens), MAX_TEXT_LENGTH)),
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
