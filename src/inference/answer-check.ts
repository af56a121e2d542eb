import { fromJSONSchema } from 'zod';
import type { ResponseFormat } from '../core/chat/request.ts';
import { asString, isRecord, parseJsonText } from '../core/json.ts';
import type { EscalationReason, EscalationSettings } from '../routing/directory.ts';

/** What can be checked of an answer, whatever its dialect. */
export interface AnswerView {
  readonly text: string;
  /** The model has said, as its API has it, that it will not answer. */
  readonly refused: boolean;
  /** It calls tools, so its text is not its answer. */
  readonly callsTools: boolean;
  /** Natural logarithms of the tokens' probabilities. */
  readonly logprobs: readonly number[];
}

type Json = Readonly<Record<string, unknown>>;

const records = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isRecord) : []);
const textsOf = (parts: unknown): string =>
  typeof parts === 'string'
    ? parts
    : records(parts)
        .map(({ text }) => asString(text) ?? '')
        .join('');

/** @returns undefined for an answer in none of the dialects that are known here */
export function viewOf(body: unknown): AnswerView | undefined {
  if (!isRecord(body)) return undefined;
  if (Array.isArray(body.choices)) return chatView(body.choices);
  if (Array.isArray(body.output)) return responsesView(records(body.output));
  if (body.type === 'message') {
    const parts = records(body.content);
    return {
      text: textsOf(parts),
      refused: body.stop_reason === 'refusal',
      callsTools: parts.some(({ type }) => type === 'tool_use'),
      logprobs: [],
    };
  }
  return undefined;
}

function chatView(choices: readonly unknown[]): AnswerView | undefined {
  const [choice] = records(choices);
  if (!choice) return undefined;
  const message = isRecord(choice.message) ? choice.message : { content: choice.text };
  const logprobs = isRecord(choice.logprobs) ? records(choice.logprobs.content) : [];
  return {
    text: textsOf(message.content),
    refused: Boolean(message.refusal) || choice.finish_reason === 'content_filter',
    callsTools: Array.isArray(message.tool_calls) && message.tool_calls.length > 0,
    logprobs: logprobs.flatMap(({ logprob }) => (typeof logprob === 'number' ? [logprob] : [])),
  };
}

function responsesView(items: readonly Json[]): AnswerView {
  const parts = items.flatMap(({ type, content }) => (type === 'message' ? records(content) : []));
  return {
    text: textsOf(parts),
    refused: parts.some(({ type }) => type === 'refusal'),
    callsTools: items.some(({ type }) => type === 'function_call' || type === 'custom_tool_call'),
    logprobs: [],
  };
}

/** How models begin that refuse in words. Only the beginning counts: an answer may well speak of refusals. */
const REFUSAL =
  /^\W*(?:i(?:['’]m| am) (?:really |so |very )?sorry,? (?:but )?(?:i|as an)\b.{0,20}(?:can(?:['’]t|not)|unable|won['’]t)|(?:sorry,? (?:but )?)?i (?:can(?:['’]t|not)|am (?:not able|unable)|won['’]t) (?:be able to |to )?(?:help|assist|comply|provide|fulfil|answer|do that|support|engage|create|write|generate)|as an ai(?: language model)?,? i (?:can(?:['’]t|not)|am (?:not able|unable)))/i;

/** Why an answer is not good enough; undefined when nothing speaks against it. */
export function faultOf(
  { text, refused, callsTools, logprobs }: AnswerView,
  format: ResponseFormat | undefined,
  { when, minConfidence }: EscalationSettings,
): EscalationReason | undefined {
  if (when.includes('refusal') && (refused || REFUSAL.test(text.slice(0, 200)))) return 'refusal';
  if (when.includes('schema') && !callsTools && !fits(text, format)) return 'schema';
  if (when.includes('low_confidence') && logprobs.length > 0) {
    const mean = logprobs.reduce((sum, value) => sum + value, 0) / logprobs.length;
    if (Math.exp(mean) < minConfidence) return 'low_confidence';
  }
  return undefined;
}

function fits(text: string, format: ResponseFormat | undefined): boolean {
  if (!format || format.type === 'text') return true;
  const value = parseJsonText(text);
  if (value === undefined) return false;
  if (format.type === 'json') return isRecord(value);
  const schema = schemaOf(format.schema);
  return schema === undefined || schema.safeParse(value).success;
}

type Schema = Parameters<typeof fromJSONSchema>[0];

function schemaOf(schema: unknown): ReturnType<typeof fromJSONSchema> | undefined {
  if (!isSchema(schema)) return undefined;
  try {
    return fromJSONSchema(schema);
  } catch {
    // It says something that can't be checked here: the provider has taken it, so it is no fault of the answer.
    return undefined;
  }
}

function isSchema(schema: unknown): schema is Schema {
  return typeof schema === 'boolean' || isRecord(schema);
}
