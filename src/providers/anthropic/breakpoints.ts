import { isRecord, type JsonObject } from '../../core/json.ts';
import { editItem, editMembers } from '../../core/json-edit.ts';
import { bareName } from '../model-families.ts';
import { minCachedTokens } from '../prompt-cache.ts';
import type { PromptCacheHint } from '../prompt-cache-hint.ts';
import { repeatedPrefixes } from '../prompt-prefix.ts';
import { countCacheMarks } from './cache-marks.ts';

const MARK = '{"type":"ephemeral"}';
/** Blocks that take a marker. Reasoning does not. */
const MARKABLE: ReadonlySet<unknown> = new Set([
  ...['text', 'image', 'document', 'tool_use', 'tool_result', 'search_result'],
]);

/**
 * Marks the prefixes of a prompt that were sent before, so that the API caches them: tools with instructions, and the longest
 * run of messages. A client that marks anything manages its cache itself: nothing is added.
 * @param text of a Messages request
 * @param body the same, parsed
 * @returns `text` itself where nothing is marked; else with markers, and every other byte as it was
 * @see https://platform.claude.com/docs/en/build-with-claude/prompt-caching
 */
export function withBreakpoints(
  text: string,
  body: JsonObject,
  model: string,
  hint: PromptCacheHint | undefined,
): string {
  if (!hint?.repeated) return text;
  const minTokens = minCachedTokens(bareName(model), 'anthropic');
  if (minTokens === undefined || text.length < 4 * minTokens || countCacheMarks(body) > 0) return text;
  const { tools, system, thinking, tool_choice: choice } = body;
  const messages: readonly unknown[] = Array.isArray(body.messages) ? body.messages : [];
  const sections = { tools, system, settings: [thinking, choice], messages };
  const found = repeatedPrefixes(sections, minTokens, hint);
  if (!found) return text;
  const marked = found.head ? withMarkedHead(text, body) : text;
  const place = found.messages.find((index) => isMarkable(messages[index], index === messages.length - 1));
  const message = place === undefined ? undefined : messages[place];
  if (place === undefined || !isRecord(message)) return marked;
  return editItem(marked, 'messages', place, (item) => withMarkedEnd(item, 'content', message.content));
}

/** Marks the end of the instructions, or of the tools where there are none. */
function withMarkedHead(text: string, { tools, system }: JsonObject): string {
  const hasSystem = typeof system === 'string' ? system.trim() !== '' : isMarkableList(system);
  if (hasSystem) return withMarkedEnd(text, 'system', system);
  const last: unknown = Array.isArray(tools) ? tools.at(-1) : undefined;
  // The API rejects markers at tools that it loads later.
  return isRecord(last) && last.defer_loading !== true ? withMarkedEnd(text, 'tools', tools) : text;
}

/** Marks the last item of a list; a text becomes a list. */
function withMarkedEnd(text: string, member: string, value: unknown): string {
  if (typeof value === 'string') {
    const block = `[{"type":"text","text":${JSON.stringify(value)},"cache_control":${MARK}}]`;
    return editMembers(text, { [member]: block });
  }
  if (!Array.isArray(value)) return text;
  return editItem(text, member, value.length - 1, (item) => editMembers(item, { cache_control: MARK }));
}

/** @param isLast of the conversation, where a text of the assistant is one to continue */
function isMarkable(message: unknown, isLast: boolean): boolean {
  if (!isRecord(message) || (isLast && message.role === 'assistant')) return false;
  const { content } = message;
  return typeof content === 'string' ? content.trim() !== '' : isMarkableList(content);
}

function isMarkableList(content: unknown): boolean {
  const last: unknown = Array.isArray(content) ? content.at(-1) : undefined;
  if (!isRecord(last) || !MARKABLE.has(last.type)) return false;
  // The API rejects markers at empty texts.
  return last.type !== 'text' || (typeof last.text === 'string' && last.text.trim() !== '');
}
