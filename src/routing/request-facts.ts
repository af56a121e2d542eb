import type { InferenceCall } from '../core/inference.ts';
import { asCount, asString, isRecord } from '../core/json.ts';
import { guessTokens } from '../core/token-guess.ts';
import { fnv1a } from './hash.ts';
import { prefixChain } from './prefix-index.ts';

type Json = Readonly<Record<string, unknown>>;

/** What an answer is taken for when the request sets no limit. Tokens. */
const USUAL_ANSWER = 500;
/** The header by which clients hold requests together. */
const SESSION_HEADER = 'x-weir-session';

/** What a client insists on: a target that does not meet it is no target. */
export interface Demands {
  /** Regions that may compute the answer; `eu` means `eu-west-1` too. */
  readonly regions?: readonly string[] | undefined;
  /** US dollars that the request may be expected to cost. */
  readonly maxCost?: number | undefined;
}

/** What routing wants to know of a request. Looked at only by the strategies that need it. */
export class RequestFacts {
  #chain: readonly number[] | undefined;

  constructor(
    private readonly call: Pick<InferenceCall, 'body' | 'headers' | 'text'>,
    readonly tenant: string,
    readonly demands?: Demands,
    /** The tenant's part of places that are waited for. */
    readonly weight = 1,
  ) {}

  /** Blocks of the prompt; see `prefixChain`. */
  chain(): readonly number[] {
    this.#chain ??= prefixChain(promptParts(this.call.body));
    return this.#chain;
  }

  get inputTokens(): number {
    return guessTokens(this.call.text.length);
  }

  /** The most that the answer may have, as far as the request says. */
  get outputLimit(): number | undefined {
    const { max_tokens, max_completion_tokens, max_output_tokens } = this.call.body;
    return asCount(max_completion_tokens) ?? asCount(max_tokens) ?? asCount(max_output_tokens);
  }

  get outputTokens(): number {
    const limit = this.outputLimit;
    return limit === undefined ? USUAL_ANSWER : Math.min(limit, USUAL_ANSWER * 4);
  }

  /** What holds requests together: a session, a cache key, a user, or how the conversation began. */
  get affinity(): string | undefined {
    const { body, headers } = this.call;
    const { prompt_cache_key, user, metadata } = body;
    const named =
      headers.get(SESSION_HEADER) ||
      asString(prompt_cache_key) ||
      asString(user) ||
      (isRecord(metadata) ? asString(metadata.user_id) : undefined);
    if (named) return `${this.tenant} ${named}`;
    const beginning = conversationStart(body);
    return beginning === undefined ? undefined : `${this.tenant} ${fnv1a(beginning)}`;
  }

  /** Kinds of content that a target must be able to read. */
  needs(): { readonly tools: boolean; readonly vision: boolean } {
    const { tools } = this.call.body;
    return {
      tools: Array.isArray(tools) && tools.length > 0,
      vision: /"type"\s*:\s*"(?:image_url|input_image|image)"/.test(this.call.text),
    };
  }
}

function textOf(content: unknown): string {
  return typeof content === 'string' ? content : JSON.stringify(content ?? '');
}

function turnsOf({ messages, input, prompt }: Json): readonly unknown[] {
  const turns = messages ?? input ?? prompt;
  return Array.isArray(turns) ? turns : turns === undefined ? [] : [turns];
}

/** The prompt in the order in which providers put it together: tools, instructions, messages. */
function promptParts(body: Json): string[] {
  const head = [body.tools, body.system, body.instructions].filter((part) => part !== undefined).map(textOf);
  const turns = turnsOf(body).map((turn) =>
    isRecord(turn) ? `${String(turn.role ?? turn.type)}\n${textOf(turn.content ?? turn)}` : textOf(turn),
  );
  return [...head, ...turns];
}

/** Up to the first words of the user, which stay the same however long the conversation gets. */
function conversationStart(body: Json): string | undefined {
  const turns = turnsOf(body);
  const first = turns.findIndex((turn) => !isRecord(turn) || turn.role === 'user');
  if (first < 0) return undefined;
  return [body.system, body.instructions, ...turns.slice(0, first + 1)].map(textOf).join('\n');
}
