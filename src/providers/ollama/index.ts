import type { ChatFormat } from '../format.ts';
import type { Target } from '../types.ts';
import { ollamaMessages } from './messages.ts';
import { ollamaParameters } from './parameters.ts';
import { OllamaEventReader } from './reader.ts';
import { parseOllamaChat } from './response.ts';

/** Media type of streams. */
export const OLLAMA_STREAM = 'application/x-ndjson';

/** @returns the base URL of Ollama's own API, next to its API in OpenAI's format */
function url({ provider }: Target): string {
  return `${provider.baseUrl.replace(/\/v1$/, '')}/api/chat`;
}

/** Ollama's own chat API, which supports more than its OpenAI-compatible one: reasoning, context size, time in memory. */
export const ollamaChatFormat: ChatFormat = {
  build: (request, target, { stream, warn }) => ({
    url: url(target),
    body: JSON.stringify({
      model: target.model,
      messages: ollamaMessages(request, warn),
      ...ollamaParameters(request, target.model, warn),
      stream,
    }),
  }),
  parse: parseOllamaChat,
  reader: ({ provider }) => new OllamaEventReader(provider),
  needsInline: (part) => part.type === 'image' && part.source.kind === 'url',
};
