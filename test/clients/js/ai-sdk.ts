import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  type EmbeddingModel,
  embedMany,
  generateText,
  type LanguageModel,
  Output,
  stepCountIs,
  streamText,
  tool,
} from 'ai';
import { z } from 'zod';
import {
  type Check,
  CITY,
  expectEqual,
  expectVectors,
  forEachFormat,
  type Settings,
  TEXT,
  TOOL_TEXT,
} from './check.ts';

const weather = tool({
  description: 'The weather of a city',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `21 degrees in ${city}`,
});
const question = { prompt: 'How warm is it in Paris?', maxRetries: 0 };

async function collect(stream: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const part of stream) text += part;
  return text;
}

const chatChecks = (model: LanguageModel) => ({
  text: async () => {
    const { text, usage, finishReason } = await generateText({ model, ...question });
    expectEqual(text, TEXT, 'text');
    expectEqual(finishReason, 'stop', 'finish reason');
    expectEqual([usage.inputTokens, usage.outputTokens], [40, 8], 'usage');
  },
  streaming: async () => {
    const result = streamText({ model, ...question });
    expectEqual(await collect(result.textStream), TEXT, 'text');
    expectEqual((await result.usage).outputTokens, 8, 'output tokens');
  },
  tools: async () => {
    const { text, steps } = await generateText({
      model,
      ...question,
      tools: { weather },
      stopWhen: stepCountIs(4),
    });
    expectEqual(text, TOOL_TEXT, 'text');
    expectEqual(steps[0]?.toolCalls[0]?.input, { city: CITY }, 'arguments');
  },
  'streamed tools': async () => {
    const result = streamText({ model, ...question, tools: { weather }, stopWhen: stepCountIs(4) });
    expectEqual(await collect(result.textStream), TOOL_TEXT, 'text');
    expectEqual((await result.steps)[0]?.toolResults[0]?.output, `21 degrees in ${CITY}`, 'result');
  },
  'structured output': async () => {
    const schema = z.object({ city: z.string(), degrees: z.number() });
    const { output } = await generateText({ model, ...question, output: Output.object({ schema }) });
    expectEqual(output, { city: CITY, degrees: 21 }, 'object');
  },
});

const embeddingChecks = (model: EmbeddingModel) => ({
  embeddings: async () => {
    const { embeddings } = await embedMany({ model, values: ['one', 'another'], maxRetries: 0 });
    expectVectors(embeddings);
  },
});

export function aiSdkChecks(settings: Settings): Check[] {
  const { url, key: apiKey, embeddingModel } = settings;
  const baseURL = `${url}/v1`;
  const openai = createOpenAI({ baseURL, apiKey });
  const compatible = createOpenAICompatible({
    name: 'weir',
    baseURL,
    apiKey,
    supportsStructuredOutputs: true,
    includeUsage: true,
  });
  const anthropic = createAnthropic({ baseURL, apiKey });
  const embed = { ...settings, models: { openai: embeddingModel } };
  return [
    ...forEachFormat(settings, 'AI SDK openai (responses)', (model) => chatChecks(openai(model))),
    ...forEachFormat(settings, 'AI SDK openai (chat)', (model) => chatChecks(openai.chat(model))),
    ...forEachFormat(embed, 'AI SDK openai', (model) => embeddingChecks(openai.embedding(model))),
    ...forEachFormat(settings, 'AI SDK openai-compatible', (model) => chatChecks(compatible(model))),
    ...forEachFormat(embed, 'AI SDK openai-compatible', (model) =>
      embeddingChecks(compatible.embeddingModel(model)),
    ),
    ...forEachFormat(settings, 'AI SDK anthropic', (model) => chatChecks(anthropic(model))),
  ];
}
