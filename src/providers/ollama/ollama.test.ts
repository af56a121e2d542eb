import { describe, expect, test } from 'bun:test';
import { testContext, testTarget } from '../../../test/support/inference.ts';
import { openAiChatDialect } from '../../api/openai/chat/dialect.ts';
import { ollamaChatFormat } from './index.ts';

/** What Ollama is sent for a body of OpenAI's chat. */
function sent(body: Readonly<Record<string, unknown>>, model = 'qwen3:4b') {
  const params: string[] = [];
  const context = testContext({ warn: ({ param }) => params.push(param) });
  const request = openAiChatDialect.toChat({ messages: [{ role: 'user', content: 'Hi' }], ...body });
  const options = { ...context, stream: false, headers: new Headers() };
  const built = ollamaChatFormat.build(request, testTarget(undefined, model), options);
  const json: unknown = JSON.parse(built.body);
  return { url: built.url, body: Object(json), params };
}

describe('a request', () => {
  test('goes to the API beside the OpenAI-compatible one', () => {
    expect(sent({}).url).toBe('http://upstream.test/api/chat');
  });

  test('has its parameters among the options, with those that only Ollama knows', () => {
    const { body, params } = sent({
      max_tokens: 9,
      temperature: 0.5,
      stop: ['x'],
      options: { num_ctx: 8192 },
      keep_alive: '5m',
      service_tier: 'auto',
      n: 2,
    });
    expect(body).toMatchObject({
      options: { num_predict: 9, temperature: 0.5, stop: ['x'], num_ctx: 8192 },
      keep_alive: '5m',
    });
    expect(params.sort()).toEqual(['n', 'service_tier']);
  });

  test.each<[unknown, string, unknown]>([
    ['none', 'qwen3:4b', false],
    ['low', 'qwen3:4b', true],
    ['minimal', 'gpt-oss:20b', 'low'],
    ['medium', 'gpt-oss:20b', 'medium'],
    ['xhigh', 'gpt-oss:20b', 'high'],
  ])('asks for effort %s of %s by think: %s', (effort, model, think) => {
    expect(sent({ reasoning_effort: effort }, model).body.think).toBe(think);
  });

  test('has tool results by the names of their tools, and pictures beside the text', () => {
    const { body, params } = sent({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{"a":1}' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'seen' },
      ],
      tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }],
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' } } },
    });
    expect(body).toMatchObject({
      messages: [
        { role: 'user', content: 'Look', images: ['aGk='] },
        { role: 'assistant', tool_calls: [{ id: 'c1', function: { name: 'look', arguments: { a: 1 } } }] },
        { role: 'tool', tool_name: 'look', tool_call_id: 'c1', content: 'seen' },
      ],
      tools: [{ type: 'function', function: { name: 'look' } }],
      format: { type: 'object' },
    });
    expect(params).toEqual([]);
  });

  test('with arguments that are no object is refused by name', () => {
    const call = { id: 'c1', type: 'function', function: { name: 'look', arguments: '{"a":' } };
    expect(() =>
      sent({
        messages: [
          { role: 'assistant', content: null, tool_calls: [call] },
          { role: 'user', content: 'x' },
        ],
      }),
    ).toThrow('"messages[0].tool_calls" is a tool call whose arguments are not a JSON object');
  });
});
