import { endOfTurn, inCallOrder, resultsFirst } from '../../core/chat/result-order.ts';
import { isRecord, type JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { familyOf } from '../model-families.ts';
import { shortenedId } from '../shortened-ids.ts';
import type { Target } from '../types.ts';
import { hasWrappedMedia, plainMediaPart } from './plain-media.ts';
import { shortToolCallId } from './tool-call-ids.ts';

/** The content of an assistant message that a vendor requires between a tool result and a message of the user. */
const ACKNOWLEDGEMENT = 'OK.';

/** The requirements of one target for the messages of OpenAI's chat format. */
export class MessageRules {
  readonly #target: Target;
  readonly #strictRoles: boolean;
  readonly #maxCallId: number;
  /** Whether single messages may have to change. */
  readonly #rewrites: boolean;

  constructor(target: Target) {
    const { profile } = target.provider;
    this.#target = target;
    this.#strictRoles = familyOf(target.model).strictRoles ?? false;
    this.#maxCallId = profile.limits?.toolCallId ?? Number.POSITIVE_INFINITY;
    this.#rewrites =
      !profile.developerRole ||
      profile.shortToolCallIds === true ||
      profile.emptyContent === true ||
      profile.plainMedia === true;
  }

  /** Converts the id of a tool call to one that the vendor accepts. Equal ids give equal results. */
  callId(id: string): string {
    return this.#target.provider.profile.shortToolCallIds
      ? shortToolCallId(id)
      : shortenedId(id, this.#maxCallId);
  }

  /**
   * Adapts the messages of a client's body.
   * @returns undefined where the target accepts them as they are
   */
  adapted(messages: readonly unknown[], warn: Warn): readonly unknown[] | undefined {
    const needed = messages.some((message) => this.#needsRewriting(message));
    const rewritten = needed ? messages.map((message) => this.#rewritten(message)) : messages;
    const arranged = this.arranged(rewritten, warn);
    return arranged === messages ? undefined : arranged;
  }

  /**
   * Puts results of tools into the order of their calls, and messages into the order that the target requires.
   * @returns `messages` itself where nothing changes
   */
  arranged<Wire>(messages: readonly Wire[], warn: Warn): readonly (Wire | JsonObject)[] {
    const { unsupportedInMessages: foreign } = this.#target.provider.profile;
    const known = foreign ? withoutMembers(messages, foreign, warn) : messages;
    const ordered = orderedResults(known);
    const strict = this.#strictRoles ? withStrictRoles(ordered, warn) : ordered;
    return this.#target.provider.profile.prefill === 'prefix' ? withPrefix(strict) : strict;
  }

  #needsRewriting(message: unknown): boolean {
    if (!isRecord(message)) return false;
    const { role, tool_calls: calls } = message;
    if (role === 'tool' && this.#needsId(message.tool_call_id)) return true;
    if (Array.isArray(calls) && calls.some((call) => isRecord(call) && this.#needsCallEdit(call)))
      return true;
    if (!this.#rewrites) return false;
    const { developerRole, emptyContent, plainMedia } = this.#target.provider.profile;
    return (
      (plainMedia === true && hasWrappedMedia(message.content)) ||
      (!developerRole && role === 'developer') ||
      (emptyContent === true && role === 'assistant' && (message.content ?? null) === null)
    );
  }

  #needsId(id: unknown): boolean {
    return typeof id === 'string' && this.callId(id) !== id;
  }

  #needsCallEdit(call: JsonObject): boolean {
    return lacksType(call) || this.#needsId(call.id);
  }

  #rewritten(message: unknown): unknown {
    if (!isRecord(message)) return message;
    const { developerRole, emptyContent, plainMedia } = this.#target.provider.profile;
    const out: Record<string, unknown> = { ...message };
    if (!developerRole && out.role === 'developer') out.role = 'system';
    if (emptyContent && out.role === 'assistant') out.content ??= '';
    if (plainMedia && Array.isArray(out.content)) {
      out.content = out.content.map((part: unknown) => (isRecord(part) ? plainMediaPart(part) : part));
    }
    if (typeof out.tool_call_id === 'string') out.tool_call_id = this.callId(out.tool_call_id);
    if (Array.isArray(out.tool_calls)) out.tool_calls = out.tool_calls.map((call) => this.#callOf(call));
    return out;
  }

  #callOf(call: unknown): unknown {
    if (!isRecord(call)) return call;
    const typed = lacksType(call) ? { ...call, type: 'function' } : call;
    return typeof typed.id === 'string' ? { ...typed, id: this.callId(typed.id) } : typed;
  }
}

/**
 * Leaves out members of messages that the vendor rejects, such as those that responses of other vendors have. A refusal
 * becomes the content. Warns once of each member with a value.
 */
function withoutMembers<Wire>(
  messages: readonly Wire[],
  foreign: ReadonlySet<string>,
  warn: Warn,
): readonly (Wire | JsonObject)[] {
  const warned = new Set<string>();
  let isChanged = false;
  const kept = messages.map((message, index): Wire | JsonObject => {
    if (!isRecord(message)) return message;
    const namesTool = message.role === 'tool' || message.role === 'function';
    const isKnown = (name: string) => !foreign.has(name) || (name === 'name' && namesTool);
    const entries: readonly (readonly [string, unknown])[] = Object.entries(message);
    const rejected = entries.filter(([name]) => !isKnown(name));
    if (rejected.length === 0) return message;
    isChanged = true;
    const out: Record<string, unknown> = Object.fromEntries(entries.filter(([name]) => isKnown(name)));
    for (const [name, value] of rejected) {
      if (name === 'refusal' && isText(value) && !out.content) out.content = value;
      else if (!isEmpty(value) && !warned.has(name)) {
        warned.add(name);
        const text = `The target does not support "${name}" in messages.`;
        warn({ kind: 'unsupported', param: `messages[${index}].${name}`, message: text });
      }
    }
    return out;
  });
  return isChanged ? kept : messages;
}

function isEmpty(value: unknown): boolean {
  return (value ?? null) === null || value === '' || (Array.isArray(value) && value.length === 0);
}

/** Whether a tool or a call lacks the type that its function implies. Some SDKs leave it out; most vendors require it. */
export function lacksType(value: unknown): boolean {
  return isRecord(value) && (value.type ?? null) === null && isRecord(value.function);
}

/** Puts tool messages right after the message with their calls, in the order of the calls. */
function orderedResults<Wire>(messages: readonly Wire[]): readonly Wire[] {
  let ordered: Wire[] | undefined;
  for (let index = 0; index < messages.length; index += 1) {
    const message: unknown = messages[index];
    const calls: unknown = isRecord(message) ? message.tool_calls : undefined;
    if (!Array.isArray(calls) || calls.length === 0) continue;
    const end = endOfTurn(messages, index + 1, (next) => roleOf(next) === 'assistant');
    const turn = messages.slice(index + 1, end);
    const { results, others, isSorted } = resultsFirst(turn, isToolMessage);
    const positions = new Map(calls.map((call: unknown, at) => [isRecord(call) ? call.id : undefined, at]));
    const sorted = inCallOrder(results, (result) => positions.get(result.tool_call_id));
    if (sorted || !isSorted) {
      ordered ??= [...messages];
      for (const [offset, one] of [...(sorted ?? results), ...others].entries()) {
        ordered[index + 1 + offset] = one;
      }
    }
    index = end - 1;
  }
  return ordered ?? messages;
}

function isToolMessage<Wire>(message: Wire): message is Wire & JsonObject {
  return roleOf(message) === 'tool';
}

function roleOf(message: unknown): unknown {
  return isRecord(message) ? message.role : undefined;
}

/**
 * The order of roles that Mistral's models require: an assistant message after a tool result, no system message after one
 * of the assistant or a tool, and no empty assistant message. Source: the validators of mistral-common.
 */
function withStrictRoles<Wire>(messages: readonly Wire[], warn: Warn): readonly (Wire | JsonObject)[] {
  const strict: (Wire | JsonObject)[] = [];
  let isChanged = false;
  const change = (index: number, message: string) => {
    isChanged = true;
    warn({ kind: 'changed', param: `messages[${index}]`, message });
  };
  for (const [index, given] of messages.entries()) {
    let message: Wire | JsonObject = given;
    if (isRecord(given) && isEmptyAssistant(given)) {
      isChanged = true;
      const { refusal, ...others } = given;
      if (!isText(refusal)) continue;
      message = { ...others, content: refusal };
    }
    const before = roleOf(strict.at(-1));
    if (isRecord(given) && given.role === 'system' && (before === 'assistant' || before === 'tool')) {
      message = { ...given, role: 'user' };
      change(index, 'A system message within the conversation was sent as a message of the user.');
    }
    if (before === 'tool' && roleOf(message) === 'user') {
      strict.push({ role: 'assistant', content: ACKNOWLEDGEMENT });
      change(index, 'The target requires an assistant message after a tool result; a short one was added.');
    }
    strict.push(message);
  }
  return isChanged ? strict : messages;
}

function isEmptyAssistant({ role, content, tool_calls: calls }: JsonObject): boolean {
  if (role !== 'assistant' || (Array.isArray(calls) && calls.length > 0)) return false;
  return content === '' || (content ?? null) === null || (Array.isArray(content) && content.length === 0);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

/** Marks a last message of the assistant as the beginning of the response, without which the target rejects it. */
function withPrefix<Wire>(messages: readonly Wire[]): readonly (Wire | JsonObject)[] {
  const last: unknown = messages.at(-1);
  if (
    !isRecord(last) ||
    last.role !== 'assistant' ||
    Array.isArray(last.tool_calls) ||
    last.prefix !== undefined
  )
    return messages;
  return [...messages.slice(0, -1), { ...last, prefix: true }];
}
