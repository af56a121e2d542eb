import { expect, test } from 'bun:test';
import { DIALECTS, FORMATS } from '../../test/support/dialects-and-formats.ts';
import { testCall, testContext } from '../../test/support/inference.ts';
import type { JsonObject } from '../core/json.ts';
import { describedSchema } from './lost-details.ts';

/** Sends a request of a dialect to a format. */
function send(dialect: string, format: string, body: JsonObject) {
  const client = DIALECTS[dialect]?.dialect;
  const target = FORMATS[format];
  if (!client || !target) throw new Error(`no ${dialect} or ${format}`);
  const warned: string[] = [];
  const call = testCall(body, { dialect: client, chat: () => client.toChat(body) });
  const { adapter } = target.provider;
  const sent = adapter.buildRequest(call, target, testContext({ warn: ({ param }) => warned.push(param) }));
  return { warned, body: String(sent.body) };
}

const user = (content: unknown, more: JsonObject = {}) => ({ role: 'user', content, ...more });

test.each(['Ollama', 'Anthropic', 'Gemini', 'Bedrock'])(
  '%s lacks names and details, and says so',
  (format) => {
    const image = { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' };
    const messages = [
      user(
        [
          { type: 'text', text: 'Hi' },
          { type: 'image_url', image_url: image },
        ],
        { name: 'ann' },
      ),
    ];
    const { warned } = send('openai-chat', format, { messages });
    expect(warned).toEqual(['messages[0].name', 'messages[0].content[1].detail']);
  },
);

test.each([
  ['Ollama', 'thinking.budget_tokens'],
  ['Cohere', 'thinking.display'],
  ['OpenAI chat', 'thinking.display'],
])('%s cannot do everything that Anthropic says of reasoning', (format, param) => {
  const thinking = { type: 'enabled', budget_tokens: 2_000, display: 'omitted' };
  const { warned } = send('anthropic-messages', format, {
    max_tokens: 4_000,
    thinking,
    messages: [user('Hi')],
  });
  expect(warned).toContain(param);
});

test('reasoning that nothing turns off causes a warning, except for models without any', () => {
  const body = { max_tokens: 10, thinking: { type: 'disabled' }, messages: [user('Hi')] };
  expect(send('anthropic-messages', 'Mistral', body).warned).toEqual(['reasoning']);
  expect(send('anthropic-messages', 'OpenAI chat', body).warned).toEqual([]);
});

test('the description of a response format becomes that of its schema', () => {
  const schema = { type: 'object' };
  const format = { type: 'json-schema', schema, description: 'A colour.' } as const;
  expect(describedSchema(format)).toEqual({ type: 'object', description: 'A colour.' });
  const own = { type: 'object', description: 'Its own.' };
  expect(describedSchema({ ...format, schema: own })).toBe(own);
});

test('the end of a cached prefix is marked for Anthropic and Bedrock as for OpenAI', () => {
  const marked = { type: 'text', text: 'Hi', prompt_cache_breakpoint: { mode: 'explicit' } };
  const body = { messages: [user([marked])] };
  expect(send('openai-chat', 'Anthropic', body).body).toContain('"cache_control":{"type":"ephemeral"}');
  expect(send('openai-chat', 'Bedrock', body).body).toContain('"cachePoint":{"type":"default"}');
  const items = { input: [user([{ ...marked, type: 'input_text' }])] };
  expect(send('openai-responses', 'Anthropic', items).body).toContain('"cache_control":{"type":"ephemeral"}');
});

test('Bedrock caches a whole prompt behind its last message', () => {
  const body = { max_tokens: 10, cache_control: { type: 'ephemeral' }, messages: [user('Hi')] };
  const sent = send('anthropic-messages', 'Bedrock', body);
  expect(sent.body).toContain('[{"text":"Hi"},{"cachePoint":{"type":"default"}}]');
  expect(sent.warned).toEqual([]);
});

test('Gemini reads the name of a file in a text before it', () => {
  const file = { filename: 'plan.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' };
  const { body, warned } = send('openai-chat', 'Gemini', { messages: [user([{ type: 'file', file }])] });
  expect(body).toContain('{"text":"plan.pdf"},{"inlineData"');
  expect(warned).toEqual([]);
});
