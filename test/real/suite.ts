import { records } from '../../src/core/json.ts';
import { eventually, post } from '../e2e/harness.ts';
import { dataOf, done } from '../e2e/helpers/admin.ts';
import { asObject, type Json } from '../e2e/helpers/json.ts';
import type { Gateway } from '../support/gateway.ts';
import { type LlamaServer, MODEL_NAME, SLOT_TOKENS } from './llama-server.ts';

/** One check of the engine behind Weir; returns a note for the table. */
export interface EngineCheck {
  readonly name: string;
  readonly run: () => Promise<string | undefined>;
}

interface SuiteParts {
  readonly gateway: Gateway;
  readonly key: string;
  /** A tenant that only the check of the usage report uses, and its key. */
  readonly counted: { readonly key: string; readonly tenant: string };
  readonly engine: LlamaServer;
  /** The same model as an embeddings server, behind the model `embed`. */
  readonly embedder: LlamaServer;
  /** Serves the model `continued` first, until a check stops it; `engine` is its fallback. */
  readonly victim: LlamaServer;
}

const messages = [{ role: 'user', content: 'Name a river.' }];
/** Deterministic output: the most likely token each time. */
const FIXED = { temperature: 0, seed: 1 };
const SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string', enum: ['Paris'] } },
  required: ['city'],
  additionalProperties: false,
};
const TOOL = { type: 'function', function: { name: 'weather', parameters: SCHEMA } };

const firstMessage = (body: Json): Json => asObject(asObject(records(body.choices)[0]).message);

/** @throws when the values differ */
function equal(actual: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
  }
}

