import type { InferenceCall } from '../core/inference.ts';
import type { RequestView } from '../core/request-view.ts';
import { estimateTokenCount } from '../core/token-estimate.ts';
import { fnv1a } from './hash.ts';
import { prefixChain } from './prefix-index.ts';

/** Expected output tokens of a request without a limit. */
const EXPECTED_OUTPUT = 500;
/** The header by which clients group requests. */
const SESSION_HEADER = 'x-weir-session';

/** Constraints of the client; targets that do not meet them are ruled out. */
export interface RoutingConstraints {
  /** Allowed regions; `eu` includes `eu-west-1`. */
  readonly regions?: readonly string[] | undefined;
  /** Highest expected cost of the request, in US dollars. */
  readonly maxCost?: number | undefined;
}

/** The facts of one request that routing and limits use. Each is computed when it is first read. */
export class RequestFacts {
  #view: RequestView | undefined;
  #chain: readonly number[] | undefined;

  constructor(
    private readonly call: Pick<InferenceCall, 'view' | 'headers' | 'text'>,
    readonly tenant: string,
    readonly constraints?: RoutingConstraints,
    /** The tenant's weight in admission queues, above 0. */
    readonly weight = 1,
  ) {}

  get view(): RequestView {
    this.#view ??= this.call.view();
    return this.#view;
  }

  /** Hashes of the prompt's blocks; see `prefixChain`. */
  chain(): readonly number[] {
    this.#chain ??= prefixChain(this.view.promptParts());
    return this.#chain;
  }

  /** Estimated from the length of the body. */
  get inputTokens(): number {
    return estimateTokenCount(this.call.text.length);
  }

  /** Largest number of output tokens that the request allows; undefined where it sets no limit. */
  get outputLimit(): number | undefined {
    return this.view.outputLimit;
  }

  /** Expected output tokens. */
  get outputTokens(): number {
    const limit = this.outputLimit;
    return limit === undefined ? EXPECTED_OUTPUT : Math.min(limit, EXPECTED_OUTPUT * 4);
  }

  /** A key for requests that belong together: their session, cache key, user, or the start of the conversation. */
  get affinity(): string | undefined {
    const named = this.call.headers.get(SESSION_HEADER) || this.view.affinityKey;
    if (named) return `${this.tenant} ${named}`;
    const beginning = this.view.conversationStart();
    return beginning === undefined ? undefined : `${this.tenant} ${fnv1a(beginning)}`;
  }
}
