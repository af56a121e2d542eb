import { joinInstructions } from '../../core/chat/call-change.ts';
import type { ClientDialect } from '../../core/chat/dialect.ts';
import { asCount, asString, records } from '../../core/json.ts';
import { editFirstItem, editMembers } from '../../core/json-edit.ts';
import { limitMembers } from '../limit-members.ts';
import { metadataUser, PromptView } from '../prompt-view.ts';
import { generationDemand } from '../request-demand.ts';
import { unreadMembers } from '../unread-members.ts';
import { type Rendering, unrendered } from '../unrendered.ts';
import { invalid } from './fields.ts';
import { withoutForeignSignatures } from './foreign-signatures.ts';
import { KNOWN_IN_MESSAGES } from './known-members.ts';
import { readMessages, readSystem } from './messages.ts';
import { readParameters } from './parameters.ts';
import { renderMessage } from './result.ts';
import { MessageEventWriter } from './stream-writer.ts';
import { wholeBlock, wireCitation } from './wire.ts';

const RENDERING: Rendering = {
  // Of images and audio, a text says that they were there.
  part: (part) =>
    part.type === 'tool-call' ||
    (part.type !== 'image' && part.type !== 'audio' && wholeBlock(part) !== undefined),
  citation: (citation) => wireCitation(citation) !== undefined,
  severalChoices: false,
  logprobs: false,
};

/** Anthropic's Messages. */
export const anthropicMessagesDialect: ClientDialect = {
  name: 'anthropic-messages',

  toChat(body) {
    if (!Array.isArray(body.messages)) throw invalid('messages', 'a list of messages is expected');
    return {
      messages: [...readSystem(body.system), ...readMessages(body.messages)],
      ...readParameters(body),
    };
  },

  unreadMembers: (body) => unreadMembers(body, KNOWN_IN_MESSAGES),

  requestView: (body) => {
    const outputLimit = asCount(body.max_tokens);
    return new PromptView({
      outputLimit,
      affinityKey: metadataUser(body.metadata),
      tools: body.tools,
      instructions: body.system,
      messages: body.messages,
      imageType: 'image',
      requestDemand: () => generationDemand(body, { prompt: body.messages, outputLimit }),
    });
  },

  responseView({ type, content, stop_reason }) {
    if (type !== 'message') return undefined;
    const parts = records(content);
    return {
      text: parts.map(({ text }) => asString(text) ?? '').join(''),
      refused: stop_reason === 'refusal',
      callsTools: parts.some((part) => part.type === 'tool_use'),
      logprobs: [],
    };
  },

  edit(text, body, change) {
    const { system } = body;
    if (change.type === 'limit-output') return limitMembers(text, body, change.max, ['max_tokens']);
    if (change.type !== 'prepend-system') return undefined;
    if (Array.isArray(system)) {
      const block = JSON.stringify({ type: 'text', text: change.text });
      return editFirstItem(text, 'system', () => ({ before: block }));
    }
    const joined = joinInstructions(change.text, asString(system) ?? '');
    return editMembers(text, { system: JSON.stringify(joined) });
  },

  withoutForeignSignatures,
  unrendered: (result) => unrendered(result, RENDERING),
  renderResult: renderMessage,
  streamWriter: (renderContext) => new MessageEventWriter(renderContext),
};
