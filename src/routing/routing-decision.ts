import type { Target } from '../providers/types.ts';
import type { FallbackReason, ModelRoute } from './directory.ts';
import type { TargetState, Unavailable } from './health/target-state.ts';

/** A target to try, with its condition at hand. */
export interface RouteCandidate {
  readonly target: Target;
  readonly route: ModelRoute;
  readonly state: TargetState;
  /** Its place among the targets of its model. */
  readonly index: number;
  /** Attempts on it, and milliseconds for each token of late, at the last look. */
  readonly inflight: number;
  readonly timePerTokenMs: number | undefined;
}

/** A target that was looked at, and why it was left out if it was. */
export interface EvaluatedTarget {
  readonly target: Target;
  readonly leftOut?: Unavailable | 'busy' | string | undefined;
  /** It was left out because of what the client insists on. */
  readonly demanded?: boolean;
  /** Attempts on it at that moment, and milliseconds for each token of late. */
  readonly inflight?: number;
  readonly timePerTokenMs?: number | undefined;
}

/** One look at a model's targets, as explanations tell of it. */
export interface RoutingDecision {
  readonly model: string;
  /** Why this model: it was asked for, or it is a fallback for that reason. */
  readonly reason: 'asked' | 'escalation' | FallbackReason;
  readonly strategy: string;
  readonly at: number;
  /** In the order in which they are tried; those that constraints rule out at the end. */
  readonly evaluated: readonly EvaluatedTarget[];
}

const REASONS: readonly (Unavailable | 'busy' | undefined)[] = [
  undefined,
  ...(['disabled', 'draining', 'unhealthy', 'breaker_open', 'cooling_down', 'ejected', 'busy'] as const),
];

/** For each target: which it is, why it was left out, what was in flight, its pace. */
const NOTES = 4;
const DEFAULT_CAPACITY = 256 * 1024;

/**
 * Room for what looks note down of each target, the same for all of them: the newest write over the oldest. Objects for
 * each target of each request, kept for as long as somebody may ask why, cost the collector more than the routing.
 */
export class RoutingDecisionLog {
  readonly #numbers: Float64Array;
  /** Where the next notes go, counted on from the beginning of time. */
  #next = 0;

  constructor(private readonly capacity = DEFAULT_CAPACITY) {
    this.#numbers = new Float64Array(capacity);
  }

  /** @returns where notes of so many targets may be written */
  reserve(targets: number): number {
    const from = this.#next;
    this.#next += targets * NOTES;
    return from;
  }

  write(at: number, value: number): void {
    this.#numbers[at % this.capacity] = value;
  }

  /** @returns undefined when newer notes have taken the place */
  read(at: number): number | undefined {
    return at + this.capacity < this.#next ? undefined : this.#numbers[at % this.capacity];
  }
}

type Targets = readonly { readonly target: Target }[];

/** Where the notes of a look are: all that has to be kept of it beside what its model's looks have in common. */
export interface RoutingDecisionRef {
  readonly all: Targets;
  readonly from: number;
  readonly count: number;
}

/** A look while and after it is taken. */
export class RoutingDecisionEntry implements RoutingDecision {
  readonly model: string;
  readonly strategy: string;
  readonly #from: number;
  #count = 0;

  constructor(
    route: ModelRoute,
    readonly reason: RoutingDecision['reason'],
    readonly at: number,
    /** All targets of the model, by their index. */
    private readonly all: Targets,
    targets: number,
    private readonly ruledOut: readonly EvaluatedTarget[],
    private readonly notes: RoutingDecisionLog,
  ) {
    this.model = route.id;
    this.strategy = route.strategy;
    this.#from = notes.reserve(targets);
  }

  note({ index, inflight, timePerTokenMs }: RouteCandidate, leftOut: Unavailable | 'busy' | undefined): void {
    const { notes } = this;
    const at = this.#from + this.#count * NOTES;
    notes.write(at, index);
    notes.write(at + 1, leftOut === undefined ? 0 : REASONS.indexOf(leftOut));
    notes.write(at + 2, inflight);
    notes.write(at + 3, timePerTokenMs ?? Number.NaN);
    this.#count += 1;
  }

  /** Notes it down if nobody has. */
  tried(candidate: RouteCandidate): void {
    for (let entry = 0; entry < this.#count; entry += 1) {
      if (this.notes.read(this.#from + entry * NOTES) === candidate.index) return;
    }
    if (this.all[candidate.index] === candidate) this.note(candidate, undefined);
  }

  /** Undefined where targets were ruled out, which is not in the notes. */
  get ref(): RoutingDecisionRef | undefined {
    return this.ruledOut.length === 0 ? { all: this.all, from: this.#from, count: this.#count } : undefined;
  }

  /** The only target there was; undefined when there were more, or none. */
  get only(): EvaluatedTarget | undefined {
    return this.all.length === 1 && this.ruledOut.length === 0 ? this.#evaluatedAt(0) : undefined;
  }

  get evaluated(): readonly EvaluatedTarget[] {
    const entry = { all: this.all, from: this.#from, count: this.#count };
    return readDecision(this.notes, entry, this.ruledOut);
  }

  #evaluatedAt(entry: number): EvaluatedTarget | undefined {
    return readNotes(this.notes, this.all, this.#from + entry * NOTES);
  }
}

/** What a look has seen, from its notes. */
export function readDecision(
  notes: RoutingDecisionLog,
  { all, from, count }: RoutingDecisionRef,
  ruledOut: readonly EvaluatedTarget[] = [],
): readonly EvaluatedTarget[] {
  const entries = Array.from({ length: count }, (_, entry) =>
    readNotes(notes, all, from + entry * NOTES),
  ).filter((one) => one !== undefined);
  // Those that nobody had to look at: nothing was the matter with them.
  const others = all.filter(({ target }) => ![...entries, ...ruledOut].some((one) => one.target === target));
  return [...entries, ...others.map(({ target }) => ({ target })), ...ruledOut];
}

function readNotes(notes: RoutingDecisionLog, all: Targets, at: number): EvaluatedTarget | undefined {
  const target = all[notes.read(at) ?? Number.NaN]?.target;
  if (!target) return undefined;
  const timePerTokenMs = notes.read(at + 3) ?? Number.NaN;
  return {
    target,
    leftOut: REASONS[notes.read(at + 1) ?? 0],
    inflight: notes.read(at + 2) ?? 0,
    timePerTokenMs: Number.isNaN(timePerTokenMs) ? undefined : timePerTokenMs,
  };
}
