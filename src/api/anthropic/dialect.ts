import type { ClientDialect } from '../../core/chat/dialect.ts';
import { invalid } from './fields.ts';
import { readMessages, readSystem } from './messages.ts';
import { readParameters } from './parameters.ts';
import { renderMessage } from './result.ts';
import { MessageEventWriter } from './stream-writer.ts';

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

  renderResult: renderMessage,
  streamWriter: (about) => new MessageEventWriter(about),
};
