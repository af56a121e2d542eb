import { parseEventStream } from '../../support/event-stream.ts';
import { json, type ResponseScript } from '../../support/scripts.ts';
import { ANSWERS, type Families, lastBody } from './families.ts';

/** Bodies, answers and one exchange, for tests of translation. */

export const user = (content: unknown) => ({ role: 'user', content });

export const chat = (model: string, more: Readonly<Record<string, unknown>> = {}) => ({
  model,
  messages: [user('Hi')],
  ...more,
});

export const TOOL = (
  name: string,
  parameters: unknown = { type: 'object', properties: { a: { type: 'string' } } },
) => ({ type: 'function', function: { name, parameters } });

export const CALL = (id: string, name = 'look', text = '{"a":"b"}') => ({
  id,
  type: 'function',
  function: { name, arguments: text },
});

export const CLAUDE = () => ANSWERS.claude([{ type: 'text', text: 'Hello.' }]);
export const GEMINI = () => ANSWERS.gemini([{ text: 'Hello.' }]);
export const CHAT = () => ANSWERS.chat({ content: 'Hello.' });
export const CONVERSE = () =>
  json({
    output: { message: { role: 'assistant', content: [{ text: 'Hello.' }] } },
    stopReason: 'end_turn',
    usage: { inputTokens: 1, outputTokens: 1 },
  });

export function RESPONSE() {
  return json({
    id: 'resp_up',
    object: 'response',
    created_at: 7,
    status: 'completed',
    model: 'up',
    output: [
      {
        type: 'message',
        id: 'm',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'Hello.', annotations: [] }],
      },
    ],
    usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 },
  });
}

/** Sends a request and gives back what the upstream got, and the client. */
export async function recordedCall(
  families: Families,
  body: Readonly<Record<string, unknown>>,
  answer: ResponseScript = CLAUDE(),
  path = '/v1/chat/completions',
) {
  families.mock.respond(answer);
  const response = await families.post(path, body);
  const text = await response.text();
  const shown: unknown = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
  return {
    sent: lastBody(families.mock),
    response,
    body: shown,
    text,
    warnings: response.headers.get('x-weir-warnings') ?? '',
  };
}

/** The JSON events of a stream. */
export function events(text: string): unknown[] {
  return parseEventStream(Buffer.from(text)).events.flatMap(({ data }): unknown[] =>
    data === '[DONE]' ? [] : [JSON.parse(data)],
  );
}
