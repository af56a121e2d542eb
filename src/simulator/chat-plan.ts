import { invalidRequest } from './api-error.ts';
import { type ChatRequest, messageText, type Tool } from './chat-request.ts';
import { countPrompt, type PromptTokens } from './chat-usage.ts';
import type { FaultName } from './fault-names.ts';
import { topics, valueHints } from './keywords.ts';
import type { SimulatorOptions } from './options.ts';
import { quote, type ResponseSubject, writeReasoning, writeRefusal, writeResponse } from './prose.ts';
import { createRandom, type Random } from './random.ts';
import { makeInstance } from './schema/instance.ts';
import { Budget, SchemaError } from './schema/types.ts';
import { type EndReason, firstHalf, limitTokens, tokensOf, tokensOfPieces } from './tokens.ts';
import { callTool, chooseTools, type ToolCall } from './tools.ts';

/** Everything that decides a response. Its text is generated while it is sent. */
export interface ChatPlan {
  readonly choices: readonly ChoicePlan[];
  readonly prompt: PromptTokens;
}

/** The reason for the end of a choice. */
export type FinishReason = EndReason | 'tool_calls' | 'content_filter';

/** A part of a choice. Each costs one completion token. */
export type ChoicePiece =
  | { readonly kind: 'reasoning' | 'text'; readonly text: string }
  /** The head of a tool call; its fragments follow. */
  | { readonly kind: 'call'; readonly call: ToolCall; readonly index: number }
  /** A part of the arguments of the last call. */
  | { readonly kind: 'fragment'; readonly text: string; readonly index: number };

/** One choice. */
export interface ChoicePlan {
  /** Seed of this choice's log probabilities. */
  readonly seed: string;
  readonly isRefusal: boolean;
  readonly callsTools: boolean;
  /** Generates the pieces, from the beginning each time. Their memory does not grow with their number. */
  generate(): Generator<ChoicePiece, FinishReason>;
}

/** Inputs of a plan in addition to the request. */
export interface ChatPlanning {
  readonly options: SimulatorOptions;
  readonly seed: string;
  readonly fault: FaultName;
  readonly isReasoningModel: boolean;
  readonly randomId: () => string;
}

/** Tokens of all choices. */
const MAX_TOTAL_TOKENS = 200_000;
/** Steps for all schemas of one request; about 50 ms. */
const SCHEMA_BUDGET = 100_000;
/** Tool results that a response quotes. */
const MAX_QUOTES = 100;
/** UTF-16 units of a tool's name in a quote. */
const MAX_TOOL_NAME = 64;

/**
 * Plans the content of a response.
 * @throws ApiError for a request above the simulator's limits
 */
export function planChat(request: ChatRequest, planning: ChatPlanning): ChatPlan {
  const count = request.n ?? 1;
  if (
    count * ((planning.options.tokens ?? 0) + (planning.options.reasoning_tokens ?? 0)) >
    MAX_TOTAL_TOKENS
  ) {
    throw invalidRequest(`The simulator generates at most ${MAX_TOTAL_TOKENS} tokens for one request.`, 'n');
  }
  const planner = new ChoicePlanner(request, planning);
  const choices = Array.from({ length: count }, (_, index) => planner.plan(`${planning.seed}/${index}`));
  return { choices, prompt: countPrompt(request) };
}

/** Plans choices. A plan keeps nothing of the request but its topics, because it lives as long as its stream. */
class ChoicePlanner {
  readonly #limit: number | undefined;
  readonly #stop: readonly string[];
  readonly #question: string;
  readonly #subject: ResponseSubject;
  readonly #tools: readonly Tool[];
  readonly #budget = new Budget(SCHEMA_BUDGET);

  constructor(
    private readonly request: ChatRequest,
    private readonly planning: ChatPlanning,
  ) {
    this.#limit = request.max_completion_tokens ?? request.max_tokens ?? undefined;
    this.#stop = typeof request.stop === 'string' ? [request.stop] : (request.stop ?? []);
    this.#question = messageText(request.messages.findLast((message) => message.role === 'user'));
    this.#subject = { topics: topics(this.#question), quotes: toolQuotes(request) };
    this.#tools = chooseTools(request, this.#question);
  }

  plan(seed: string): ChoicePlan {
    const { fault } = this.planning;
    const reasoning = this.#reasoning(seed);
    const left = this.#limit === undefined ? undefined : this.#limit - reasoning.length;
    if (left === 0) return choicePlan(seed, reasoning, undefined);
    if (fault === 'refusal') {
      const refusal = writeRefusal(this.#subject.topics);
      return {
        ...choicePlan(
          seed,
          reasoning,
          textContent(() => refusal, left, []),
        ),
        isRefusal: true,
      };
    }
    const random = createRandom(seed);
    if (this.#tools.length > 0) {
      const calls = this.#calls(random);
      return { ...choicePlan(seed, reasoning, () => callPieces(calls, left)), callsTools: true };
    }
    const text = this.#text(seed, random);
    const content =
      fault === 'content_filter'
        ? filteredContent(text, left, this.#stop)
        : textContent(text, left, this.#stop);
    return choicePlan(seed, reasoning, content);
  }

  #reasoning(seed: string): Reasoning {
    const { options, isReasoningModel } = this.planning;
    const effort = isReasoningModel ? (this.request.reasoning_effort ?? 'medium') : 'none';
    return reasoningOf(
      `${seed}/reasoning`,
      options.reasoning_tokens,
      effort,
      this.#limit,
      this.#subject.topics,
    );
  }

  #calls(random: Random): readonly ToolCall[] {
    return this.#tools.map((tool) => {
      const id = `call_${this.planning.randomId()}`;
      return callTool(tool, random, this.#question, id, this.#budget);
    });
  }

