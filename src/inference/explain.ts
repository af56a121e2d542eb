import type { Usage } from '../core/usage.ts';
import { costOf } from '../metering/cost.ts';
import type { ModelInfo } from '../metering/model-data.ts';
import type { Target } from '../providers/types.ts';
import {
  type RoutingDecision,
  type RoutingDecisionLog,
  type RoutingDecisionRef,
  readDecision,
} from '../routing/routing-decision.ts';
import type { AttemptTrace, Outcome, RequestContext } from './context.ts';

/** What is kept of a request so that it can be explained later. Nothing of what was asked or answered is in it. */
export interface RequestRecord {
  readonly id: string;
  readonly tenant: string;
  readonly model: string | undefined;
  readonly route: string;
  readonly stream: boolean;
  /** Of an experiment that it took part in. */
  readonly variant: string | undefined;
  readonly queuedMs: number;
  readonly loadingMs: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** Monotonic milliseconds, as all times in here. */
  readonly startedAt: number;
  readonly committedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly status: number | undefined;
  readonly outcome: Outcome | undefined;
  readonly decisions: readonly RoutingDecision[];
  readonly attempts: readonly AttemptTrace[];
  readonly usage: Usage | undefined;
  /** Some of the usage is an estimate. */
  readonly usageEstimated: boolean;
}

/** @param now and `wallTime` the same moment on both clocks */
export function recordOf(
  context: RequestContext,
  now: number,
  wallTime: number,
  outcome?: Outcome,
): RequestRecord {
  return {
    id: context.id,
    tenant: context.principal.tenant,
    model: context.model,
    route: context.route,
    stream: context.stream,
    variant: context.plan?.participation?.variant,
    queuedMs: context.queuedMs,
    loadingMs: context.loadingMs,
    at: wallTime - (now - context.startedAt),
    startedAt: context.startedAt,
    committedAt: context.committedAt,
    endedAt: outcome ? now : undefined,
    status: context.status,
    outcome,
    decisions: context.plan?.decisions ?? [],
    attempts: context.attempts,
    usage: context.usage,
    usageEstimated: context.usageEstimated,
  };
}

type Facts = (target: Target) => ModelInfo;

const ms = (from: number, to: number | undefined) =>
  to === undefined ? undefined : Math.round((to - from) * 10) / 10;

/**
 * Why a request went where it went: who was looked at and why not taken, what was tried and how it ended.
 * Times are milliseconds from the request's beginning; costs are US dollars, of the usage that was reported, at each
 * target that might have answered.
 */
export function explain(record: RequestRecord, facts?: Facts) {
  const { startedAt, usage, outcome } = record;
  const costAt = (target: Target) => {
    const price = facts?.(target).price;
    return price && usage ? costOf(price, usage) : undefined;
  };
  return {
    id: record.id,
    tenant: record.tenant,
    model: record.model,
    route: record.route,
    stream: record.stream,
    at: new Date(record.at).toISOString(),
    status: record.status,
    outcome: outcome?.kind ?? 'answering',
    ...(outcome?.kind === 'failed' ? { error: outcome.error.code, reason: outcome.error.message } : {}),
    variant: record.variant,
    queued_ms: ms(0, record.queuedMs),
    loading_ms: ms(0, record.loadingMs),
    first_event_ms: ms(startedAt, record.committedAt),
    duration_ms: ms(startedAt, record.endedAt),
    ...(record.usageEstimated ? { usage_estimated: true } : {}),
    looks: record.decisions.map(({ model, reason, strategy, at, evaluated }) => ({
      model,
      because: reason,
      strategy,
      at_ms: ms(startedAt, at),
      targets: evaluated.map(({ target, leftOut, inflight, timePerTokenMs }) => ({
        provider: target.provider.id,
        model: target.model,
        key: target.provider.account,
        ...(leftOut === undefined ? {} : { left_out: leftOut }),
        in_flight: inflight,
        ms_per_token: timePerTokenMs === undefined ? undefined : Math.round(timePerTokenMs * 100) / 100,
        cost_usd: costAt(target),
      })),
    })),
    attempts: record.attempts.map(
      ({
        provider,
        model,
        account,
        startedAt: began,
        firstEventAt,
        endedAt,
        failure,
        hedge,
        rejected,
        continued,
        estimated,
        usage: own,
      }) => ({
        provider,
        model,
        key: account,
        at_ms: ms(startedAt, began),
        first_event_ms: ms(startedAt, firstEventAt),
        ended_ms: ms(startedAt, endedAt),
        ...(hedge === undefined ? {} : { hedge }),
        ...(rejected === undefined ? {} : { rejected }),
        ...(continued ? { continued } : {}),
        ...(estimated ? { estimated } : {}),
        ...(own ? { input_tokens: own.inputTokens, output_tokens: own.outputTokens } : {}),
        ...(failure ? { error: failure.code, reason: failure.message } : {}),
      }),
    ),
  };
}

export type Explanation = ReturnType<typeof explain>;

/** Numbers and names of a request that went as most do, one behind the other. */
const NUMBERS = 15;
const NAMES = 8;

/**
 * The last requests, so that people can ask why. A ring: the oldest gives way. What went as most do is kept as numbers
 * and names, since objects that outlive their request cost the collector dearly (decision 0005).
 */
