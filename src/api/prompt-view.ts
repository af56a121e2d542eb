import { asString, isRecord, type JsonObject } from '../core/json.ts';
import type { RequestDemand } from '../core/request-demand.ts';
import type { RequestView } from '../core/request-view.ts';

/** The members of a request body, as its dialect finds them. */
export interface PromptFields {
  /** Tokens. */
  readonly outputLimit?: number | undefined;
  readonly affinityKey?: string | undefined;
  readonly tools?: unknown;
  readonly instructions?: unknown;
  /** A list of messages, items or texts; anything else counts as one message. */
  readonly messages?: unknown;
  /** The `type` of content parts that hold an image. */
  readonly imageType?: string;
  readonly requestDemand: () => RequestDemand;
  /** The `service_tier` of the body. */
  readonly serviceTier?: unknown;
}

/** Images are at most this many values deep: in the messages, their content, and the content of tool results. */
const IMAGE_DEPTH = 6;

/** The view of a request that consists of tools, instructions and messages. */
export class PromptView implements RequestView {
  readonly outputLimit: number | undefined;
  readonly affinityKey: string | undefined;
  readonly isBatch: boolean;

  constructor(private readonly fields: PromptFields) {
    this.outputLimit = fields.outputLimit;
    this.affinityKey = fields.affinityKey;
    this.isBatch = fields.serviceTier === 'flex' || fields.serviceTier === 'batch';
  }

  get hasTools(): boolean {
    const { tools } = this.fields;
    return Array.isArray(tools) && tools.length > 0;
  }

  hasImages(): boolean {
    const { messages, imageType } = this.fields;
    return imageType !== undefined && hasPart(messages, imageType, IMAGE_DEPTH);
  }

  requestDemand(): RequestDemand {
    return this.fields.requestDemand();
  }

  promptParts(): readonly string[] {
    const { tools, instructions } = this.fields;
    const head = [tools, instructions].filter((part) => part !== undefined).map(textOf);
    return [...head, ...this.#messages().map(messageText)];
  }

  conversationStart(): string | undefined {
    const messages = this.#messages();
    const first = messages.findIndex((message) => !isRecord(message) || message.role === 'user');
    if (first < 0) return undefined;
    return [this.fields.instructions, ...messages.slice(0, first + 1)].map(textOf).join('\n');
  }

  #messages(): readonly unknown[] {
    const { messages } = this.fields;
    if (Array.isArray(messages)) return messages;
    return messages === undefined ? [] : [messages];
  }
}

/** The key by which clients of OpenAI's APIs group requests. */
export function openAiAffinityKey({ prompt_cache_key, user, metadata }: JsonObject): string | undefined {
  return asString(prompt_cache_key) || asString(user) || metadataUser(metadata);
}

/** @param metadata the `metadata` member of a request */
export function metadataUser(metadata: unknown): string | undefined {
  return isRecord(metadata) ? asString(metadata.user_id) || undefined : undefined;
}

function textOf(content: unknown): string {
  return typeof content === 'string' ? content : JSON.stringify(content ?? '');
}

function messageText(message: unknown): string {
  if (!isRecord(message)) return textOf(message);
  return `${String(message.role ?? message.type)}\n${textOf(message.content ?? message)}`;
}

/** Searches content parts only: tool schemas and texts that mention an image type are no images. */
function hasPart(value: unknown, type: string, depth: number): boolean {
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.some((part) => hasPart(part, type, depth - 1));
  if (!isRecord(value)) return false;
  const { type: own, content, output } = value;
  return own === type || hasPart(content, type, depth - 1) || hasPart(output, type, depth - 1);
}
