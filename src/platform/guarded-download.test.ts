import { afterAll, expect, test } from 'bun:test';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type DownloadLimits, guardedDownload } from './guarded-download.ts';

const seen: string[] = [];
const server = createServer((request, response) => {
  seen.push(`${request.headers.host} ${request.url}`);
  const path = request.url ?? '';
  if (path === '/png') {
    response.writeHead(200, { 'content-type': 'Image/PNG; charset=x' }).end('\x89PNG');
  } else if (path.startsWith('/to?')) {
    response.writeHead(302, { location: decodeURIComponent(path.slice(4)) }).end();
  } else if (path === '/endless') {
    response.writeHead(200);
    const more = () => {
      if (!response.destroyed) response.write('x'.repeat(1000), more);
    };
    more();
  } else if (path === '/declared') {
    response.writeHead(200, { 'content-length': '100000' }).write('x');
  } else if (path === '/silent') {
    response.flushHeaders();
  } else {
    response.writeHead(404).end('a secret page');
  }
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const base = `http://127.0.0.1:${port}`;
const limits: DownloadLimits = { maxBytes: 5_000, timeoutMs: 5_000, allowedHosts: [`127.0.0.1:${port}`] };
const download = (
  url: string,
  more: Partial<DownloadLimits> = {},
  resolve?: (name: string) => Promise<string[]>,
) => guardedDownload(url, { ...limits, ...more }, new AbortController().signal, resolve);

test('downloads from a public address', async () => {
  expect(await download(`${base}/png`)).toEqual({ mediaType: 'image/png', bytes: Buffer.from('\x89PNG') });
});

test('follows redirects, and not too many', async () => {
  expect((await download(`${base}/to?${encodeURIComponent('/png')}`)).mediaType).toBe('image/png');
  let chain = '/png';
  for (let step = 0; step < 4; step += 1) chain = `/to?${encodeURIComponent(chain)}`;
  await expect(download(base + chain)).rejects.toThrow('redirects more than 3 times');
});

test.each([
  ['file:///etc/passwd', 'only http and https'],
  ['nonsense', 'not a valid URL'],
  ['http://u:p@example.test/', 'credentials'],
  ['http://127.0.0.1:1/', 'not public'],
  ['http://[::1]/', 'not public'],
  ['http://0x7f.1/', 'not public'],
  ['http://2130706433/', 'not public'],
  ['http://169.254.169.254/latest/meta-data', 'not public'],
  ['http://017700000001/', 'not public'],
  ['http://127.0.0.1./', 'not public'],
  ['http://127.1/', 'not public'],
  ['http://%31%32%37.0.0.1/', 'not public'],
  ['http://１２７.0.0.1/', 'not public'],
  ['http://[::127.0.0.1]/', 'not public'],
  ['http://[::ffff:127.0.0.1]/', 'not public'],
  ['http://[64:ff9b::7f00:1]/', 'not public'],
  ['http://[2002:7f00:1::]/', 'not public'],
  ['http://[2001:0:7f00:1::]/', 'not public'],
  ['http://168.63.129.16/metadata', 'not public'],
])('refuses %s', async (url, reason) => {
  await expect(download(url)).rejects.toThrow(reason);
});

test('a name is public only if all of its addresses are', async () => {
  const refused = download('http://rebound.test/', {}, () => Promise.resolve(['8.8.8.8', '127.0.0.1']));
  await expect(refused).rejects.toThrow('not public');
  const unknown = download('http://unknown.test/', {}, () => Promise.reject(new Error('no such name')));
  await expect(unknown).rejects.toThrow('could not be resolved');
});

test('a name that does not exist is refused like one that is not public', async () => {
  const answers: (() => Promise<string[]>)[] = [
    () => Promise.reject(new Error('no such name')),
    () => Promise.resolve([]),
    () => Promise.resolve(['127.0.0.1']),
    () => Promise.resolve(['::ffff:0:10.0.0.1']),
  ];
  const texts = await Promise.all(
    answers.map((resolve) =>
      download('http://intern.test/', {}, resolve).catch((error: Error) => error.message),
    ),
  );
  expect(new Set(texts).size).toBe(1);
});

test.each(['localhost', 'localhost.', 'LOCALHOST'])('the name %s is not public', async (name) => {
  await expect(download(`http://${name}:${port}/png`)).rejects.toThrow('not public');
});

test('the address that was checked is the one that is called', async () => {
  seen.length = 0;
  const host = `images.test:${port}`;
  let asked = 0;
  const resolve = () => {
    asked += 1;
    return Promise.resolve(['127.0.0.1']);
  };
  await download(`http://${host}/png`, { allowedHosts: [host] }, resolve);
  expect([asked, seen]).toEqual([1, [`${host} /png`]]);
});

test.each(['http://127.0.0.1:1/', 'http://[::127.0.0.1]/', '//localhost/', 'http://2130706433/'])(
  'a redirect to %s is checked like the first URL',
  async (target) => {
    await expect(download(`${base}/to?${encodeURIComponent(target)}`)).rejects.toThrow('not public');
  },
);

test('a redirect to an invalid URL is refused', async () => {
  await expect(download(`${base}/to?${encodeURIComponent('http://[x/')}`)).rejects.toThrow('invalid URL');
});

test('a redirect cannot lead to another scheme or to credentials', async () => {
  await expect(download(`${base}/to?${encodeURIComponent('file:///etc/passwd')}`)).rejects.toThrow(
    'only http',
  );
  await expect(download(`${base}/to?${encodeURIComponent(`http://u:p@127.0.0.1:${port}/`)}`)).rejects.toThrow(
    'credentials',
  );
});

test('size and time are bounded, whatever the server says', async () => {
  await expect(download(`${base}/declared`)).rejects.toThrow('larger than 5000 bytes');
  await expect(download(`${base}/endless`)).rejects.toThrow('larger than 5000 bytes');
  await expect(download(`${base}/silent`, { timeoutMs: 30 })).rejects.toThrow('within 30 ms');
});

test('a refusal contains nothing that the server sent', async () => {
  const error: unknown = await download(`${base}/other`).catch((thrown: unknown) => thrown);
  expect(String(error)).toContain('HTTP 404');
  expect(String(error)).not.toContain('secret');
});

test('ends when the client disconnects', async () => {
  const controller = new AbortController();
  const pending = guardedDownload(`${base}/silent`, limits, controller.signal);
  controller.abort();
  await expect(pending).rejects.toThrow();
});
