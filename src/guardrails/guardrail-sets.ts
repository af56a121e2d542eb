import type { GuardrailDocuments, Principal } from '../core/principal.ts';
import type { Guardrail, GuardrailLevel } from './guardrail.ts';

const NONE: readonly Guardrail[] = [];

/** Makes guardrails of the documents of a tenant or key, which were checked when they were stored. */
export type CompileGuardrails = (
  documents: readonly Readonly<Record<string, unknown>>[],
  level: GuardrailLevel,
) => readonly Guardrail[];

/** The guardrails of each principal: those of the gateway, then those that its tenant and its key add. */
export class GuardrailSets {
  /** Principals share the documents of their tenant, and are made again when these change. */
  readonly #compiled = new WeakMap<object, readonly Guardrail[]>();
  readonly #ofPolicy = new WeakMap<GuardrailDocuments, readonly Guardrail[]>();

  constructor(
    readonly ofGateway: readonly Guardrail[],
    private readonly compile: CompileGuardrails,
  ) {}

  of({ guardrails }: Pick<Principal, 'guardrails'>): readonly Guardrail[] {
    if (!guardrails) return this.ofGateway;
    const known = this.#ofPolicy.get(guardrails);
    if (known) return known;
    const { tenant = [], key = [] } = guardrails;
    const all = [...this.ofGateway, ...this.#list(tenant, 'tenant'), ...this.#list(key, 'key')];
    this.#ofPolicy.set(guardrails, all);
    return all;
  }

  #list(
    documents: readonly Readonly<Record<string, unknown>>[],
    level: GuardrailLevel,
  ): readonly Guardrail[] {
    if (documents.length === 0) return NONE;
    let list = this.#compiled.get(documents);
    if (!list) {
      list = this.compile(documents, level);
      this.#compiled.set(documents, list);
    }
    return list;
  }
}
