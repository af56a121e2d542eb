import { describe, expect, test } from 'bun:test';
import type { AssistantPart, Citation } from '../../core/chat/request.ts';
import { renderMessage } from './result.ts';
import { MessageEventWriter } from './stream-writer.ts';

const context = {
  requestId: 'req_1',
  model: 'm',
  body: {},
  createdSeconds: 7,
  includesStreamUsage: false,
};
const citation: Citation = { url: 'https://a.test/', raw: { dialect: 'gemini', value: {} } };

function render(content: readonly AssistantPart[]): Record<string, unknown> {
  const choices = [{ index: 0, content, finish: { unified: 'stop' } as const }];
  return JSON.parse(renderMessage({ id: 'x', choices }, context));
}

describe('optional members of blocks are absent, never null', () => {
  test.each([
    { type: 'text', text: 'Hi' },
    { type: 'text', text: 'Hi', citations: [] },
    { type: 'refusal', text: 'No' },
  ] as const satisfies readonly AssistantPart[])('%j', (part) => {
    expect(render([part]).content).toEqual([{ type: 'text', text: part.text }]);
  });

  test('of a citation without a title, complete and streamed', () => {
    const located = {
      type: 'web_search_result_location',
      url: 'https://a.test/',
      title: 'https://a.test/',
      cited_text: '',
      encrypted_index: '',
    };
    expect(render([{ type: 'text', text: 'Hi', citations: [citation] }]).content).toEqual([
      { type: 'text', text: 'Hi', citations: [located] },
    ]);
    const writer = new MessageEventWriter(context);
    writer.event({ type: 'part-start', choice: 0, part: { type: 'text' } });
    expect(writer.event({ type: 'citation', choice: 0, citation })).toContain(JSON.stringify(located));
  });
});
