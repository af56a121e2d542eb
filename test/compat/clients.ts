import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import type { ReadAnswer } from './answer.ts';
import { readMessage } from './readers/anthropic.ts';
import { readChatChunks, readChatCompletion } from './readers/openai-chat.ts';
import { readResponse } from './readers/responses.ts';

/** One way for people's programs to talk to the gateway: an official SDK, with one of its APIs. */
export interface CompatClient {
  readonly name: string;
  /** Asks, and gives back what the SDK made of the answer. @throws the SDK's error */
  ask(model: string, stream: boolean, options?: AskOptions): Promise<ReadAnswer>;
}

export interface AskOptions {
  readonly prompt?: string;
  /** Without them the request names no tools; responses may contain tool calls nevertheless. */
  readonly tools?: readonly { readonly name: string; readonly parameters: Record<string, unknown> }[];
}

const PROMPT = 'Go on.';
const MAX_TOKENS = 2048;

export function compatClients(url: string, key: string): readonly CompatClient[] {
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const anthropic = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  return [
    {
      name: 'openai chat',
      async ask(model, stream, { prompt = PROMPT, tools = [] } = {}) {
        const body = {
          model,
          messages: [{ role: 'user' as const, content: prompt }],
          ...(tools.length === 0
            ? {}
            : { tools: tools.map((tool) => ({ type: 'function' as const, function: { ...tool } })) }),
        };
        if (!stream) return readChatCompletion(await openai.chat.completions.create(body));
        const events: unknown[] = [];
        const options = { stream: true, stream_options: { include_usage: true } } as const;
        for await (const chunk of await openai.chat.completions.create({ ...body, ...options }))
          events.push(chunk);
        return readChatChunks(events);
      },
    },
    {
      name: 'openai responses',
      async ask(model, stream, { prompt = PROMPT, tools = [] } = {}) {
        const body = {
          model,
          input: prompt,
          ...(tools.length === 0
            ? {}
            : { tools: tools.map((tool) => ({ type: 'function' as const, strict: false, ...tool })) }),
        };
        if (!stream) return readResponse(await openai.responses.create(body));
        return readResponse(await openai.responses.stream(body).finalResponse());
      },
    },
    {
      name: 'anthropic messages',
      async ask(model, stream, { prompt = PROMPT, tools = [] } = {}) {
        const body = {
          model,
          max_tokens: MAX_TOKENS,
          messages: [{ role: 'user' as const, content: prompt }],
          ...(tools.length === 0
            ? {}
            : {
                tools: tools.map(({ name, parameters }) => ({
                  name,
                  input_schema: { ...parameters, type: 'object' as const },
                })),
              }),
        };
        if (!stream) return readMessage(await anthropic.messages.create(body));
        return readMessage(await anthropic.messages.stream(body).finalMessage());
      },
    },
  ];
}
