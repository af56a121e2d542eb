import { describe, expect, test } from 'bun:test';
import { testProvider, testTarget } from '../../../test/support/inference.ts';
import type { ChatRequest, Message, UserPart } from '../../core/chat/request.ts';
import type { Warning } from '../../core/warning.ts';
import type { VendorProfile } from '../types.ts';
import { chatMessages } from './chat-messages.ts';
import { chatParameters } from './chat-parameters.ts';
import { GENERIC, VENDORS } from './vendors.ts';

function convert(messages: readonly Message[], profile: VendorProfile = GENERIC) {
  const warnings: Warning[] = [];
  const target = testTarget({ ...testProvider(), profile });
  const converted = chatMessages({ messages }, target, (warning) => warnings.push(warning));
  return { messages: converted, warnings };
}

const asked: Message = { role: 'user', content: [{ type: 'text', text: 'Which day?' }] };
const calling = (id: string): Message => ({
  role: 'assistant',
  content: [{ type: 'tool-call', id, name: 'day', arguments: '{}' }],
});
const result = (callId: string) =>
  ({ type: 'tool-result', callId, content: [{ type: 'text', text: '3' }] }) as const;

describe('adjacent assistant messages', () => {
  test('with calls are one, because the results must follow at once', () => {
    const remark: Message = { role: 'assistant', content: [{ type: 'text', text: 'Wait.' }] };
    const { messages } = convert([
      asked,
      calling('a'),
      calling('b'),
      remark,
      { role: 'tool', content: [result('a'), result('b')] },
    ]);
    expect(messages).toMatchObject([
      { role: 'user' },
      { role: 'assistant', content: 'Wait.', tool_calls: [{ id: 'a' }, { id: 'b' }] },
      { role: 'tool', tool_call_id: 'a' },
      { role: 'tool', tool_call_id: 'b' },
    ]);
  });

  test('stay apart without calls, and with results between them', () => {
    const remark: Message = { role: 'assistant', content: [{ type: 'text', text: 'Wait.' }] };
    expect(convert([asked, remark, calling('a')]).messages).toHaveLength(3);
    const answered: Message = { role: 'tool', content: [result('a')] };
    expect(convert([asked, calling('a'), answered, calling('b')]).messages).toHaveLength(4);
  });
});

describe('a message whose parts are all omitted', () => {
  const unknown = {
    type: 'unknown',
    dialect: 'openai-responses',
    value: { type: 'web_search_call' },
  } as const;

  test.each([
    { role: 'user', content: [unknown] },
    { role: 'assistant', content: [unknown] },
    { role: 'assistant', content: [{ type: 'reasoning', text: 'Hm.' }] },
    { role: 'system', content: [unknown] },
  ] as const satisfies readonly Message[])('is omitted: %j', (message) => {
    const { messages, warnings } = convert([asked, message, asked]);
    expect(messages.map(({ content }) => content)).toEqual(['Which day?', 'Which day?']);
    expect(warnings).toHaveLength(1);
  });

  test('but not one that the client sent empty', () => {
    expect(convert([{ role: 'assistant', content: [] }]).messages).toEqual([
      { role: 'assistant', content: '' },
    ]);
  });
});

describe('the id of a file at OpenAI', () => {
  const file: UserPart = { type: 'file', source: { kind: 'file-id', id: 'file-7', origin: 'openai' } };
  const message: Message = { role: 'user', content: [{ type: 'text', text: 'Sum up.' }, file] };

  test.each([GENERIC, VENDORS.openai])('reaches $label', (profile) => {
    const { messages, warnings } = convert([message], profile);
    expect(JSON.stringify(messages)).toContain('file-7');
    expect(warnings).toEqual([]);
  });

  test.each([VENDORS.mistral, VENDORS.groq, VENDORS.openrouter])('causes a warning for $label', (profile) => {
    const { messages, warnings } = convert([message], profile);
    expect(JSON.stringify(messages)).not.toContain('file-7');
    expect(warnings).toMatchObject([{ kind: 'unsupported', param: 'messages[0].content[1]' }]);
  });
});

describe('service tiers', () => {
  const build = (request: Partial<ChatRequest>, profile: VendorProfile) => {
    const warnings: Warning[] = [];
    const target = testTarget({ ...testProvider(), profile });
    const body = chatParameters({ messages: [asked], ...request }, target, (one) => warnings.push(one));
    return { tier: body.service_tier, warnings };
  };

  test("Anthropic's name has another here", () => {
    expect(build({ serviceTier: 'standard_only' }, VENDORS.openai).tier).toBe('default');
    expect(build({ serviceTier: 'flex' }, VENDORS.openai).tier).toBe('flex');
  });

  test('cause a warning for a vendor without them', () => {
    const { tier, warnings } = build({ serviceTier: 'flex' }, VENDORS.mistral);
    expect(tier).toBeUndefined();
    expect(warnings).toMatchObject([{ kind: 'unsupported', param: 'service_tier' }]);
  });
});
