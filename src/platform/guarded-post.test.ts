import { afterAll, expect, test } from 'bun:test';
import { createServer } from 'node:http';
import { guardedPost, type PostOptions } from './guarded-post.ts';

const seen: string[] = [];
const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    seen.push(`${request.method} ${request.url} ${request.headers['x-test']} ${Buffer.concat(parts)}`);
    if (request.url === '/ok') response.writeHead(200).end('fine');
    else if (request.url === '/busy') response.writeHead(503, { 'retry-after': '7' }).end();
    else if (request.url === '/redirect') response.writeHead(307, { location: '/ok' }).end();
    else if (request.url === '/broken') request.socket.destroy();
    else if (request.url === '/slow') response.writeHead(200).write('first');
    else if (request.url === '/endless') {
      response.writeHead(200);
      const more = () => {
        if (!response.destroyed) response.write('x'.repeat(1000), more);
      };
      more();
    }
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = server.address();
const port = typeof address === 'object' && address ? address.port : 0;
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const OPTIONS: PostOptions = {
  ...{
    headers: { 'x-test': 'yes' },
    body: '{"a":"ü"}',
    timeoutMs: 5_000,
    maxBytes: 2_000,
    allowPrivate: true,
  },
};
const post = (url: string, more: Partial<PostOptions> = {}, resolve?: (name: string) => Promise<string[]>) =>
  guardedPost(url, { ...OPTIONS, ...more }, new AbortController().signal, resolve);
const base = `http://127.0.0.1:${port}`;

test('sends the body and headers, and returns the beginning of the response', async () => {
  expect(await post(`${base}/ok`)).toEqual({ status: 200, text: 'fine', retryAfter: undefined });
  expect(seen.at(-1)).toBe('POST /ok yes {"a":"ü"}');
  expect(await post(`${base}/busy`)).toEqual({ status: 503, text: '', retryAfter: '7' });
});

test('a redirect is not followed', async () => {
  const before = seen.length;
  expect((await post(`${base}/redirect`)).status).toBe(307);
  expect(seen.slice(before)).toEqual(['POST /redirect yes {"a":"ü"}']);
});

test('an endless body and one that never ends change nothing', async () => {
  const endless = await post(`${base}/endless`);
  expect([endless.status, endless.text.length]).toEqual([200, 2_000]);
  expect(await post(`${base}/slow`)).toEqual({ status: 200, text: 'first', retryAfter: undefined });
});

test('a server that hangs, breaks off or does not listen', async () => {
  await expect(post(`${base}/hang`, { timeoutMs: 50 })).rejects.toThrow('no response within 50 ms');
  await expect(post(`${base}/broken`)).rejects.toThrow('could not be reached, or closed the connection');
  await expect(post('http://127.0.0.1:1/')).rejects.toThrow('could not be reached');
});

test.each([
  'http://127.0.0.1:1/',
  'http://[::1]/',
  'http://0x7f.1/',
  'http://2130706433/',
  'http://169.254.169.254/latest/meta-data/',
  'http://10.0.0.8/',
  'http://[::ffff:127.0.0.1]/',
  'http://[fd00::1]/',
  'http://0/',
])('%s is not public', async (url) => {
  await expect(post(url, { allowPrivate: false })).rejects.toThrow('could not be resolved, or is not public');
});

test('a name with one private address is refused, and a name is resolved once', async () => {
  const before = seen.length;
  const mixed = async () => ['93.184.216.34', '127.0.0.1'];
  const url = `http://hooks.example.test:${port}/ok`;
  await expect(post(url, { allowPrivate: false }, mixed)).rejects.toThrow('not public');
  await expect(post(url, { allowPrivate: false }, async () => [])).rejects.toThrow('not public');
  const missing = () => Promise.reject(new Error('ENOTFOUND'));
  await expect(post(url, { allowPrivate: false }, missing)).rejects.toThrow('not public');
  expect(seen.length).toBe(before);
  // Rebinding: the second resolution would give another address.
  let times = 0;
  const rebinding = async () => {
    times += 1;
    return times === 1 ? ['127.0.0.1'] : ['93.184.216.34'];
  };
  expect((await post(url, {}, rebinding)).status).toBe(200);
  expect(times).toBe(1);
});

test('a resolver that hangs counts as no response', async () => {
  const hangs = () => new Promise<string[]>(() => undefined);
  await expect(post(`http://hooks.example.test:${port}/ok`, { timeoutMs: 50 }, hangs)).rejects.toThrow(
    'no response within 50 ms',
  );
});