export function engineChecks(parts: SuiteParts): readonly EngineCheck[] {
  const { gateway, engine, embedder, victim, key, counted } = parts;
  const send = (path: string, body: Readonly<Record<string, unknown>>, as = key) =>
    post(gateway, JSON.stringify({ model: MODEL_NAME, ...body }), {
      path,
      headers: { authorization: `Bearer ${as}` },
    });
  const ask = async (path: string, body: Readonly<Record<string, unknown>>): Promise<Json> => {
    const response = await send(path, body);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`);
    return asObject(JSON.parse(text));
  };
  const error = async (path: string, body: Readonly<Record<string, unknown>>) => {
    const response = await send(path, body);
    const { error: found } = asObject(await response.json());
    return { status: response.status, ...asObject(found) } as {
      status: number;
      code?: unknown;
      message?: unknown;
    };
  };
  const chat = (more: Readonly<Record<string, unknown>> = {}) =>
    ask('/v1/chat/completions', { messages, max_tokens: 8, ...FIXED, ...more });
  const textOf = (body: Json) => String(firstMessage(body).content);

  const countsEqual = async (run: () => Promise<{ input: number; output: number }>) => {
    const before = await engine.tokens();
    const counted = await run();
    const after = await engine.tokens();
    equal(counted, { input: after.input - before.input, output: after.output - before.output }, 'tokens');
    return `${counted.input} input and ${counted.output} output tokens, as the engine counted`;
  };
  const chatUsage = (usage: unknown) => {
    const { prompt_tokens: input, completion_tokens: output } = asObject(usage);
    return { input: Number(input), output: Number(output) };
  };
  let expected = '';

  return [
    {
      name: 'models',
      run: async () => {
        const response = await fetch(`${gateway.url}/v1/models`, {
          headers: { authorization: `Bearer ${key}` },
        });
        const ids = records(asObject(await response.json()).data).map(({ id }) => id);
        if (!ids.includes(MODEL_NAME)) throw new Error(`only ${ids.join(', ')}`);
        return undefined;
      },
    },
    {
      name: 'chat, usage',
      run: () =>
        countsEqual(async () => {
          const body = await chat();
          expected = textOf(body);
          if (expected.trim() === '') throw new Error('no text');
          const { body: direct } = await engine.post('/v1/chat/completions', {
            messages,
            max_tokens: 8,
            ...FIXED,
          });
          equal(expected, textOf(direct), 'text');
          // Both requests are in the engine's counters.
          const [weir, own] = [chatUsage(body.usage), chatUsage(direct.usage)];
          return { input: weir.input + own.input, output: weir.output + own.output };
        }),
    },
    {
      name: 'chat stream, usage',
      run: () =>
        countsEqual(async () => {
          const options = { stream: true, stream_options: { include_usage: true } };
          const response = await send('/v1/chat/completions', {
            messages,
            max_tokens: 8,
            ...FIXED,
            ...options,
          });
          const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: '));
          equal(events.at(-1), 'data: [DONE]', 'last event');
          const chunks = events.slice(0, -1).map((event) => asObject(JSON.parse(event.slice(6))));
          const deltas = chunks.flatMap(({ choices }) =>
            records(choices).map(({ delta }) => asObject(delta)),
          );
          equal(deltas.map(({ content }) => content ?? '').join(''), expected, 'text');
          return chatUsage(chunks.at(-1)?.usage);
        }),
    },
    {
      name: 'messages',
      run: () =>
        countsEqual(async () => {
          const body = await ask('/v1/messages', { messages, max_tokens: 8, temperature: 0 });
          equal(records(body.content)[0]?.text, expected, 'text');
          const usage = asObject(body.usage);
          const input = Number(usage.input_tokens) + Number(usage.cache_read_input_tokens ?? 0);
          return { input, output: Number(usage.output_tokens) };
        }),
    },
    {
      name: 'responses',
      run: () =>
        countsEqual(async () => {
          const input = messages[0]?.content;
          const body = await ask('/v1/responses', {
            input,
            max_output_tokens: 8,
            temperature: 0,
            store: false,
          });
          const message = records(body.output).find(({ type }) => type === 'message');
          equal(records(message?.content)[0]?.text, expected, 'text');
          const usage = asObject(body.usage);
          return { input: Number(usage.input_tokens), output: Number(usage.output_tokens) };
        }),
    },
    {
      name: 'structured output',
      run: async () => {
        const format = { type: 'json_schema', json_schema: { name: 'place', schema: SCHEMA, strict: true } };
        const body = await chat({ response_format: format, max_tokens: 40 });
        equal(JSON.parse(textOf(body)), { city: 'Paris' }, 'object');
        return undefined;
      },
    },
    {
      name: 'tools',
      run: async () => {
        const request = { messages, max_tokens: 24, ...FIXED, tools: [TOOL], tool_choice: 'required' };
        const { body: direct } = await engine.post('/v1/chat/completions', request);
        const body = await ask('/v1/chat/completions', request);
        const callsOf = (message: Json) => records(message.tool_calls).map((call) => call.function);
        equal(callsOf(firstMessage(body)), callsOf(firstMessage(direct)), 'calls');
        const calls = callsOf(firstMessage(body)).length;
        return calls > 0 ? `${calls} call` : 'this model calls no tool, with and without Weir';
      },
    },
    {
      name: 'log probabilities',
      run: async () => {
        const request = { messages, max_tokens: 3, ...FIXED, logprobs: true, top_logprobs: 2 };
        const { body: direct } = await engine.post('/v1/chat/completions', request);
        const tokensOf = (of: Json) =>
          records(asObject(asObject(records(of.choices)[0]).logprobs).content).map(({ token }) => token);
        const tokens = tokensOf(await ask('/v1/chat/completions', request));
        equal(tokens, tokensOf(direct), 'tokens');
        if (tokens.length === 0) throw new Error('none');
        return undefined;
      },
    },
    {
      name: 'prefill',
      run: async () => {
        const begun = [...messages, { role: 'assistant', content: 'The longest river of Africa is the' }];
        const body = await ask('/v1/messages', { messages: begun, max_tokens: 6, temperature: 0 });
        const text = String(records(body.content)[0]?.text ?? '');
        if (text.trim() === '' || text.includes('longest river of Africa is')) {
          throw new Error(`the text does not continue the message: ${JSON.stringify(text)}`);
        }
        return JSON.stringify(text);
      },
    },
    {
      name: 'token count',
      run: async () => {
        const { body } = await engine.post('/v1/messages/count_tokens', { model: MODEL_NAME, messages });
        const counted = await ask('/v1/messages/count_tokens', { messages });
        equal(counted.input_tokens, body.input_tokens, 'tokens');
        return `${body.input_tokens} tokens`;
      },
    },
    {
      name: 'embeddings',
      run: async () => {
        const input = ['one', 'another'];
        const body = await ask('/v1/embeddings', { model: 'embed', input, encoding_format: 'float' });
        const { body: direct } = await embedder.post('/v1/embeddings', { input });
        const vectors = (of: Json) =>
          records(of.data).map(({ embedding }) => (Array.isArray(embedding) ? embedding.map(Number) : []));
        const [own, other] = [vectors(body), vectors(direct)];
        if (own.length !== 2 || own.some((vector) => vector.length < 10)) throw new Error('no vectors');
        const difference = Math.max(
          ...own.flatMap((vector, row) => vector.map((x, at) => Math.abs(x - (other[row]?.[at] ?? 9)))),
        );
        if (difference > 1e-3) throw new Error(`the vectors differ by ${difference} from the engine's own`);
        return `${own[0]?.length} dimensions`;
      },
    },
    ...['/v1/embeddings', '/v1/rerank'].map((path) => ({
      name: `${path.slice(4)} at a chat server`,
      run: async () => {
        const body = path === '/v1/rerank' ? { query: 'a', documents: ['b', 'c'] } : { input: 'a' };
        for (let i = 0; i < 4; i += 1) {
          const { status, code } = await error(path, body);
          equal([status, code], [400, 'unsupported_by_target'], 'error');
        }
        // The engine stays in use for what it can do.
        await chat({ max_tokens: 1 });
        return 'rejected; chat is still served';
      },
    })),
    {
      name: 'image for a text model',
      run: async () => {
        const pixel =
          'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
        const content = [{ type: 'image_url', image_url: { url: pixel } }];
        for (let i = 0; i < 3; i += 1) {
          const { status, code } = await error('/v1/chat/completions', {
            messages: [{ role: 'user', content }],
          });
          equal([status, code], [400, 'unsupported_by_target'], 'error');
        }
        await chat({ max_tokens: 1 });
        return 'rejected; chat is still served';
      },
    },
    {
      name: 'context overflow',
      run: async () => {
        const long = [{ role: 'user', content: 'word '.repeat(SLOT_TOKENS + 200) }];
        for (const [path, body] of [
          ['/v1/chat/completions', { messages: long }],
          ['/v1/responses', { input: long[0]?.content, store: false }],
        ] as const) {
          const { status, code } = await error(path, body);
          equal([status, code], [400, 'context_length_exceeded'], path);
        }
        const anthropic = await error('/v1/messages', { messages: long, max_tokens: 5 });
        if (anthropic.status !== 400 || !/too long|context/i.test(String(anthropic.message))) {
          throw new Error(`/v1/messages: ${JSON.stringify(anthropic)}`);
        }
        return undefined;
      },
    },
    {
      name: 'load gauges',
      run: async () => {
        const body = { model: 'by-load', messages, max_tokens: 1 };
        let explained: unknown;
        const known = async () => {
          const response = await post(gateway, JSON.stringify(body), { headers: { 'x-weir-explain': '1' } });
          await response.arrayBuffer();
          explained = response.headers.get('x-weir-explain');
          return /"engine":\{[^}]*"running":\d/.test(String(explained));
        };
        await eventually('the gauges of the engine are known', known, 30_000).catch(() => {
          throw new Error(`no gauges: ${explained}`);
        });
        return undefined;
      },
    },
    {
      name: 'usage report',
      run: () =>
        countsEqual(async () => {
          const requests: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
            ['/v1/chat/completions', { messages, max_tokens: 5 }],
            ['/v1/chat/completions', { messages, max_tokens: 4, n: 2 }],
            ['/v1/chat/completions', { messages, max_tokens: 6, stream: true }],
            ['/v1/messages', { messages, max_tokens: 7, stream: true }],
            ['/v1/responses', { input: 'Name a lake.', max_output_tokens: 8, stream: true, store: false }],
          ];
          for (const [path, body] of requests) await (await send(path, body, counted.key)).text();
          let report: Json = {};
          const stored = async () => {
            report = dataOf(await done(gateway, 'GET', `/tenants/${counted.tenant}/usage`))[0] ?? {};
            return report.requests === requests.length;
          };
          await eventually('all usage is stored', stored, 20_000);
          equal(report.estimated_attempts, 0, 'estimated attempts');
          return { input: Number(report.input_tokens), output: Number(report.output_tokens) };
        }),
    },
    {
      name: 'engine on demand',
      run: async () => {
        const state = async () => {
          const engines = dataOf(await done(gateway, 'GET', '/engines'));
          return String(engines.find(({ id }) => id === 'spare')?.state);
        };
        const before = await state();
        const body = await ask('/v1/chat/completions', { model: 'on-demand', messages, max_tokens: 2 });
        if (textOf(body) === '') throw new Error('no text');
        const loaded = await state();
        await done(gateway, 'POST', '/engines', { id: 'spare', action: 'unload' });
        await eventually('it is unloaded', async () => (await state()) === before, 20_000);
        return `${before}, then ${loaded}`;
      },
    },
    {
      name: 'an engine that dies in a stream',
      run: async () => {
        const request = { messages, max_tokens: 40, ...FIXED };
        const { body: direct } = await engine.post('/v1/chat/completions', request);
        const response = await send('/v1/chat/completions', { ...request, model: 'continued', stream: true });
        let text = '';
        let pieces = 0;
        const decoder = new TextDecoder();
        for await (const bytes of response.body ?? []) {
          text += decoder.decode(bytes, { stream: true });
          pieces += 1;
          if (pieces === 6) await victim.stop();
        }
        const events = text.split('\n\n').filter((event) => event.startsWith('data: {'));
        const deltas = events.flatMap((event) => records(asObject(JSON.parse(event.slice(6))).choices));
        const received = deltas.map(({ delta }) => asObject(delta).content ?? '').join('');
        // Its last tokens may differ: the second engine computes the beginning in another batch.
        const common = Math.floor(textOf(direct).length / 2);
        equal(received.slice(0, common), textOf(direct).slice(0, common), 'text');
        if (!text.includes(': continued by')) throw new Error('the stream ended before its engine');
        if (!text.includes('data: [DONE]')) throw new Error(`no end: ${text.slice(-500)}`);
        return received === textOf(direct) ? 'the text is the same' : 'the text goes on';
      },
    },
    {
      name: 'a client that leaves',
      run: async () => {
        const leave = new AbortController();
        const body = { model: MODEL_NAME, messages, max_tokens: 900, stream: true, ignore_eos: true };
        const response = await post(gateway, JSON.stringify(body), { signal: leave.signal });
        const reader = response.body?.getReader();
        await reader?.read();
        const busy = async () => (await engine.metric('requests_processing')) > 0;
        await eventually('the engine works', busy, 20_000);
        leave.abort();
        await eventually('the engine stops', async () => !(await busy()), 20_000);
        return 'the engine stops generating';
      },
    },
  ];
}
