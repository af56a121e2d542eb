import type { InferenceCall, Operation } from '../core/inference.ts';
import type { ModelScope } from '../core/model-scope.ts';
import type { RequestDemand } from '../core/request-demand.ts';
import type { RequestView } from '../core/request-view.ts';
import { estimateTokenCount, USUAL_OUTPUT_TOKENS } from '../core/token-estimate.ts';
import type { PriceContext } from '../metering/prices.ts';
import { fnv1a } from './hash.ts';
import { prefixChain } from './prefix-index.ts';
import type { TargetPreference } from './target-preference.ts';

/** Responses rarely use all of a high limit: beyond this number of tokens, it says little about their length. */
const LONG_OUTPUT = 4 * USUAL_OUTPUT_TOKENS;
/** The header by which clients group requests. */
export const SESSION_HEADER = 'x-weir-session';

/** Constraints of the client; targets that do not meet them are ruled out. */
export interface RoutingConstraints {
  /** Allowed regions; `eu` includes `eu-west-1`. */
  readonly regions?: readonly string[] | undefined;
  /** Regions that the residency of the tenant allows, in the same form. */
  readonly residency?: readonly string[] | undefined;
  /** Highest expected cost of the request, in US dollars. */
  readonly maxCost?: number | undefined;
  /** The key may not use the simulator. */
  readonly excludesSimulator?: boolean | undefined;
}

/** The facts of one request that routing and limits use. Each is computed when it is first read. */
export class RequestFacts {
  #view: RequestView | undefined;
  #demand: RequestDemand | undefined;
  #bytes: number | undefined;
  #chain: readonly number[] | undefined;

  constructor(
    private readonly call: Pick<InferenceCall, 'operation' | 'view' | 'headers' | 'text' | 'unwrittenBytes'>,
    readonly tenant: string,
    readonly constraints?: RoutingConstraints,
    /** The tenant's weight in admission queues, above 0. */
    readonly weight = 1,
    /** The models that the key may use; undefined where it may use all. */
    readonly modelScope?: ModelScope,
    /** The order of targets of the requested model; undefined where its strategy decides. */
    readonly preference?: TargetPreference,
  ) {}

  /** Its targets have a circuit breaker for each operation. */
  get operation(): Operation {
    return this.call.operation;
  }

  get view(): RequestView {
    this.#view ??= this.call.view();
    return this.#view;
  }

  /** Hashes of the prompt's blocks; see `prefixChain`. */
  chain(): readonly number[] {
    this.#chain ??= prefixChain(this.view.promptParts());
    return this.#chain;
  }

  /** What bounds the use of the request. */
  get requestDemand(): RequestDemand {
    this.#demand ??= this.view.requestDemand();
    return this.#demand;
  }

  /** Whose prices apply, and for what. */
  get pricing(): Pick<PriceContext, 'tenant' | 'isBatch'> {
    return { tenant: this.tenant, isBatch: this.view.isBatch };
  }

  /** UTF-8 bytes of the request as the upstream receives it. */
  get bytes(): number {
    this.#bytes ??= Buffer.byteLength(this.call.text) + (this.call.unwrittenBytes ?? 0);
    return this.#bytes;
  }

  /** UTF-16 units of the same. */
  get units(): number {
    return this.call.text.length + (this.call.unwrittenBytes ?? 0);
  }

  /** Expected input tokens, estimated from the length of the body and its script. */
  get inputTokens(): number {
    return estimateTokenCount(this.units, this.bytes);
  }

  /** Largest number of output tokens that the request allows; undefined where it sets no limit. */
  get outputLimit(): number | undefined {
    return this.view.outputLimit;
  }

  /** Expected output tokens of all responses together. */
  get outputTokens(): number {
    const { generates, prompts, choices } = this.requestDemand;
    if (!generates) return 0;
    const limit = this.outputLimit;
    return prompts * choices * (limit === undefined ? USUAL_OUTPUT_TOKENS : Math.min(limit, LONG_OUTPUT));
  }

  /** A key for requests that belong together: their session, cache key, user, or the start of the conversation. */
  get affinity(): string | undefined {
    const named = this.call.headers.get(SESSION_HEADER) || this.view.affinityKey;
    if (named) return `${this.tenant} ${named}`;
    const beginning = this.view.conversationStart();
    return beginning === undefined ? undefined : `${this.tenant} ${fnv1a(beginning)}`;
  }
}
