/** The parts of a request that a scripted model decides by, whatever API the request uses. */

export interface ToolCall {
  readonly name: string;
  /** The JSON object of a function tool. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** The text of a freeform tool (`custom` of OpenAI's Responses API), in place of `arguments`. */
  readonly input?: string;
  /** The search for tools of OpenAI's Responses API. */
  readonly searchesTools?: boolean;
  /** The group of the tool in OpenAI's Responses API. */
  readonly namespace?: string;
}

/** The output of a scripted model: text, or tool calls with an optional text before them. */
export interface ModelOutput {
  readonly text?: string;
  readonly calls?: readonly ToolCall[];
}

/** The result of a tool call, as the client returned it. */
export interface ToolResult {
  readonly name: string;
  readonly text: string;
}

export interface ToolOffer {
  readonly name: string;
  /** `custom` for freeform tools, `search` for the search that finds further tools of the client. */
  readonly kind: 'function' | 'custom' | 'search';
  /** The group of the tool in OpenAI's Responses API. */
  readonly namespace?: string;
  readonly schema: unknown;
}

export interface Conversation {
  readonly model: string;
  readonly streams: boolean;
  readonly tools: readonly ToolOffer[];
  /** The tool that the client requires, if it requires one. */
  readonly requiredTool: string | undefined;
  /** The JSON schema that the text must satisfy, if the client sends one. */
  readonly schema: unknown;
  /** The texts of all user messages, in order. */
  readonly prompts: readonly string[];
  readonly results: readonly ToolResult[];
}

/** Decides the output by the conversation alone, so that a repeated request gets the same output. */
export type ModelScript = (conversation: Conversation) => ModelOutput;

/** The API that a scripted model speaks, read from one request. */
export interface ReadRequest {
  readonly conversation: Conversation;
  /** The rules of the vendor that the request breaks, as its API would say. */
  readonly faults: readonly string[];
}

/** Ids of calls, by the number of calls that the conversation already has: repeated requests get the same ids. */
export function callId(prefix: string, conversation: Conversation, index: number): string {
  return `${prefix}${String(conversation.results.length + index + 1).padStart(8, '0')}`;
}

/** Cuts a text into pieces of `length` characters, as a stream delivers it. */
export function pieces(text: string, length = 7): string[] {
  return Array.from({ length: Math.ceil(text.length / length) }, (_, at) =>
    text.slice(at * length, (at + 1) * length),
  );
}

/** The text of a message's content: a string, or a list of parts with `text`. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: unknown) =>
      typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string'
        ? part.text
        : '',
    )
    .join('\n');
}
