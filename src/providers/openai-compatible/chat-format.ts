import { warnOfCacheMarks } from '../../core/chat/cache-marks.ts';
import type { ChatRequest } from '../../core/chat/request.ts';
import type { ChatFormat } from '../format.ts';
import type { Target, VendorProfile } from '../types.ts';
import { chatMessages } from './chat-messages.ts';
import { chatParameters } from './chat-parameters.ts';
import { ChatChunkReader } from './chat-reader.ts';
import { parseChatCompletion } from './chat-response.ts';
import { RepetitionFilter, repeatedPrefill, withoutRepetition } from './repeated-prefill.ts';

/** OpenAI's chat format as a target of translated requests. */
export function openAiChatFormat(endpoint: (target: Target) => string): ChatFormat {
  return {
    wire: 'openai-chat',
    build(request, target, { stream, warn }) {
      const { profile } = target.provider;
      if (!profile.cacheControl) warnOfCacheMarks(request, warn);
      const asksForUsage = stream && profile.streamUsage === 'on-request';
      const body = {
        model: target.model,
        messages: chatMessages(request, target, warn),
        ...chatParameters(request, target, warn),
        ...continuation(request, profile),
        ...(stream ? { stream: true } : {}),
        ...(asksForUsage ? { stream_options: { include_usage: true } } : {}),
      };
      return { url: endpoint(target), body: JSON.stringify(body) };
    },
    parse: (response, target, request) =>
      withoutRepetition(parseChatCompletion(response, target), repeatedPrefill(request, target)),
    reader(target, request) {
      const reader = new ChatChunkReader(target.provider);
      const prefill = repeatedPrefill(request, target);
      return prefill === '' ? reader : new RepetitionFilter(reader, prefill);
    },
  };
}

/** The members with which an engine continues the last message instead of responding to it. */
function continuation({ continueWith }: ChatRequest, { prefill }: VendorProfile) {
  if (continueWith === undefined || prefill !== 'continue') return {};
  return { continue_final_message: true, add_generation_prompt: false };
}
