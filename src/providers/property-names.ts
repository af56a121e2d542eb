import type { AssistantPart, ChatRequest, Message, Tool } from '../core/chat/request.ts';
import type { ChatEvent, ChatResult, EmitChatEvent } from '../core/chat/result.ts';
import { isRecord, type JsonObject } from '../core/json.ts';
import { parseShallowJson } from '../core/json-limits.ts';
import { permittedName } from './shortened-ids.ts';
import type { NameRule } from './vendor-limits.ts';

/** Names of the properties of one tool that the vendor does not permit, with the names that it receives, and the reverse. */
interface Renamed {
  readonly sent: ReadonlyMap<string, string>;
  readonly original: ReadonlyMap<string, string>;
}

/** By the client's name of the tool. */
export type PropertyNames = ReadonlyMap<string, Renamed>;

/** Keywords whose value is a schema, a list of schemas, or an object of schemas by name. */
const SCHEMAS = ['items', 'additionalProperties', 'not', 'allOf', 'anyOf', 'oneOf', 'prefixItems'] as const;
const SCHEMAS_BY_NAME = ['$defs', 'definitions'] as const;

/** @returns the properties of tools that the vendor must receive under another name; undefined for none */
export function renamedProperties(tools: readonly Tool[], rule: NameRule): PropertyNames | undefined {
  const found = new Map<string, Renamed>();
  for (const tool of tools) {
    if (tool.type !== 'function' || tool.parameters === undefined) continue;
    const sent = new Map<string, string>();
    collect(tool.parameters, rule, sent);
    if (sent.size === 0) continue;
    found.set(tool.name, {
      sent,
      original: new Map([...sent].map(([name, permitted]) => [permitted, name])),
    });
  }
  return found.size === 0 ? undefined : found;
}

function collect(schema: unknown, rule: NameRule, into: Map<string, string>): void {
  if (Array.isArray(schema)) {
    for (const item of schema) collect(item, rule, into);
    return;
  }
  if (!isRecord(schema)) return;
  const { properties } = schema;
  if (isRecord(properties)) {
    for (const name in properties) {
      if (!rule.permitted.test(name)) into.set(name, permittedName(name, rule));
      collect(properties[name], rule, into);
    }
  }
  for (const keyword of SCHEMAS) {
    const inner = schema[keyword];
    if (typeof inner === 'object') collect(inner, rule, into);
  }
  for (const keyword of SCHEMAS_BY_NAME) {
    const named = schema[keyword];
    if (isRecord(named)) for (const name in named) collect(named[name], rule, into);
  }
}

/** Renames properties in the schemas of tools, and in the arguments of calls in the history. */
export function withSentProperties(request: ChatRequest, names: PropertyNames): ChatRequest {
  const tools = (request.tools ?? []).map((tool): Tool => {
    const renamed = tool.type === 'function' ? names.get(tool.name) : undefined;
    if (tool.type !== 'function' || !renamed || tool.parameters === undefined) return tool;
    return { ...tool, parameters: renamedObject(tool.parameters, renamed.sent) };
  });
  const messages = request.messages.map((message): Message => {
    if (message.role !== 'assistant') return message;
    return { ...message, content: message.content.map((part) => renamedCall(part, names, 'sent')) };
  });
  return { ...request, tools, messages };
}

function renamedObject(schema: JsonObject, sent: ReadonlyMap<string, string>): JsonObject {
  const out: Record<string, unknown> = { ...schema };
  if (isRecord(schema.properties)) {
    out.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, inner]) => [
        sent.get(name) ?? name,
        renamedIn(inner, sent),
      ]),
    );
  }
  if (Array.isArray(schema.required)) {
    out.required = schema.required.map((name: unknown) =>
      typeof name === 'string' ? (sent.get(name) ?? name) : name,
    );
  }
  for (const keyword of SCHEMAS) {
    if (schema[keyword] !== undefined) out[keyword] = renamedIn(schema[keyword], sent);
  }
  for (const keyword of SCHEMAS_BY_NAME) {
    const named = schema[keyword];
    if (!isRecord(named)) continue;
    out[keyword] = Object.fromEntries(
      Object.entries(named).map(([name, inner]) => [name, renamedIn(inner, sent)]),
    );
  }
  return out;
}

function renamedIn(schema: unknown, sent: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(schema)) return schema.map((item) => renamedIn(item, sent));
  return isRecord(schema) ? renamedObject(schema, sent) : schema;
}

function renamedCall(part: AssistantPart, names: PropertyNames, side: keyof Renamed): AssistantPart {
  const renamed = part.type === 'tool-call' ? names.get(part.name)?.[side] : undefined;
  return part.type === 'tool-call' && renamed
    ? { ...part, arguments: renamedText(part.arguments, renamed) }
    : part;
}

/** Renames members in a JSON text. A text that is not JSON stays. */
function renamedText(text: string, names: ReadonlyMap<string, string>): string {
  const value = parseShallowJson(text);
  return value === undefined ? text : JSON.stringify(renamedMembers(value, names));
}

function renamedMembers(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item) => renamedMembers(item, names));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [names.get(name) ?? name, renamedMembers(inner, names)]),
  );
}

/** Gives the arguments of a response's calls the names that the client knows. */
export function withOriginalProperties(result: ChatResult, names: PropertyNames): ChatResult {
  return {
    ...result,
    choices: result.choices.map((choice) => ({
      ...choice,
      content: choice.content.map((part) => renamedCall(part, names, 'original')),
    })),
  };
}

/** Gives the arguments of streamed calls the names that the client knows. Holds the arguments of such a call until its end. */
export class PropertyRestorer {
  /** Names and text of the open call of each choice. */
  readonly #open = new Map<number, { readonly original: ReadonlyMap<string, string>; text: string }>();

  constructor(private readonly names: PropertyNames) {}

  restore(event: ChatEvent, emit: EmitChatEvent): void {
    if (event.type === 'part-start') {
      const renamed = event.part.type === 'tool-call' ? this.names.get(event.part.name) : undefined;
      if (renamed) this.#open.set(event.choice, { original: renamed.original, text: '' });
    } else if (event.type === 'delta') {
      const open = this.#open.get(event.choice);
      if (open) {
        open.text += event.text;
        return;
      }
    } else if (event.type === 'part-end') {
      const open = this.#open.get(event.choice);
      this.#open.delete(event.choice);
      if (open && open.text !== '') {
        emit({ type: 'delta', choice: event.choice, text: renamedText(open.text, open.original) });
      }
    }
    emit(event);
  }
}
