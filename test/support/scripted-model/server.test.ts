import { afterEach, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import type { ModelScript } from './conversation.ts';
import { type ModelFormat, type ScriptedModel, startScriptedModel } from './server.ts';

/** The official SDKs read what scripted models send. */

const models: ScriptedModel[] = [];
afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.close()));
});

const script: ModelScript = ({ tools, results, prompts }) =>
  tools.length > 0 && results.length === 0
    ? { calls: [{ name: tools[0]?.name ?? '', arguments: { city: 'Paris' } }] }
    : { text: `After "${prompts[0]}" and ${results.length} results.` };

async function start(format: ModelFormat): Promise<ScriptedModel> {
  const model = await startScriptedModel(format, script);
  models.push(model);
  return model;
}

const openaiAt = ({ url }: ScriptedModel) => new OpenAI({ apiKey: 'k', baseURL: `${url}/v1`, maxRetries: 0 });
const parameters = { type: 'object', properties: { city: { type: 'string' } } };

test.each(['openai', 'vllm'] as const)(
  'chat of %s: a stream with a call, and a plain response after it',
  async (format) => {
    const model = await start(format);
    const { completions } = openaiAt(model).chat;
    const tools = [{ type: 'function' as const, function: { name: 'weather', parameters } }];
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Hi' }];
    const streamed = await completions.stream({ model: 'm', messages, tools }).finalChatCompletion();
    const message = streamed.choices[0]?.message;
    const call = message?.tool_calls?.[0];
    if (message === undefined || call?.type !== 'function') throw new Error('no call');
    expect([call.function.name, JSON.parse(call.function.arguments)]).toEqual(['weather', { city: 'Paris' }]);
    messages.push(message, { role: 'tool', tool_call_id: call.id, content: '21' });
    const plain = await completions.create({ model: 'm', messages, tools });
    expect(plain.choices[0]?.message.content).toBe('After "Hi" and 1 results.');
    expect(model.faults).toEqual([]);
  },
);

test('responses: a stream with a call', async () => {
  const model = await start('openai');
  const tools = [{ type: 'function' as const, name: 'weather', parameters, strict: false }];
  const response = await openaiAt(model).responses.stream({ model: 'm', input: 'Hi', tools }).finalResponse();
  expect(response.output[0]).toMatchObject({
    type: 'function_call',
    name: 'weather',
    arguments: '{"city":"Paris"}',
  });
});

test('messages: a stream with a call, and a plain text', async () => {
  const model = await start('anthropic');
  const client = new Anthropic({ apiKey: 'k', baseURL: model.url, maxRetries: 0 });
  const messages = [{ role: 'user' as const, content: 'Hi' }];
  const tools = [{ name: 'weather', input_schema: { type: 'object' as const } }];
  const streamed = await client.messages
    .stream({ model: 'm', max_tokens: 9, messages, tools })
    .finalMessage();
  expect(streamed.content).toMatchObject([{ type: 'tool_use', name: 'weather', input: { city: 'Paris' } }]);
  const plain = await client.messages.create({ model: 'm', max_tokens: 9, messages });
  expect(plain.content).toMatchObject([{ type: 'text', text: 'After "Hi" and 0 results.' }]);
});

test('a request that breaks a rule of its vendor gets a 400 and is listed', async () => {
  const model = await start('openai');
  const messages = [{ role: 'tool' as const, tool_call_id: 'call_1', content: '21' }];
  const rejected = openaiAt(model).chat.completions.create({ model: 'm', messages });
  await expect(rejected.then(() => '', String)).resolves.toContain('must follow the call "call_1"');
  expect(model.faults).toHaveLength(1);
});

test('a failure is sent until it ends', async () => {
  const model = await start('openai');
  const ask = () =>
    openaiAt(model).chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] });
  model.failWith({
    status: 429,
    body: { error: { message: 'Limit.' } },
    headers: { 'x-should-retry': 'false' },
  });
  const failed: unknown = await ask().then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failed).toMatchObject({ status: 429 });
  model.failWith(undefined);
  expect((await ask()).choices[0]?.message.content).toBe('After "Hi" and 0 results.');
  expect(model.generations).toHaveLength(2);
});