  /** @param random not used before */
  #text(seed: string, random: Random): () => Iterable<string> {
    const format = this.request.response_format;
    if (format?.type === 'json_schema') {
      const schema = format.json_schema.schema ?? {};
      return jsonText(JSON.stringify(instance(schema, random, this.#question, this.#budget)));
    }
    const prose = proseText(seed, this.#subject, this.planning.options.tokens);
    return format?.type === 'json_object' ? answerText(prose, this.#subject.topics) : prose;
  }
}

// The functions below return functions that live as long as a stream, and refer to nothing but their arguments.

function choicePlan(
  seed: string,
  reasoning: Reasoning,
  content: (() => Generator<ChoicePiece, FinishReason>) | undefined,
): ChoicePlan {
  return {
    seed,
    isRefusal: false,
    callsTools: false,
    *generate() {
      for (const text of reasoning.tokens()) yield { kind: 'reasoning', text };
      return content ? yield* content() : 'length';
    },
  };
}

interface Reasoning {
  readonly length: number;
  readonly tokens: () => Iterable<string>;
}

const USUAL_REASONING = { none: 0, minimal: 8, low: 16, medium: 32, high: 64, xhigh: 128 } as const;

function reasoningOf(
  seed: string,
  wanted: number | undefined,
  effort: keyof typeof USUAL_REASONING,
  limit: number | undefined,
  words: readonly string[],
): Reasoning {
  const usual = USUAL_REASONING[effort];
  const lengthFrom = (random: Random) =>
    wanted ?? (usual === 0 ? 0 : usual + random.int(1 + Math.floor(usual / 2)));
  const whole = lengthFrom(createRandom(seed));
  const length = Math.min(whole, limit ?? whole);
  return {
    length,
    tokens: () => {
      const random = createRandom(seed);
      // The length is the first number of the sequence.
      lengthFrom(random);
      return whole === 0 ? [] : limitTokens(writeReasoning(random, words, whole), length, []);
    },
  };
}

function proseText(
  seed: string,
  subject: ResponseSubject,
  length: number | undefined,
): () => Iterable<string> {
  return () => writeResponse(createRandom(seed), subject, length);
}

function jsonText(json: string): () => Iterable<string> {
  return () => tokensOf(json);
}

function answerText(prose: () => Iterable<string>, words: readonly string[]): () => Iterable<string> {
  return () => tokensOfPieces(answerPieces(prose(), words));
}

function textContent(
  text: () => Iterable<string>,
  limit: number | undefined,
  stop: readonly string[],
): () => Generator<ChoicePiece, FinishReason> {
  return () => textPieces(limitTokens(text(), limit, stop));
}

function filteredContent(
  text: () => Iterable<string>,
  limit: number | undefined,
  stop: readonly string[],
): () => Generator<ChoicePiece, FinishReason> {
  return () => filteredPieces(() => limitTokens(text(), limit, stop));
}

function* textPieces(tokens: Iterator<string, EndReason>): Generator<ChoicePiece, FinishReason> {
  for (let next = tokens.next(); ; next = tokens.next()) {
    if (next.done === true) return next.value;
    yield { kind: 'text', text: next.value };
  }
}

function* filteredPieces(tokens: () => Iterator<string, unknown>): Generator<ChoicePiece, FinishReason> {
  for (const text of firstHalf(tokens)) yield { kind: 'text', text };
  return 'content_filter';
}

function* callPieces(
  calls: readonly ToolCall[],
  limit: number | undefined,
): Generator<ChoicePiece, FinishReason> {
  let left = limit ?? Number.POSITIVE_INFINITY;
  for (const [index, call] of calls.entries()) {
    if (left <= 0) return 'length';
    yield { kind: 'call', call, index };
    left -= 1;
    for (const text of tokensOf(call.arguments)) {
      if (left <= 0) return 'length';
      yield { kind: 'fragment', text, index };
      left -= 1;
    }
  }
  return 'tool_calls';
}

/** Generates the JSON text of a response to `json_object`. */
function* answerPieces(prose: Iterable<string>, words: readonly string[]): Generator<string, undefined> {
  yield '{"answer":"';
  for (const token of prose) yield JSON.stringify(token).slice(1, -1);
  yield `","topics":${JSON.stringify(words)}}`;
}

function instance(
  schema: Record<string, unknown>,
  random: Random,
  question: string,
  budget: Budget,
): unknown {
  try {
    return makeInstance(schema, random, valueHints(question), budget);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    throw invalidRequest(`Invalid schema for response_format: ${error.message}.`, 'response_format');
  }
}

/** @returns quotes of the tool messages at the end of the conversation */
function toolQuotes({ messages }: ChatRequest): ResponseSubject['quotes'] {
  const first = messages.findLastIndex((message) => message.role !== 'tool') + 1;
  const names = new Map<string, string>();
  for (const call of messages[first - 1]?.tool_calls ?? []) {
    if (!names.has(call.id)) names.set(call.id, call.function.name.slice(0, MAX_TOOL_NAME));
  }
  return messages.slice(first, first + MAX_QUOTES).map((message) => ({
    tool: names.get(message.tool_call_id ?? '') ?? 'the tool',
    text: quote(messageText(message)),
  }));
}
