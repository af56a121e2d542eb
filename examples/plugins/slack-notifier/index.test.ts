import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import plugin from './index.ts';

test('posts a batch of events as one message', async () => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    request.setEncoding('utf8').on('data', (piece: string) => bodies.push(piece));
    request.on('end', () => response.end('ok'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const host = { id: 'slack', log: () => undefined, count: () => undefined };
  const config = { webhook_url: `http://127.0.0.1:${port}/`, events: ['*'], username: 'Weir' };
  const { sink } = plugin.setup(config, host);
  await sink.handle([
    { name: 'config.rejected', at: 0, data: { error: 'line 3' } },
    { name: 'canary.rolled_back', at: 1, data: { model: 'm' } },
  ]);
  server.close();
  const { username, text } = JSON.parse(bodies.join(''));
  assert.equal(username, 'Weir');
  assert.match(text, /\*config\.rejected\* at 1970-01-01T00:00:00\.000Z\nerror: line 3/);
  assert.match(text, /canary\.rolled_back/);
});
