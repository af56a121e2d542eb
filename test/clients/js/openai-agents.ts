import { Agent, OpenAIProvider, Runner, tool } from '@openai/agents';
import { z } from 'zod';
import { type Check, CITY, expectEqual, forEachFormat, type Settings, TEXT, TOOL_TEXT } from './check.ts';

const QUESTION = 'How warm is it in Paris?';
const weather = tool({
  name: 'weather',
  description: 'The weather of a city',
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `21 degrees in ${city}`,
});

const agentChecks = (runner: Runner, model: string) => {
  const agent = new Agent({ name: 'Helper', instructions: 'Help.', model });
  const withTools = new Agent({ name: 'Helper', instructions: 'Help.', model, tools: [weather] });
  return {
    text: async () => expectEqual((await runner.run(agent, QUESTION)).finalOutput, TEXT, 'text'),
    streaming: async () => {
      const result = await runner.run(agent, QUESTION, { stream: true });
      let text = '';
      for await (const event of result) {
        if (event.type === 'raw_model_stream_event' && event.data.type === 'output_text_delta')
          text += event.data.delta;
      }
      expectEqual(text, TEXT, 'text');
    },
    tools: async () => expectEqual((await runner.run(withTools, QUESTION)).finalOutput, TOOL_TEXT, 'text'),
    'streamed tools': async () => {
      const result = await runner.run(withTools, QUESTION, { stream: true });
      await result.completed;
      expectEqual(result.finalOutput, TOOL_TEXT, 'text');
    },
    'structured output': async () => {
      const outputType = z.object({ city: z.string(), degrees: z.number() });
      const structured = new Agent({ name: 'Helper', instructions: 'Help.', model, outputType });
      expectEqual(
        (await runner.run(structured, QUESTION)).finalOutput,
        { city: CITY, degrees: 21 },
        'object',
      );
    },
  };
};

export function openaiAgentsChecks(settings: Settings): Check[] {
  const runnerOf = (useResponses: boolean) =>
    new Runner({
      modelProvider: new OpenAIProvider({
        apiKey: settings.key,
        baseURL: `${settings.url}/v1`,
        useResponses,
      }),
      tracingDisabled: true,
    });
  const [responses, chat] = [runnerOf(true), runnerOf(false)];
  return [
    ...forEachFormat(settings, 'openai-agents JS (responses)', (model) => agentChecks(responses, model)),
    ...forEachFormat(settings, 'openai-agents JS (chat)', (model) => agentChecks(chat, model)),
  ];
}
