import type { InferenceCall } from '../core/inference.ts';
import type { RequestView } from '../core/request-view.ts';
import { estimateTokenCount } from '../core/token-estimate.ts';
import { fnv1a } from './hash.ts';
import { prefixChain } from './prefix-index.ts';

/** What an answer is taken for when the request sets no limit. Tokens. */
const USUAL_ANSWER = 500;
/** The header by which clients hold requests together. */
const SESSION_HEADER = 'x-weir-session';

/** What a client insists on: a target that does not meet it is no target. */
export interface RoutingConstraints {
  /** Regions that may compute the answer; `eu` means `eu-west-1` too. */
  readonly regions?: readonly string[] | undefined;
  /** US dollars that the request may be expected to cost. */
  readonly maxCost?: number | undefined;
}

/** What routing wants to know of a request. Looked at only by the strategies that need it. */
export class RequestFacts {
  #view: RequestView | undefined;
  #chain: readonly number[] | undefined;

  constructor(
    private readonly call: Pick<InferenceCall, 'view' | 'headers' | 'text'>,
    readonly tenant: string,
    readonly constraints?: RoutingConstraints,
    /** The tenant's part of places that are waited for. */
    readonly weight = 1,
  ) {}

  get view(): RequestView {
    this.#view ??= this.call.view();
    return this.#view;
  }

  /** Blocks of the prompt; see `prefixChain`. */
  chain(): readonly number[] {
    this.#chain ??= prefixChain(this.view.promptParts());
    return this.#chain;
  }

  get inputTokens(): number {
    return estimateTokenCount(this.call.text.length);
  }

  /** The most that the answer may have, as far as the request says. */
  get outputLimit(): number | undefined {
    return this.view.outputLimit;
  }

  get outputTokens(): number {
    const limit = this.outputLimit;
    return limit === undefined ? USUAL_ANSWER : Math.min(limit, USUAL_ANSWER * 4);
  }

  /** What holds requests together: a session, a cache key, a user, or how the conversation began. */
  get affinity(): string | undefined {
    const named = this.call.headers.get(SESSION_HEADER) || this.view.affinityKey;
    if (named) return `${this.tenant} ${named}`;
    const beginning = this.view.conversationStart();
    return beginning === undefined ? undefined : `${this.tenant} ${fnv1a(beginning)}`;
  }
}
