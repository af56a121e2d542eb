import type { GuardrailDocuments, Principal } from '../core/principal.ts';
import type { Guardrail, GuardrailLevel } from './guardrail.ts';

type Documents = readonly Readonly<Record<string, unknown>>[];

/** Makes guardrails of the documents of a tenant or key, which were checked when they were stored. */
export type CompileGuardrails = (
  documents: Documents,
  level: GuardrailLevel,
) => Promise<readonly Guardrail[]>;

const NONE: readonly Guardrail[] = [];

/** The guardrails of each principal: those of the gateway, then those that its tenant and its key add. */
export class GuardrailSets {
  /** Principals share the documents of their tenant, and are made again when these change. */
  readonly #compiled = new WeakMap<Documents, Promise<readonly Guardrail[]>>();
  readonly #ofPolicy = new WeakMap<GuardrailDocuments, readonly Guardrail[]>();

  constructor(
    readonly ofGateway: readonly Guardrail[],
    /** @throws Error for documents of which no guardrail can be made */
    readonly compile: CompileGuardrails,
  ) {}

  /** Whether a principal may have guardrails; costs no more than the question. */
  has({ guardrails }: Pick<Principal, 'guardrails'>): boolean {
    return this.ofGateway.length > 0 || guardrails !== undefined;
  }

  /** @returns a promise for the first request after a change */
  of({ guardrails }: Pick<Principal, 'guardrails'>): readonly Guardrail[] | Promise<readonly Guardrail[]> {
    if (!guardrails) return this.ofGateway;
    return this.#ofPolicy.get(guardrails) ?? this.#make(guardrails);
  }

  async #make(guardrails: GuardrailDocuments): Promise<readonly Guardrail[]> {
    const { tenant = [], key = [] } = guardrails;
    const [ofTenant, ofKey] = await Promise.all([this.#list(tenant, 'tenant'), this.#list(key, 'key')]);
    const all = [...this.ofGateway, ...ofTenant, ...ofKey];
    this.#ofPolicy.set(guardrails, all);
    return all;
  }

  #list(documents: Documents, level: GuardrailLevel): readonly Guardrail[] | Promise<readonly Guardrail[]> {
    if (documents.length === 0) return NONE;
    let list = this.#compiled.get(documents);
    if (!list) {
      list = this.compile(documents, level);
      this.#compiled.set(documents, list);
    }
    return list;
  }
}
