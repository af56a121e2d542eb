import {
  type CheckContext,
  type Guardrail,
  type GuardrailAction,
  GuardrailFailure,
  type GuardrailFailureReason,
  type GuardrailLevel,
  type GuardrailStage,
  type Verdict,
} from '../guardrails/guardrail.ts';

/** Names the guardrails that acted on a request; requests name those that they ask for. */
export const HEADER = 'x-weir-guardrails';

/** The result of the checks of one guardrail. */
export type GuardrailOutcome = GuardrailAction | 'allow' | 'error';

/** Counts what guardrails found and did. */
export interface GuardrailObserver {
  /** @param count of findings of one kind in one text, or several */
  guardrailFound(guardrail: string, stage: GuardrailStage, action: string, kind: string, count: number): void;
  /** Called once for each guardrail and stage of a request. @param durationMs of its checks, without those of streams */
  guardrailEnded(
    guardrail: string,
    stage: GuardrailStage,
    outcome: GuardrailOutcome,
    durationMs: number,
  ): void;
  guardrailFailed(guardrail: string, reason: GuardrailFailureReason, error: unknown): void;
}

/** The result of one guardrail at one stage of a request. */
export interface GuardrailResult {
  readonly guardrail: Guardrail;
  readonly stage: GuardrailStage;
  readonly counts: ReadonlyMap<string, number>;
  /** The highest of its verdicts. */
  readonly score: number;
  readonly outcome: GuardrailOutcome;
  /** Monotonic milliseconds of the first check. */
  readonly startedAt: number;
  /** Milliseconds of its checks, without those of streams. */
  readonly durationMs: number;
}

/** A result as plain data, for explanations. */
export interface GuardrailCheck {
  readonly guardrail: string;
  readonly version: string;
  readonly level: GuardrailLevel;
  readonly direction: GuardrailStage;
  readonly outcome: GuardrailOutcome;
  readonly score: number;
  /** Number of findings by kind. */
  readonly findings: Readonly<Record<string, number>>;
  /** Monotonic milliseconds of the first check. */
  readonly startedAt: number;
  readonly durationMs: number;
}

interface OpenResult extends GuardrailResult {
  readonly counts: Map<string, number>;
  score: number;
  outcome: GuardrailOutcome;
  durationMs: number;
}

/** What the guardrails of one request found and did. */
export class GuardrailRun {
  readonly #results: OpenResult[] = [];
  #blocked: GuardrailResult | undefined;

  constructor(
    readonly guardrails: readonly Guardrail[],
    readonly context: CheckContext,
    private readonly observer: GuardrailObserver,
    private readonly now: () => number,
  ) {}

  /** In the order of the first checks. */
  get results(): readonly GuardrailResult[] {
    return this.#results;
  }

  /** The guardrail that ended the request or its response. */
  get blocked(): GuardrailResult | undefined {
    return this.#blocked;
  }

  /**
   * Records a verdict.
   * @param startedAt monotonic milliseconds; absent where the time is not measured
   * @returns whether the text must not pass
   */
  record(guardrail: Guardrail, stage: GuardrailStage, verdict: Verdict, startedAt?: number): boolean {
    const result = this.#result(guardrail, stage, startedAt);
    if (verdict.counts.size === 0) return false;
    const acts = verdict.action !== 'allow';
    const action = acts ? guardrail.action : 'allow';
    result.score = Math.max(result.score, verdict.score ?? 1);
    if (acts && result.outcome !== 'error') result.outcome = guardrail.action;
    for (const [kind, count] of verdict.counts) {
      result.counts.set(kind, (result.counts.get(kind) ?? 0) + count);
      this.observer.guardrailFound(guardrail.id, stage, action, kind, count);
    }
    return acts && guardrail.action === 'block' ? this.#block(result) : false;
  }

  /**
   * Records a check that failed or took too long.
   * @returns whether the text must not pass
   */
  failed(guardrail: Guardrail, stage: GuardrailStage, error: unknown, startedAt?: number): boolean {
    const result = this.#result(guardrail, stage, startedAt);
    result.outcome = 'error';
    this.observer.guardrailFailed(
      guardrail.id,
      error instanceof GuardrailFailure ? error.reason : 'failed',
      error,
    );
    return guardrail.policy.fail === 'closed' ? this.#block(result) : false;
  }

  /** Reports the results. Called once, when the request ends. */
  finish(): void {
    for (const { guardrail, stage, outcome, durationMs } of this.#results) {
      this.observer.guardrailEnded(guardrail.id, stage, outcome, durationMs);
    }
  }

  /** The results in their order, as plain data. */
  get checks(): readonly GuardrailCheck[] {
    return this.#results.map(({ guardrail, stage, outcome, score, counts, startedAt, durationMs }) => ({
      ...{ guardrail: guardrail.id, version: guardrail.policy.version, level: guardrail.policy.level },
      ...{ direction: stage, outcome, score, findings: Object.fromEntries(counts), startedAt, durationMs },
    }));
  }

  /** For the log, such as `pii input redact email 2`. */
  get summary(): readonly string[] {
    return this.#results.flatMap(({ guardrail: { id }, stage, counts, outcome }) => [
      ...(outcome === 'error' ? [`${id} ${stage} error`] : []),
      ...[...counts].map(([kind, count]) => `${id} ${stage} ${outcome} ${kind} ${count}`),
    ]);
  }

  /** The guardrails that acted and do not hide it, by id. */
  get visible(): readonly string[] {
    const acted = new Set(
      this.#results.flatMap(({ guardrail, outcome }) =>
        outcome === 'allow' || outcome === 'shadow' ? [] : [guardrail.id],
      ),
    );
    return this.guardrails.flatMap(({ id, action }) => (acted.has(id) && action !== 'shadow' ? [id] : []));
  }

  #block(result: GuardrailResult): boolean {
    this.#blocked ??= result;
    return true;
  }

  #result(guardrail: Guardrail, stage: GuardrailStage, startedAt: number | undefined): OpenResult {
    const now = startedAt === undefined ? undefined : this.now();
    let result = this.#results.find((one) => one.guardrail === guardrail && one.stage === stage);
    if (!result) {
      result = {
        ...{ guardrail, stage, counts: new Map(), score: 0, outcome: 'allow', durationMs: 0 },
        startedAt: startedAt ?? this.now(),
      };
      this.#results.push(result);
    }
    if (startedAt !== undefined && now !== undefined) result.durationMs += now - startedAt;
    return result;
  }
}
