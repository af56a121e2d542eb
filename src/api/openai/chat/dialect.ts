import type { ClientDialect } from '../../../core/chat/dialect.ts';
import { asCount } from '../../../core/json.ts';
import { openAiAffinityKey, PromptView } from '../../prompt-view.ts';
import { generationDemand } from '../../request-demand.ts';
import { unreadMembers } from '../../unread-members.ts';
import { type Rendering, unrendered } from '../../unrendered.ts';
import { editChat } from './edit.ts';
import { withoutForeignSignatures } from './foreign-signatures.ts';
import { KNOWN_IN_CHAT } from './known-members.ts';
import { readMessages } from './messages.ts';
import { readParameters } from './parameters.ts';
import { invalid } from './parts.ts';
import { chatResponseView, withoutLogprobs } from './response-view.ts';
import { renderCompletion } from './result.ts';
import { ChatChunkWriter } from './stream-writer.ts';
import { annotation, wireImage } from './wire.ts';

const RENDERING: Rendering = {
  part: (part) => part.type !== 'unknown' && (part.type !== 'image' || wireImage(part) !== undefined),
  citation: (citation) => annotation(citation) !== undefined,
  severalChoices: true,
  logprobs: true,
};

/** OpenAI's Chat Completions, with the extras that other vendors have made common. */
export const openAiChatDialect: ClientDialect = {
  name: 'openai-chat',

  toChat(body) {
    if (!Array.isArray(body.messages)) throw invalid('messages', 'a list of messages is expected');
    return { messages: readMessages(body.messages), ...readParameters(body) };
  },

  unreadMembers: (body) => unreadMembers(body, KNOWN_IN_CHAT),

  requestView: (body) => {
    const outputLimit = asCount(body.max_completion_tokens) ?? asCount(body.max_tokens);
    return new PromptView({
      outputLimit,
      affinityKey: openAiAffinityKey(body),
      serviceTier: body.service_tier,
      tools: body.tools,
      messages: body.messages,
      imageType: 'image_url',
      requestDemand: () => generationDemand(body, { prompt: body.messages, outputLimit }),
    });
  },
  responseView: chatResponseView,
  edit: editChat,
  withoutForeignSignatures,
  withoutLogprobs,
  unrendered: (result) => unrendered(result, RENDERING),
  renderResult: renderCompletion,
  streamWriter: (renderContext) => new ChatChunkWriter(renderContext),
};
