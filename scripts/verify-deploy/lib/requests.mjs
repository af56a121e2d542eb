// Requests that show that a gateway works, wherever it runs.

/** Configuration of a gateway whose only model is the simulator. */
export const SIMULATED = 'simulator: all\n';

async function send(base, path, key, body) {
  const response = await fetch(new URL(path, base), {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      // The console is for browsers only.
      accept: body === undefined ? 'text/html' : '*/*',
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} returned ${response.status}: ${text.slice(0, 500)}`);
  return text;
}

/**
 * Sends one request to each part whose files are easily left out of a package: chat, streams, SQL parser, tokenizers, console,
 * API reference.
 * @param {string} base URL of the gateway
 * @param {string} key an admin key
 * @throws {Error} naming the part that failed
 */
export async function exercise(base, key) {
  const messages = [{ role: 'user', content: 'Hello.' }];
  const chat = JSON.parse(await send(base, '/v1/chat/completions', key, { model: 'simulator', messages }));
  if (typeof chat.choices?.[0]?.message?.content !== 'string') throw new Error('chat returned no message');
  const stream = await send(base, '/v1/chat/completions', key, {
    model: 'simulator',
    messages,
    stream: true,
  });
  if (!stream.includes('data: [DONE]')) throw new Error('the stream has no end');
  const page = await send(base, '/console', key);
  if (!page.includes('<script')) throw new Error('the console is missing');
  const sql = { model: 'simulator', messages, schema: 'CREATE TABLE t (a int)' };
  const checked = JSON.parse(await send(base, '/v1/text2sql', key, sql));
  if (checked.sql?.dialect !== 'postgresql') throw new Error('the SQL parser is missing');
  const count = JSON.parse(
    await send(base, '/v1/messages/count_tokens', key, { model: 'simulator', messages }),
  );
  if (!(count.input_tokens > 0)) throw new Error('the tokenizer is missing');
  const reference = await send(base, '/docs/swagger-ui-bundle.js', key);
  if (reference.length < 100_000) throw new Error('the API reference is incomplete');
}
