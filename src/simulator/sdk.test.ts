import { describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { createHarness } from './test-support.ts';

function createClient(maxRetries = 0): OpenAI {
  const { simulator } = createHarness();
  const fetch = (url: string | URL | Request, init?: RequestInit) => simulator(new Request(url, init));
  return new OpenAI({ apiKey: 'none', baseURL: 'http://simulator.internal/v1', fetch, maxRetries });
}

const messages = [{ role: 'user' as const, content: 'What is the weather in Oslo?' }];

describe("OpenAI's own client", () => {
  test('puts a stream together', async () => {
    const client = createClient();
    const stream = client.chat.completions.stream({
      model: 'simulator',
      messages,
      stream_options: { include_usage: true },
    });
    const streamed = await stream.finalChatCompletion();
    const whole = await client.chat.completions.create({ model: 'simulator', messages });
    expect(streamed.choices[0]?.message.content).toBe(whole.choices[0]?.message.content ?? null);
    expect(streamed.usage).toEqual(whole.usage);
  });

  test('runs tools to the end', async () => {
    const asked: string[] = [];
    const runner = createClient().chat.completions.runTools({
      model: 'simulator',
      stream: true,
      messages,
      tools: [
        {
          type: 'function',
          function: {
            name: 'get_weather',
            description: 'The weather of a city',
            parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
            parse: (text: string) => JSON.parse(text),
            function: ({ city }: { city: string }) => {
              asked.push(city);
              return 'snow';
            },
          },
        },
      ],
    });
    expect(await runner.finalContent()).toStartWith('According to get_weather: snow.');
    expect(asked).toEqual(['Oslo']);
  });

  test('decodes embeddings, which it asks for in base64', async () => {
    const { data } = await createClient().embeddings.create({
      model: 'simulator-embedding',
      input: 'hi',
      dimensions: 8,
    });
    expect(data[0]?.embedding).toHaveLength(8);
  });

  test('retries until the fault is over', async () => {
    const answer = await createClient(2).chat.completions.create({
      model: 'simulator:fault=429,fault_times=2,retry_after=0',
      messages,
    });
    expect(answer.choices).toHaveLength(1);
  });

  test('reads errors', async () => {
    const failing = createClient().chat.completions.create({ model: 'simulator:fault=401', messages });
    // The client's promise is of its own kind, which `rejects` does not know.
    expect(await failing.catch((error: unknown) => error)).toMatchObject({
      status: 401,
      code: 'invalid_api_key',
    });
  });

  test('lists models', async () => {
    const ids: string[] = [];
    for await (const model of createClient().models.list()) ids.push(model.id);
    expect(ids).toContain('simulator-embedding');
  });
});
