import { describe, expect, test } from 'bun:test';
import { createHarness, userMessage } from './test-support.ts';

const tools = [{ type: 'function', function: { name: 'get_weather' } }];

describe('a bad chat request', () => {
  const messages = userMessage('Hi');
  const toolMessage = { role: 'tool', tool_call_id: 'c', content: 'x' };
  test.each<[string, unknown, string | null, string]>([
    ['no messages', {}, 'messages', "Missing required parameter: 'messages'."],
    [
      'messages of a wrong type',
      { messages: 'Hi' },
      'messages',
      "Invalid type for 'messages': expected an array, but got a string instead.",
    ],
    ['no message', { messages: [] }, 'messages', 'at least one message'],
    ['an unknown role', { messages: [{ role: 'x', content: '' }] }, 'messages[0].role', 'expected one of'],
    [
      'a part without text',
      { messages: [{ role: 'user', content: [{ type: 'text' }] }] },
      'messages[0].content[0].text',
      'Missing',
    ],
    [
      'an unknown part',
      { messages: [{ role: 'user', content: [{ type: 'smell' }] }] },
      'messages[0].content[0].type',
      'Invalid',
    ],
    ['no content', { messages: [{ role: 'user' }] }, 'messages[0].content', 'Missing'],
    [
      'a result of a tool that was not called',
      { messages: [...messages, toolMessage] },
      'messages[1].tool_call_id',
      'must answer a tool call',
    ],
    [
      'a tool call without an answer',
      {
        messages: [
          {
            role: 'assistant',
            tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '' } }],
          },
          ...messages,
        ],
      },
      'messages[0].tool_calls',
      'must be answered',
    ],
    [
      'a temperature out of range',
      { messages, temperature: 3 },
      'temperature',
      "Invalid value for 'temperature'",
    ],
    ['a broken number of choices', { messages, n: 1.5 }, 'n', 'expected an integer'],
    [
      'too many stop sequences',
      { messages, stop: ['a', 'b', 'c', 'd', 'e'] },
      'stop',
      "Invalid value for 'stop'",
    ],
    ['two limits', { messages, max_tokens: 1, max_completion_tokens: 1 }, 'max_tokens', 'at the same time'],
    [
      'stream options without a stream',
      { messages, stream_options: {} },
      'stream_options',
      "only allowed when 'stream'",
    ],
    ['top log probabilities alone', { messages, top_logprobs: 2 }, 'top_logprobs', "needs 'logprobs'"],
    [
      'a choice among no tools',
      { messages, tool_choice: 'auto' },
      'tool_choice',
      "only allowed when 'tools'",
    ],
    [
      'a choice of a missing tool',
      { messages, tools, tool_choice: { type: 'function', function: { name: 'f' } } },
      'tool_choice',
      "'f' not found",
    ],
    ['old functions', { messages, functions: [] }, 'functions', "use 'tools'"],
    [
      'a schema that nothing fits',
      {
        messages,
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', schema: { type: 'integer', minimum: 2, maximum: 1 } },
        },
      },
      'response_format',
      'Invalid schema',
    ],
    [
      'tool parameters that nothing fits',
      {
        messages,
        tools: [
          {
            type: 'function',
            function: { name: 'f', parameters: { required: ['a'], additionalProperties: false } },
          },
        ],
        tool_choice: 'required',
      },
      'tools',
      "Invalid schema for function 'f'",
    ],
    [
      'too long an answer',
      { model: 'simulator:tokens=100000', messages, n: 3 },
      'n',
      'at most 200000 tokens',
    ],
    ['a model of a wrong type', { model: 3, messages }, 'model', 'Invalid type'],
    ['not an object', '[]', null, 'must be a JSON object'],
    ['not JSON', '{', null, 'not valid JSON'],
  ])('gets a 400 that names the fault: %s', async (_name, body, param, message) => {
    const sent = typeof body === 'object' ? { model: 'simulator', ...body } : body;
    const response = await createHarness().post('/chat/completions', sent);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: {
        message: expect.stringContaining(message),
        type: 'invalid_request_error',
        param,
        code: expect.any(String),
      },
    });
  });

  test('gets a 404 for a model that is not served', async () => {
    const response = await createHarness().post('/chat/completions', { model: 'gpt-4o', messages });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } });
  });
});
