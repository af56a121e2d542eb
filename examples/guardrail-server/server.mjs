// A guardrail server: finds code names in texts, and replaces them. Run it with `node server.mjs`.
import { createServer } from 'node:http';

const PORT = Number(process.env.PORT ?? 9099);
const KEY = process.env.GUARDRAIL_KEY ?? 'change-me';
const MAX_BODY = 8 * 1024 * 1024;
const CODE_NAMES = /\b(?:titan|project x)\b/gi;

/** @returns the response to one check */
function check({ texts }) {
  const findings = texts.flatMap(({ text }) =>
    [...text.matchAll(CODE_NAMES)].map(() => ({ kind: 'code_name', score: 1 })),
  );
  return { findings, texts: texts.map(({ text }) => text.replaceAll(CODE_NAMES, '[CODE NAME]')) };
}

async function bodyOf(request) {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) {
    text += piece;
    if (text.length > MAX_BODY) throw new Error('the body is too large');
  }
  return JSON.parse(text);
}

createServer(async (request, response) => {
  const send = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  if (request.headers.authorization !== `Bearer ${KEY}`) return send(401, { error: 'wrong key' });
  if (request.method !== 'POST' || request.url !== '/check') return send(404, { error: 'not found' });
  try {
    send(200, check(await bodyOf(request)));
  } catch (error) {
    send(400, { error: error instanceof Error ? error.message : 'bad request' });
  }
}).listen(PORT, '127.0.0.1');
