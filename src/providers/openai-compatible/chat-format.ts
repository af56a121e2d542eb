import { warnOfCacheMarks } from '../../core/chat/cache-marks.ts';
import type { ChatFormat } from '../format.ts';
import type { Target } from '../types.ts';
import { chatMessages } from './chat-messages.ts';
import { chatParameters } from './chat-parameters.ts';
import { ChatChunkReader } from './chat-reader.ts';
import { parseChatCompletion } from './chat-response.ts';

/** OpenAI's chat format as a target of translated requests. */
export function openAiChatFormat(endpoint: (target: Target) => string): ChatFormat {
  return {
    build(request, target, { stream, warn }) {
      const { profile } = target.provider;
      if (!profile.cacheControl) warnOfCacheMarks(request, warn);
      const asksForUsage = stream && profile.streamUsage === 'on-request';
      const body = {
        model: target.model,
        messages: chatMessages(request, profile, warn),
        ...chatParameters(request, target, warn),
        ...(stream ? { stream: true } : {}),
        ...(asksForUsage ? { stream_options: { include_usage: true } } : {}),
      };
      return { url: endpoint(target), body: JSON.stringify(body) };
    },
    parse: parseChatCompletion,
    reader: ({ provider }) => new ChatChunkReader(provider),
  };
}
