import type { AssistantPart, ToolCallPart } from '../../core/chat/request.ts';
import type { ChatResult, FinishReason } from '../../core/chat/result.ts';
import { asCount, asString, isRecord, type JsonObject } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { BufferedResponse, Target } from '../types.ts';

/** Reads a complete response in canonical form. */
export function parseOllamaChat(response: BufferedResponse, { provider }: Target): ChatResult {
  const { json } = decodeJson(response, provider);
  const { message } = json;
  if (!isRecord(message)) throw invalidResponse(provider, 'responded without a message.');
  const thinking = asString(message.thinking);
  const text = asString(message.content);
  const calls = readCalls(message.tool_calls, asString(json.created_at), 0);
  const content: AssistantPart[] = [
    ...(thinking ? [{ type: 'reasoning' as const, text: thinking }] : []),
    ...(text ? [{ type: 'text' as const, text }] : []),
    ...calls,
  ];
  const usage = readOllamaUsage(json);
  const logprobs = readLogprobs(json.logprobs);
  return {
    ...identityOf(json),
    choices: [
      {
        index: 0,
        content,
        finish: readFinish(json.done_reason, calls.length > 0),
        ...(logprobs && { logprobs }),
      },
    ],
    ...(usage && { usage }),
  };
}

/** Reads model and time of a response or its first chunk. The API sends no id. */
export function identityOf(json: JsonObject): { readonly created?: number; readonly model?: string } {
  const model = asString(json.model);
  const created = Math.floor(Date.parse(asString(json.created_at) ?? '') / 1000);
  return { ...(model === undefined ? {} : { model }), ...(created > 0 ? { created } : {}) };
}

/** @param before number of earlier calls in the same response */
export function readCalls(value: unknown, output: string | undefined, before: number): ToolCallPart[] {
  const list: unknown[] = Array.isArray(value) ? value : [];
  return list.flatMap((call, index): ToolCallPart[] => {
    if (!isRecord(call) || !isRecord(call.function)) return [];
    const { name, arguments: given } = call.function;
    const text = typeof given === 'string' ? given : JSON.stringify(given ?? {});
    const id = asString(call.id) || callName(output, before + index);
    return [{ type: 'tool-call', id, name: asString(name) ?? '', arguments: text }];
  });
}

/** UTF-16 units of a response's time that are used for the ids of its calls. */
const MAX_ID = 200;

/** Makes an id for a call without one, which older versions send. Equal responses give equal ids. */
function callName(output: string | undefined, position: number): string {
  return `call_${(output ?? 'answer').slice(0, MAX_ID).replaceAll(/\W/g, '')}_${position}`;
}

/** Converts a `done_reason`. */
export function readFinish(reason: unknown, hasCalls: boolean): FinishReason {
  const raw = asString(reason);
  const unified = hasCalls ? 'tool-calls' : raw === 'length' ? 'length' : raw === 'stop' ? 'stop' : 'other';
  return { unified, ...(raw === undefined ? {} : { raw }) };
}

/** Reads the token counts of the last object of a response. */
export function readOllamaUsage(json: JsonObject): Usage | undefined {
  const { prompt_eval_count, eval_count } = json;
  const input = asCount(prompt_eval_count);
  const output = asCount(eval_count);
  if (input === undefined && output === undefined) return undefined;
  return {
    ...(input === undefined ? {} : { inputTokens: input }),
    ...(output === undefined ? {} : { outputTokens: output }),
    raw: {
      ...(input === undefined ? {} : { prompt_eval_count }),
      ...(output === undefined ? {} : { eval_count }),
    },
  };
}

/** Converts log probabilities to the chat format. */
export function readLogprobs(value: unknown): readonly JsonObject[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value.filter(isRecord) : undefined;
}