export class RequestLog {
  #next = 0;
  readonly #ids: string[];
  readonly #names: string[];
  readonly #numbers: Float64Array;
  /** Where requests went that had one target. */
  readonly #targets: (Target | undefined)[];
  /** What there was to choose from for those that had several. */
  readonly #choices: (RoutingDecisionRef['all'] | undefined)[];
  readonly #records: (RequestRecord | undefined)[];

  constructor(
    private readonly notes: RoutingDecisionLog,
    private readonly size = 2_000,
  ) {
    this.#ids = new Array<string>(size).fill('');
    this.#names = new Array<string>(size * NAMES).fill('');
    this.#numbers = new Float64Array(size * NUMBERS);
    this.#targets = new Array<Target | undefined>(size).fill(undefined);
    this.#choices = new Array<RoutingDecisionRef['all'] | undefined>(size).fill(undefined);
    this.#records = new Array<RequestRecord | undefined>(size).fill(undefined);
  }

  add(context: RequestContext, outcome: Outcome, now: number, wallTime: number): void {
    const row = this.#next;
    this.#next = (row + 1) % this.size;
    this.#ids[row] = context.id;
    const { plan, attempts } = context;
    const decision = plan?.decisions[0];
    const [attempt] = attempts;
    const plain =
      outcome.kind === 'done' &&
      attempts.length === 1 &&
      plan?.decisions.length === 1 &&
      context.queuedMs === 0 &&
      context.loadingMs === 0;
    const only = decision?.only;
    const ref = only ? undefined : decision?.ref;
    if (!plain || !attempt || !decision || !(only || ref)) {
      this.#records[row] = recordOf(context, now, wallTime, outcome);
      return;
    }
    this.#records[row] = undefined;
    this.#targets[row] = only?.target;
    this.#choices[row] = ref?.all;
    const names = row * NAMES;
    this.#names[names] = context.principal.tenant;
    this.#names[names + 1] = context.model ?? '';
    this.#names[names + 2] = context.route;
    this.#names[names + 3] = decision.strategy;
    this.#names[names + 4] = attempt.provider;
    this.#names[names + 5] = attempt.model;
    this.#names[names + 6] = plan.participation?.variant ?? '';
    this.#names[names + 7] = decision.model;
    const { usage } = context;
    const at = row * NUMBERS;
    const numbers = this.#numbers;
    numbers[at] = wallTime;
    numbers[at + 1] = context.startedAt;
    numbers[at + 2] = attempt.startedAt;
    numbers[at + 3] = context.committedAt ?? Number.NaN;
    numbers[at + 4] = now;
    numbers[at + 5] = only?.inflight ?? 0;
    numbers[at + 6] = only?.timePerTokenMs ?? Number.NaN;
    numbers[at + 7] = usage?.inputTokens ?? Number.NaN;
    numbers[at + 8] = usage?.outputTokens ?? Number.NaN;
    numbers[at + 9] = usage?.cachedInputTokens ?? Number.NaN;
    numbers[at + 10] = context.stream ? 1 : 0;
    numbers[at + 11] = context.status ?? Number.NaN;
    numbers[at + 12] = decision.at;
    numbers[at + 13] = ref?.from ?? 0;
    numbers[at + 14] = ref?.count ?? 0;
  }

  /** Clients choose ids: of two requests with the same one, the later is found. */
  find(id: string): RequestRecord | undefined {
    for (let back = 1; back <= this.size; back += 1) {
      const row = (this.#next - back + this.size) % this.size;
      if (this.#ids[row] === id) return this.#records[row] ?? this.#restored(row);
    }
    return undefined;
  }

  #restored(row: number): RequestRecord | undefined {
    const number = (index: number): number => this.#numbers[row * NUMBERS + index] ?? 0;
    const known = (index: number): number | undefined =>
      Number.isNaN(number(index)) ? undefined : number(index);
    const name = (index: number): string => this.#names[row * NAMES + index] ?? '';
    const target = this.#targets[row];
    const all = this.#choices[row];
    if (!target && !all) return undefined;
    const decision: RoutingDecision = {
      model: name(7),
      reason: 'asked',
      strategy: name(3),
      at: number(12),
      evaluated: target
        ? [{ target, inflight: number(5), timePerTokenMs: known(6) }]
        : readDecision(this.notes, { all: all ?? [], from: number(13), count: number(14) }),
    };
    const [startedAt, endedAt] = [number(1), number(4)];
    const counts = { inputTokens: known(7), outputTokens: known(8), cachedInputTokens: known(9) };
    const usage = Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== undefined));
    return {
      id: this.#ids[row] ?? '',
      tenant: name(0),
      model: name(1),
      route: name(2),
      stream: number(10) === 1,
      variant: name(6) || undefined,
      queuedMs: 0,
      loadingMs: 0,
      at: number(0) - (endedAt - startedAt),
      startedAt,
      committedAt: known(3),
      endedAt,
      status: known(11),
      outcome: { kind: 'done' },
      decisions: [decision],
      attempts: [
        {
          provider: name(4),
          model: name(5),
          startedAt: number(2),
          firstEventAt: known(3),
          endedAt,
          failure: undefined,
        },
      ],
      usage: Object.keys(usage).length === 0 ? undefined : { ...usage, raw: {} },
      usageEstimated: false,
    };
  }
}
