import { expect, test } from 'bun:test';
import { testProvider, testTarget } from '../../test/support/inference.ts';
import type { ChatRequest } from '../core/chat/request.ts';
import type { Warning } from '../core/warning.ts';
import { cohereConversation } from './cohere/messages.ts';
import { wireContents } from './gemini/messages.ts';
import { ollamaMessages } from './ollama/messages.ts';
import { chatMessages } from './openai-compatible/chat-messages.ts';
import { GENERIC } from './openai-compatible/vendors.ts';

const request: ChatRequest = {
  messages: [
    {
      role: 'user',
      content: [
        {
          type: 'file',
          source: { kind: 'text', mediaType: 'text/plain', text: 'Weirs hold water.' },
          title: 'Rivers',
          context: 'From chapter 2.',
          citations: true,
        },
      ],
    },
  ],
};

type Build = (warn: (warning: Warning) => void) => unknown;

test.each([
  ['Gemini', 1, (warn) => wireContents(request, { signsCalls: false, hasIds: true }, warn)],
  ['Ollama', 1, (warn) => ollamaMessages(request, warn)],
  [
    "OpenAI's format",
    1,
    (warn) => chatMessages(request, testTarget(testProvider({ profile: GENERIC })), warn),
  ],
  // It cites documents by default.
  ['Cohere', 0, (warn) => cohereConversation(request, warn)],
] satisfies readonly (readonly [string, number, Build])[])(
  '%s gets the title and context of a document',
  (_name, count, build) => {
    const warnings: Warning[] = [];
    const sent = JSON.stringify(build((warning) => warnings.push(warning)));
    for (const text of ['Rivers', 'From chapter 2.', 'Weirs hold water.']) expect(sent).toContain(text);
    expect(warnings.map(({ kind }) => kind)).toEqual(Array.from({ length: count }, () => 'unsupported'));
  },
);
