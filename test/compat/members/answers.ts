import { chatCall } from '../../../src/api/chat-call.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import { once } from '../../../src/core/once.ts';
import type { Frame } from '../../../src/core/stream/frame.ts';
import { addWarning, type Warning } from '../../../src/core/warning.ts';
import type { Target } from '../../../src/providers/types.ts';
import { DIALECTS } from '../../support/dialects-and-formats.ts';
import { upstreamHeaders } from '../../support/fake-transport.ts';
import { testContext } from '../../support/inference.ts';
import type { Sent } from './outcome.ts';
import type { Json } from './values.ts';

const user = { role: 'user', content: 'Hi' };
const parameters = { type: 'object', properties: { wo: { type: 'string' } } };

/** Requests that ask for everything that a response may contain, by the client's dialect. */
export const CLIENT_REQUESTS: Readonly<Record<string, Json>> = {
  'openai-chat': {
    model: 'm',
    messages: [user],
    logprobs: true,
    top_logprobs: 2,
    tools: [{ type: 'function', function: { name: 'look', parameters } }],
    stream_options: { include_usage: true },
  },
  'openai-responses': {
    model: 'm',
    input: 'Hi',
    include: ['message.output_text.logprobs', 'reasoning.encrypted_content'],
    top_logprobs: 2,
    tools: [{ type: 'function', name: 'look', parameters, strict: false }],
  },
  'anthropic-messages': {
    model: 'm',
    max_tokens: 9000,
    messages: [user],
    thinking: { type: 'enabled', budget_tokens: 2000 },
    tools: [{ name: 'look', input_schema: parameters }],
  },
  'openai-completions': { model: 'm', prompt: 'Hi', logprobs: 2, stream_options: { include_usage: true } },
};

function callOf(name: string, stream: boolean) {
  const dialect = DIALECTS[name]?.dialect;
  const request = CLIENT_REQUESTS[name];
  if (!dialect || !request) throw new Error(`no client of ${name}`);
  const json = { ...request, ...(stream ? { stream } : {}) };
  const operation = name === 'openai-completions' ? 'completion' : 'chat';
  const call = chatCall(operation, dialect, { text: JSON.stringify(json), json }, new Headers());
  const chat = once(() => dialect.toChat(json));
  return { ...call, chat, includesStreamUsage: true };
}

/** @returns a function that reads upstream responses and renders them for clients of a dialect */
export function completeReceiver(dialect: string, target: Target): (answer: Json) => Sent {
  const call = callOf(dialect, false);
  return (answer) =>
    received((warn) => {
      const response = {
        status: 200,
        headers: upstreamHeaders({ 'content-type': 'application/json' }),
        body: Buffer.from(JSON.stringify(answer)),
      };
      const { text } = target.provider.adapter.parseResponse(response, call, target, testContext({ warn }));
      return [JSON.parse(text)];
    });
}

/** @returns a function that reads upstream streams and renders them for clients of a dialect */
export function streamReceiver(dialect: string, target: Target): (pieces: readonly Uint8Array[]) => Sent {
  const call = callOf(dialect, true);
  return (pieces) =>
    received((warn) => {
      const decoder = target.provider.adapter.streamDecoder(call, target, testContext({ warn }), 'bytes');
      const parts: Uint8Array[] = [];
      const emit = ({ bytes }: Frame) => {
        if (bytes) parts.push(bytes);
      };
      for (const piece of pieces) decoder.push(piece, emit);
      decoder.end(emit);
      if (decoder.failure) throw decoder.failure;
      return [
        ...Buffer.concat(parts)
          .toString()
          .matchAll(/^data: (\{.*\})$/gm),
      ].map(([, data = '']): unknown => JSON.parse(data));
    });
}

/** Renders a response for a client. @returns what the client receives, or the error, with the warnings */
export function received(read: (warn: (warning: Warning) => void) => readonly unknown[]): Sent {
  const warnings: Warning[] = [];
  try {
    const body = read((warning) => addWarning(warnings, warning));
    return { upstream: JSON.stringify(body), body, warnings, error: undefined };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const { message, param } = error;
    return { upstream: undefined, body: undefined, warnings, error: { param: param ?? '', message } };
  }
}
