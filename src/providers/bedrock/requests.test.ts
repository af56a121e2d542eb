import { describe, expect, test } from 'bun:test';
import { testContext, testProvider, testTarget } from '../../../test/support/inference.ts';
import type { ChatRequest, Message } from '../../core/chat/request.ts';
import type { Warning } from '../../core/warning.ts';
import { converseChatFormat } from './index.ts';

const CLAUDE = 'anthropic.claude-sonnet-4-5-20250929-v1:0';
const KIMI = 'moonshot.kimi-k2-thinking';

function build(request: ChatRequest, model = CLAUDE) {
  const warnings: Warning[] = [];
  const target = testTarget(testProvider({ baseUrl: 'https://bedrock.test' }), model);
  const options = { ...testContext({ warn: (warning) => warnings.push(warning) }), stream: false };
  const { body } = converseChatFormat.build(request, target, { ...options, headers: new Headers() });
  return { body: JSON.parse(body), warnings };
}

const asked: Message = { role: 'user', content: [{ type: 'text', text: 'Which day?' }] };
const history = (id: string): Message[] => [
  asked,
  { role: 'assistant', content: [{ type: 'tool-call', id, name: 'day', arguments: '{}' }] },
  { role: 'tool', content: [{ type: 'tool-result', callId: id, content: [{ type: 'text', text: '3' }] }] },
];

describe('tools', () => {
  const offered = [{ toolSpec: { name: 'day', inputSchema: { json: { type: 'object' } } } }];

  test.each([{}, { tools: [] }] as const)('of the history are offered where the request has %j', (more) => {
    const { body, warnings } = build({ messages: history('c1'), ...more });
    expect(body.toolConfig).toEqual({ tools: offered });
    expect(warnings).toMatchObject([{ kind: 'changed', param: 'tools' }]);
  });

  test('are absent without a call in the history', () => {
    expect(build({ messages: [asked] })).toMatchObject({ warnings: [] });
    expect(build({ messages: [asked] }).body).not.toHaveProperty('toolConfig');
  });
});

test.each([
  [KIMI, 'functions.day:0', 'functions.day:0'],
  [KIMI, 'a b/c', 'a_b_c'],
  [CLAUDE, 'functions.day:0', 'functions_day_0'],
])('%s gets the call id %s as %s, in the call and in its result', (model, given, sent) => {
  const { messages } = build({ messages: history(given) }, model).body;
  expect(messages[1].content[0].toolUse.toolUseId).toBe(sent);
  expect(messages[2].content[0].toolResult.toolUseId).toBe(sent);
});

describe('strict tools', () => {
  const tools = [{ type: 'function', name: 'day', strict: true, parameters: { type: 'object' } }] as const;

  test('stay strict where the model supports it', () => {
    const { body, warnings } = build({ messages: [asked], tools });
    expect(body.toolConfig.tools[0].toolSpec).toMatchObject({ name: 'day', strict: true });
    expect(warnings).toEqual([]);
  });

  test('cause a warning elsewhere', () => {
    const { body, warnings } = build({ messages: [asked], tools }, KIMI);
    expect(body.toolConfig.tools[0].toolSpec).not.toHaveProperty('strict');
    expect(warnings).toMatchObject([{ kind: 'unsupported', param: 'tools[0].strict' }]);
  });
});

describe('a document', () => {
  const source = { kind: 'text', mediaType: 'text/plain', text: 'Weirs hold water.' } as const;
  const file = { type: 'file', source, title: 'Weirs', context: 'Chapter 2.', citations: true } as const;
  const request = { messages: [{ role: 'user', content: [file] }] } as const;

  test('has its context, and is cited by Claude', () => {
    const { body, warnings } = build(request);
    expect(body.messages[0].content[0].document).toMatchObject({
      name: 'Weirs 1',
      context: 'Chapter 2.',
      citations: { enabled: true },
    });
    expect(warnings).toEqual([]);
  });

  test('causes a warning where the model cannot cite it', () => {
    const { body, warnings } = build(request, KIMI);
    expect(body.messages[0].content[0].document).not.toHaveProperty('citations');
    expect(warnings).toMatchObject([{ kind: 'unsupported' }]);
  });
});

test('a conversation may begin with the assistant where the model is Claude', () => {
  const messages: Message[] = [{ role: 'assistant', content: [{ type: 'text', text: 'Welcome.' }] }, asked];
  expect(build({ messages }).body.messages).toHaveLength(2);
  expect(() => build({ messages }, KIMI)).toThrow('user message');
  expect(() => build({ messages: [{ role: 'system', content: [] }] })).toThrow('user message');
});
