import { invalidRequest } from './api-error.ts';
import { type ChatRequest, messageText } from './chat-request.ts';
import { type ChatUsage, countPrompt, usageOf } from './chat-usage.ts';
import type { FaultName } from './fault-names.ts';
import { topics, valueHints } from './keywords.ts';
import type { SimulatorOptions } from './options.ts';
import { writeReasoning, writeRefusal, writeResponse } from './prose.ts';
import { createRandom, type Random } from './random.ts';
import { makeInstance } from './schema/instance.ts';
import { Budget, SchemaError } from './schema/types.ts';
import { cutTokens, tokenize } from './tokens.ts';
import { callTool, chooseTools, type ToolCall } from './tools.ts';

/** The complete content of a response, generated before its first byte is sent. */
export interface ChatPlan {
  readonly choices: readonly ChoicePlan[];
  readonly usage: ChatUsage;
}

/** The content of one choice. */
export interface ChoicePlan {
  /** Seed of this choice's log probabilities. */
  readonly seed: string;
  readonly reasoning: readonly string[];
  /** Tokens of the text; empty when tools are called. */
  readonly text: readonly string[];
  readonly isRefusal: boolean;
  readonly toolCalls: readonly ToolCall[];
  readonly finishReason: 'stop' | 'length' | 'tool_calls' | 'content_filter';
}

/** Inputs of a plan in addition to the request. */
export interface ChatPlanning {
  readonly options: SimulatorOptions;
  readonly seed: string;
  readonly fault: FaultName;
  readonly isReasoningModel: boolean;
  readonly randomId: () => string;
}

/** Tokens. A longer response would block the event loop. */
const MAX_TOTAL_TOKENS = 200_000;
/** Steps for all schemas of one request; about 100 ms. */
const SCHEMA_BUDGET = 200_000;

/**
 * Generates the content of a response.
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
  const budget = new Budget(SCHEMA_BUDGET);
  const choices = Array.from({ length: count }, (_, index) =>
    planChoice(request, planning, `${planning.seed}/${index}`, budget),
  );
  const reasoning = choices.reduce((sum, choice) => sum + choice.reasoning.length, 0);
  const completion = choices.reduce((sum, choice) => sum + choiceTokens(choice), 0);
  return { choices, usage: usageOf(countPrompt(request), completion, reasoning) };
}

/** @returns the completion tokens of a choice: reasoning, text, and one for the head and each fragment of a tool call */
export function choiceTokens(choice: ChoicePlan): number {
  const calls = choice.toolCalls.reduce((sum, call) => sum + 1 + call.fragments.length, 0);
  return choice.reasoning.length + choice.text.length + calls;
}

function planChoice(request: ChatRequest, planning: ChatPlanning, seed: string, budget: Budget): ChoicePlan {
  const limit = request.max_completion_tokens ?? request.max_tokens ?? undefined;
  const question = messageText(request.messages.findLast((message) => message.role === 'user'));
  const reasoning = cutTokens(
    planReasoning(request, planning, question, createRandom(`${seed}/reasoning`)),
    limit,
    [],
  );
  const plan: ChoicePlan = {
    seed,
    reasoning: reasoning.tokens,
    text: [],
    isRefusal: false,
    toolCalls: [],
    finishReason: 'length',
  };
  const left = limit === undefined ? undefined : limit - reasoning.tokens.length;
  if (left === 0) return plan;

  const random = createRandom(seed);
  if (planning.fault === 'refusal') {
    const cut = cutTokens(writeRefusal(topics(question)), left, []);
    return { ...plan, text: cut.tokens, isRefusal: true, finishReason: cut.reason };
  }
  const tools = chooseTools(request, question);
  if (tools.length > 0) {
    const calls = tools.map((tool) =>
      callTool(tool, random, question, `call_${planning.randomId()}`, budget),
    );
    return { ...plan, ...limitCalls(calls, left) };
  }
  const textTokens = planText(request, planning, question, random, budget);
  const stop = typeof request.stop === 'string' ? [request.stop] : (request.stop ?? []);
  const cut = cutTokens(textTokens, left, stop);
  if (planning.fault === 'content_filter') {
    return {
      ...plan,
      text: cut.tokens.slice(0, Math.ceil(cut.tokens.length / 2)),
      finishReason: 'content_filter',
    };
  }
  return { ...plan, text: cut.tokens, finishReason: cut.reason };
}

function planReasoning(
  request: ChatRequest,
  planning: ChatPlanning,
  question: string,
  random: Random,
): string[] {
  const length = planning.options.reasoning_tokens ?? usualReasoning(request, planning, random);
  return length === 0 ? [] : writeReasoning(random, topics(question), length);
}

function usualReasoning(request: ChatRequest, planning: ChatPlanning, random: Random): number {
  if (!planning.isReasoningModel) return 0;
  const lengths = { none: 0, minimal: 8, low: 16, medium: 32, high: 64, xhigh: 128 };
  const length = lengths[request.reasoning_effort ?? 'medium'];
  return length + random.int(1 + Math.floor(length / 2));
}

function planText(
  request: ChatRequest,
  planning: ChatPlanning,
  question: string,
  random: Random,
  budget: Budget,
): readonly string[] {
  const format = request.response_format;
  if (format?.type === 'json_schema') {
    return tokenize(JSON.stringify(instance(format.json_schema.schema ?? {}, random, question, budget)));
  }
  const subject = { topics: topics(question), toolResults: toolResults(request) };
  const text = writeResponse(random, subject, planning.options.tokens);
  if (format?.type !== 'json_object') return text;
  return tokenize(JSON.stringify({ answer: text.join(''), topics: subject.topics }));
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

/** @returns the results in the tool messages at the end of the conversation */
function toolResults({ messages }: ChatRequest): readonly { tool: string; text: string }[] {
  const first = messages.findLastIndex((message) => message.role !== 'tool') + 1;
  const calls = messages[first - 1]?.tool_calls ?? [];
  return messages.slice(first).map((message) => ({
    tool: calls.find((call) => call.id === message.tool_call_id)?.function.name ?? 'the tool',
    text: messageText(message),
  }));
}

function limitCalls(
  calls: readonly ToolCall[],
  limit: number | undefined,
): { toolCalls: readonly ToolCall[]; finishReason: 'tool_calls' | 'length' } {
  let left = limit ?? Number.POSITIVE_INFINITY;
  const kept: ToolCall[] = [];
  for (const call of calls) {
    if (left <= 0) return { toolCalls: kept, finishReason: 'length' };
    kept.push({ ...call, fragments: call.fragments.slice(0, left - 1) });
    if (call.fragments.length > left - 1) return { toolCalls: kept, finishReason: 'length' };
    left -= 1 + call.fragments.length;
  }
  return { toolCalls: kept, finishReason: 'tool_calls' };
}
