import { isRecord, listOf } from '../../../src/core/json.ts';
import { type MockUpstream, startMockUpstream } from '../mock-upstream.ts';
import type { RecordedRequest } from '../recorded-request.ts';
import { json, type ResponseScript, type ScriptHeaders, status } from '../scripts.ts';
import { Waiters } from '../waiters.ts';
import { readMessages, renderMessages } from './anthropic.ts';
import { OPENAI_FLAVOR, readChat, renderChat, VLLM_FLAVOR } from './chat.ts';
import type { Conversation, ModelOutput, ModelScript, ReadRequest } from './conversation.ts';
import { readResponses, renderResponses } from './responses.ts';

/** The APIs of an upstream: OpenAI has two, vLLM's server has chat. */
export type ModelFormat = 'openai' | 'anthropic' | 'vllm';

/** A mock upstream that behaves as a model with a script, and checks the rules of its vendor. */
export interface ScriptedModel {
  readonly url: string;
  /** Requests for generated text, in order. */
  readonly generations: readonly RecordedRequest[];
  /** The rules of the vendor that requests have broken. Each such request got a 400. */
  readonly faults: readonly string[];
  /** Requests for paths that the vendor does not have. */
  readonly unknownPaths: readonly string[];
  /** Resolves when the n-th request for text has arrived, counted from 1. */
  waitForGeneration(n: number): Promise<void>;
  /** From now on, every request for text gets this error; undefined ends that. */
  failWith(failure: { status: number; body: unknown; headers?: ScriptHeaders } | undefined): void;
  close(): Promise<void>;
}

interface Api {
  readonly read: (body: Record<string, unknown>) => ReadRequest;
  readonly render: (conversation: Conversation, output: ModelOutput) => ResponseScript;
  readonly error: (message: string) => unknown;
}

const openaiError = (message: string) => ({
  error: { message, type: 'invalid_request_error', param: null, code: null },
});
const messagesApi: Api = {
  read: readMessages,
  render: renderMessages,
  error: (message) => ({ type: 'error', error: { type: 'invalid_request_error', message } }),
};

const APIS: Readonly<Record<ModelFormat, Readonly<Record<string, Api>>>> = {
  openai: {
    '/v1/chat/completions': {
      read: readChat,
      render: (conversation, output) => renderChat(conversation, output, OPENAI_FLAVOR),
      error: openaiError,
    },
    '/v1/responses': { read: readResponses, render: renderResponses, error: openaiError },
  },
  vllm: {
    '/v1/chat/completions': {
      read: readChat,
      render: (conversation, output) => renderChat(conversation, output, VLLM_FLAVOR),
      error: openaiError,
    },
  },
  anthropic: { '/v1/messages': messagesApi },
};

/** The vector of a text: its length and its first characters, so that different texts differ. */
function vectorOf(text: unknown): number[] {
  const written = typeof text === 'string' ? text : JSON.stringify(text);
  return [written.length, ...[...written.slice(0, 3)].map((char) => char.charCodeAt(0) / 256)];
}

function embeddings(body: Record<string, unknown>): ResponseScript {
  const inputs = Array.isArray(body.input) && typeof body.input[0] !== 'number' ? body.input : [body.input];
  const data = listOf(inputs).map((input, index) => {
    const vector = vectorOf(input);
    const bytes = Buffer.from(new Float32Array(vector).buffer);
    const embedding = body.encoding_format === 'base64' ? bytes.toString('base64') : vector;
    return { object: 'embedding', index, embedding };
  });
  return json({ object: 'list', model: body.model, data, usage: { prompt_tokens: 3, total_tokens: 3 } });
}

/**
 * Starts an upstream on a free port of 127.0.0.1.
 * @param script decides each output
 */
export async function startScriptedModel(format: ModelFormat, script: ModelScript): Promise<ScriptedModel> {
  const upstream: MockUpstream = await startMockUpstream();
  const generations: RecordedRequest[] = [];
  const waiters = new Waiters();
  const faults: string[] = [];
  const unknownPaths: string[] = [];
  let failure: Parameters<ScriptedModel['failWith']>[0];

  upstream.respondAlways((request) => {
    const api = APIS[format][request.path];
    const body = request.method === 'POST' ? request.json() : undefined;
    if (isRecord(body) && api !== undefined) {
      generations.push(request);
      waiters.changed();
      if (failure !== undefined) return status(failure.status, failure.body, failure.headers);
      const read = api.read(body);
      faults.push(...read.faults);
      if (read.faults.length > 0) return status(400, api.error(read.faults.join(' ')));
      return api.render(read.conversation, script(read.conversation));
    }
    if (isRecord(body) && format !== 'anthropic' && request.path === '/v1/embeddings')
      return embeddings(body);
    if (isRecord(body) && format === 'anthropic' && request.path === '/v1/messages/count_tokens') {
      return json({ input_tokens: 40 });
    }
    unknownPaths.push(`${request.method} ${request.path}`);
    return status(404, openaiError(`no such path: ${request.path}`));
  });

  return {
    url: upstream.url,
    generations,
    faults,
    unknownPaths,
    waitForGeneration: (n) => waiters.until(`generation ${n}`, () => generations.length >= n),
    failWith: (next) => {
      failure = next;
    },
    close: () => upstream.close(),
  };
}
