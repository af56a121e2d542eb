import type { PiiGuardrail } from '../guardrails/pii-guardrail.ts';
import { Pseudonyms } from '../redaction/pseudonyms.ts';
import type { Redacted } from '../redaction/redactor.ts';

export type GuardrailStage = 'input' | 'output';

/** Counts what guardrails found. */
export interface GuardrailObserver {
  /** @param count of findings of one kind in one request */
  guardrailFound(guardrail: string, stage: GuardrailStage, action: string, kind: string, count: number): void;
}

/** What the guardrails found in one request. */
export class GuardrailRun {
  readonly pseudonyms = new Pseudonyms();
  readonly #found = new Map<string, number>();

  constructor(
    readonly guardrails: readonly PiiGuardrail[],
    private readonly observer: GuardrailObserver,
  ) {}

  /** Records what a guardrail found in one text. @returns whether it must not pass */
  record({ id, action }: PiiGuardrail, stage: GuardrailStage, { counts }: Pick<Redacted, 'counts'>): boolean {
    if (counts.size === 0) return false;
    for (const [kind, count] of counts) {
      const key = `${id} ${stage} ${action} ${kind}`;
      this.#found.set(key, (this.#found.get(key) ?? 0) + count);
      this.observer.guardrailFound(id, stage, action, kind, count);
    }
    return action === 'block';
  }

  /** For the log, such as `pii input redact email 2`. */
  get summary(): readonly string[] {
    return [...this.#found].map(([key, count]) => `${key} ${count}`);
  }

  /** The guardrails that acted and do not hide it, by id. */
  get visible(): readonly string[] {
    const acted = new Set([...this.#found.keys()].map((key) => key.split(' ')[0]));
    return this.guardrails.flatMap(({ id, action }) => (acted.has(id) && action !== 'shadow' ? [id] : []));
  }
}
