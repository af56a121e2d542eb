import type { AssistantPart, ChatRequest, Message, ToolChoice } from '../core/chat/request.ts';
import type { ChatEvent, ChatResult } from '../core/chat/result.ts';
import { permittedName } from './shortened-ids.ts';
import type { NameRule } from './vendor-limits.ts';

/** Names of tools that a vendor does not permit, and the names that it receives instead. */
export interface ToolNames {
  /** Vendor's names by clients' names. */
  readonly sent: ReadonlyMap<string, string>;
  /** Clients' names by vendor's names. */
  readonly original: ReadonlyMap<string, string>;
}

/** @returns the tools of a request that the vendor must receive under another name; undefined for none */
export function renamedTools(request: ChatRequest, rule: NameRule | undefined): ToolNames | undefined {
  if (rule === undefined) return undefined;
  const sent = new Map<string, string>();
  const add = (name: string) => {
    if (!rule.permitted.test(name)) sent.set(name, permittedName(name, rule));
  };
  for (const tool of request.tools ?? []) if (tool.type === 'function') add(tool.name);
  for (const { role, content } of request.messages) {
    if (role !== 'assistant') continue;
    for (const part of content) if (part.type === 'tool-call') add(part.name);
  }
  if (sent.size === 0) return undefined;
  return { sent, original: new Map([...sent].map(([name, permitted]) => [permitted, name])) };
}

/** Renames the tools of a request: their definitions, the choice of a tool, and the calls of the history. */
export function withSentNames(request: ChatRequest, { sent }: ToolNames): ChatRequest {
  const nameOf = (name: string) => sent.get(name) ?? name;
  const { tools, toolChoice } = request;
  return {
    ...request,
    messages: request.messages.map((message) => renamedCalls(message, nameOf)),
    ...(tools === undefined
      ? {}
      : {
          tools: tools.map((tool) =>
            tool.type === 'function' ? { ...tool, name: nameOf(tool.name) } : tool,
          ),
        }),
    ...(toolChoice === undefined ? {} : { toolChoice: renamedChoice(toolChoice, nameOf) }),
  };
}

function renamedChoice(choice: ToolChoice, nameOf: (name: string) => string): ToolChoice {
  if (choice.type === 'tool') return { ...choice, name: nameOf(choice.name) };
  return choice.type === 'allowed' ? { ...choice, names: choice.names.map(nameOf) } : choice;
}

function renamedCalls(message: Message, nameOf: (name: string) => string): Message {
  if (message.role !== 'assistant') return message;
  return { ...message, content: message.content.map((part) => renamedCall(part, nameOf)) };
}

function renamedCall(part: AssistantPart, nameOf: (name: string) => string): AssistantPart {
  return part.type === 'tool-call' ? { ...part, name: nameOf(part.name) } : part;
}

/** Gives the calls of a response the names that the client knows. */
export function withOriginalNames(result: ChatResult, { original }: ToolNames): ChatResult {
  const nameOf = (name: string) => original.get(name) ?? name;
  return {
    ...result,
    choices: result.choices.map((choice) => ({
      ...choice,
      content: choice.content.map((part) => renamedCall(part, nameOf)),
    })),
  };
}

/** Gives the call that an event opens the name that the client knows. */
export function withOriginalName(event: ChatEvent, { original }: ToolNames): ChatEvent {
  if (event.type !== 'part-start' || event.part.type !== 'tool-call') return event;
  const name = original.get(event.part.name);
  return name === undefined ? event : { ...event, part: { ...event.part, name } };
}
