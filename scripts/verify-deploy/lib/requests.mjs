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
 * API reference, guide.
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
  const guide = await send(base, '/docs/guide', key);
  if (!guide.includes('/docs/guide/deployment')) throw new Error('the guide is missing');
  const picture = await fetch(new URL('/docs/guide/images/overview.png', base));
  if (!picture.ok) throw new Error('the guide has no pictures');
  const pages = await send(base, '/llms.txt', key);
  if (!pages.includes('(/docs/guide/')) throw new Error('llms.txt lists no page');
}

/**
 * Reads the metrics, which have a port of their own.
 * @param {number} port
 * @throws {Error} the requests of `exercise` are not counted
 */
export async function exerciseMetrics(port) {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await response.text();
  if (!/^llm_requests_total\{.*model="simulator".*\} [1-9]/m.test(text))
    throw new Error('the metrics count no request');
}

/** A length-delimited field of a message in the encoding of protocol buffers, below 128 bytes. */
const field = (number, value) => Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), value]);
const text = (number, value) => field(number, Buffer.from(value));

/**
 * Sends a chat over gRPC, and asks for the health.
 * @param {number} port of gRPC
 * @param {string} key an admin key
 * @throws {Error} naming the call that failed
 */
export async function exerciseGrpc(port, key) {
  // A package of development: it is installed when checks run, not when they are listed.
  const { Client, credentials, Metadata } = await import('@grpc/grpc-js');
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${key}`);
  const same = (bytes) => bytes;
  const call = (path, request) =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + 30_000;
      client.makeUnaryRequest(path, same, same, request, metadata, { deadline }, (error, response) =>
        error ? reject(new Error(`${path}: ${error.message}`, { cause: error })) : resolve(response),
      );
    });
  try {
    const health = await call('/grpc.health.v1.Health/Check', Buffer.alloc(0));
    // The field `status` with the value SERVING.
    if (!health.equals(Buffer.from([8, 1]))) throw new Error('gRPC reports that it does not serve');
    const message = Buffer.concat([text(1, 'user'), field(2, text(1, 'Hello.'))]);
    const chat = Buffer.concat([text(1, 'simulator'), field(2, message)]);
    const response = await call('/weir.v1.InferenceService/ChatCompletion', chat);
    if (!response.includes('assistant')) throw new Error('the chat over gRPC returned no message');
  } finally {
    client.close();
  }
}
