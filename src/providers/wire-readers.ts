import { lazy } from '../core/lazy.ts';
import type { ChatFormat } from './format.ts';
import { openAiChatFormat } from './openai-compatible/chat-format.ts';

/** Reads responses in a wire format that is also a client dialect. */
export type WireReader = Pick<ChatFormat, 'parse' | 'reader'>;

const NO_ENDPOINT = (): string => '';

/**
 * The readers of the wire formats that clients speak too, by the dialect's name. Those that a gateway may never use are
 * loaded with their first use.
 */
export const WIRE_READERS: ReadonlyMap<string, () => WireReader | Promise<WireReader>> = new Map<
  string,
  () => WireReader | Promise<WireReader>
>([
  ['openai-chat', () => OPENAI_CHAT],
  ['openai-responses', lazy(async () => (await import('./openai-responses/index.ts')).responsesChatFormat)],
  ['anthropic-messages', lazy(async () => (await import('./anthropic/index.ts')).anthropicChatFormat)],
]);

const OPENAI_CHAT: WireReader = openAiChatFormat(NO_ENDPOINT);
