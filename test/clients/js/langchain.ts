import { ChatAnthropic } from '@langchain/anthropic';
import type { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { AIMessage, type BaseMessage, HumanMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
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

const weather = tool(async ({ city }: { city: string }) => `21 degrees in ${city}`, {
  name: 'weather',
  description: 'The weather of a city',
  schema: z.object({ city: z.string() }),
});
const QUESTION = 'How warm is it in Paris?';
const schema = z.object({ city: z.string(), degrees: z.number() });

const chatChecks = (model: BaseChatModel) => ({
  text: async () => {
    const message = await model.invoke(QUESTION);
    expectEqual(message.text, TEXT, 'text');
    const usage = AIMessage.isInstance(message) ? message.usage_metadata : undefined;
    expectEqual([usage?.input_tokens, usage?.output_tokens], [40, 8], 'usage');
  },
  streaming: async () => {
    let text = '';
    for await (const chunk of await model.stream(QUESTION)) text += chunk.text;
    expectEqual(text, TEXT, 'text');
  },
  tools: async () => {
    if (model.bindTools === undefined) throw new Error('the model takes no tools');
    const withTools = model.bindTools([weather]);
    const messages: BaseMessage[] = [new HumanMessage(QUESTION)];
    const first = await withTools.invoke(messages);
    const calls = AIMessage.isInstance(first) ? (first.tool_calls ?? []) : [];
    expectEqual(
      calls.map(({ name, args }) => ({ name, args })),
      [{ name: 'weather', args: { city: CITY } }],
      'calls',
    );
    messages.push(first);
    for (const call of calls) messages.push(await weather.invoke({ ...call, type: 'tool_call' }));
    expectEqual((await withTools.invoke(messages)).text, TOOL_TEXT, 'text');
  },
  'structured output': async () => {
    const result = await model.withStructuredOutput(schema).invoke(QUESTION);
    expectEqual(result, { city: CITY, degrees: 21 }, 'object');
  },
});

export function langchainChecks(settings: Settings): Check[] {
  const { url, key: apiKey, embeddingModel } = settings;
  const configuration = { baseURL: `${url}/v1` };
  const common = { apiKey, maxRetries: 0 };
  const embeddings = new OpenAIEmbeddings({ ...common, model: embeddingModel, configuration });
  return [
    ...forEachFormat(settings, 'LangChain ChatOpenAI', (model) =>
      chatChecks(new ChatOpenAI({ ...common, model, configuration })),
    ),
    ...forEachFormat(settings, 'LangChain ChatOpenAI (responses)', (model) =>
      chatChecks(new ChatOpenAI({ ...common, model, configuration, useResponsesApi: true })),
    ),
    ...forEachFormat(settings, 'LangChain ChatAnthropic', (model) =>
      chatChecks(new ChatAnthropic({ ...common, model, anthropicApiUrl: url })),
    ),
    ...forEachFormat(
      { ...settings, models: { openai: embeddingModel } },
      'LangChain OpenAIEmbeddings',
      () => ({
        embeddings: async () => expectVectors(await embeddings.embedDocuments(['one', 'another'])),
      }),
    ),
  ];
}
