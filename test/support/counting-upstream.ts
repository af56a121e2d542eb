import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { openAiChatDialect } from '../../src/api/openai/chat/dialect.ts';
import { seeded } from '../../src/core/random.ts';
import { TextCounter } from '../../src/metering/text-counter.ts';
import { Tokenizer } from '../../src/metering/tokenizer.ts';
import { parseObject } from '../e2e/helpers/json.ts';

/** An upstream that keeps its own books. */
export interface CountingUpstream {
  readonly url: string;
  /** What it has worked, by the client's `x-request-id`: for each attempt that it answered. */
  readonly usageTotals: ReadonlyMap<string, { input: number; output: number }>;
  /** Requests that it is answering now, and the most that there were. */
  readonly open: number;
  readonly most: number;
  close(): Promise<void>;
}

const WORDS = ['water', ' flows', ' over', ' the', ' weir', ' and', ' is', ' counted', ' there', '.'];
const tokenizer = new Tokenizer(new TextCounter());

/**
 * Speaks OpenAI's format, and counts as the gateway's tokenizer does. A seeded tenth of the requests fail. A stream whose
 * prompt says `abort after N` stops after N words, and waits for its client to go.
 */
export async function startCountingUpstream(seed: number, failures = 0.1): Promise<CountingUpstream> {
  const random = seeded(seed);
  const usageTotals = new Map<string, { input: number; output: number }>();
  let open = 0;
  let most = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const body = parseObject(Buffer.concat(parts).toString());
    if (random() < failures) {
      response.writeHead(random() < 0.5 ? 500 : 503, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: 'by chance', type: 'server_error' } }));
      return;
    }
    const prompt = JSON.stringify(body.messages);
    const id = /request (\S+?)[ "]/.exec(prompt)?.[1] ?? '';
    const input = await tokenizer.estimate(openAiChatDialect.toChat(body), 'gpt-4o');
    const length = 1 + Math.floor(random() * WORDS.length);
    const abortAfter = Number(/abort after (\d+)/.exec(prompt)?.[1] ?? Number.NaN);
    const words = WORDS.slice(0, Number.isNaN(abortAfter) ? length : abortAfter);
    const text = words.join('');
    const output = countTokens(text);
    usageTotals.set(id, { input, output });
    const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
    const common = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'gpt-4o' };
    if (body.stream !== true) {
      response.writeHead(200, { 'content-type': 'application/json' });
      const choices = [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }];
      response.end(JSON.stringify({ ...common, object: 'chat.completion', choices, usage }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (event: object) =>
      response.write(`data: ${JSON.stringify({ ...common, object: 'chat.completion.chunk', ...event })}\n\n`);
    for (const content of words) {
      send({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Waits for its client to go.
    if (!Number.isNaN(abortAfter)) return;
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    send({ choices: [], usage });
    response.end('data: [DONE]\n\n');
  }

  const server = createServer((request, response) => {
    open += 1;
    most = Math.max(most, open);
    response.once('close', () => {
      open -= 1;
    });
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  return {
    url: `http://127.0.0.1:${address.port}`,
    usageTotals,
    get open() {
      return open;
    },
    get most() {
      return most;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
