// A Model Context Protocol server on standard input and output, with one tool: "lookup".
import { createInterface } from 'node:readline';

const TOOL = {
  name: 'lookup',
  description: 'Looks up a word.',
  inputSchema: { type: 'object', properties: { word: { type: 'string' } }, required: ['word'] },
};

const results = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'demo', version: '1.0.0' },
  }),
  'tools/list': () => ({ tools: [TOOL] }),
  'tools/call': ({ arguments: { word } }) => ({ content: [{ type: 'text', text: `${word}: a low dam` }] }),
  ping: () => ({}),
};

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue;
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const result = results[method]?.(params ?? {});
  const outcome = result ? { result } : { error: { code: -32601, message: `no method ${method}` } };
  console.log(JSON.stringify({ jsonrpc: '2.0', id, ...outcome }));
}
