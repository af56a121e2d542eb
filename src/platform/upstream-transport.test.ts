import { describe, expect, test } from 'bun:test';
import { startScriptedUpstream } from '../../test/support/scripted-upstream.ts';
import { sendAndCollect } from '../../test/support/transport-collector.ts';
import { createUpstreamTransport, httpProxyRule } from './upstream-transport.ts';

describe('httpProxyRule', () => {
  test.each<[Record<string, string>, string, boolean]>([
    [{}, 'http://a/', false],
    [{ HTTP_PROXY: '' }, 'http://a/', false],
    [{ HTTPS_PROXY: 'http://p' }, 'http://a/', false],
    [{ HTTP_PROXY: 'http://p' }, 'http://a/', true],
    [{ http_proxy: 'http://p' }, 'http://a/', true],
    [{ HTTP_PROXY: 'http://p', NO_PROXY: '*' }, 'http://a/', false],
    [{ HTTP_PROXY: 'http://p', NO_PROXY: 'b, a' }, 'http://a/', false],
    [{ HTTP_PROXY: 'http://p', no_proxy: 'A.example' }, 'http://x.a.example/', false],
    [{ HTTP_PROXY: 'http://p', no_proxy: '.a.example' }, 'http://a.example/', false],
    [{ HTTP_PROXY: 'http://p', no_proxy: 'a.example' }, 'http://ba.example/', true],
    [{ HTTP_PROXY: 'http://p', NO_PROXY: 'a:8000' }, 'http://a:8000/', false],
    [{ HTTP_PROXY: 'http://p', NO_PROXY: 'a:8000' }, 'http://a:9000/', true],
    [{ HTTP_PROXY: 'http://p', NO_PROXY: 'a:80' }, 'http://a/', false],
    [{ HTTP_PROXY: 'http://p', NO_PROXY: '127.0.0.1' }, 'http://127.0.0.1:9/', false],
    [{ HTTP_PROXY: 'http://p', NO_PROXY: '::1' }, 'http://[::1]:9/', false],
    [{ HTTP_PROXY: 'http://p', NO_PROXY: '[::1]' }, 'http://[::1]:9/', false],
    [{ HTTP_PROXY: 'http://p' }, 'nonsense', false],
    [{ HTTP_PROXY: 'http://p' }, 'https://a/', false],
    [{ HTTPS_PROXY: 'http://p' }, 'https://a/', true],
    [{ https_proxy: 'http://p' }, 'HTTPS://a/', true],
    [{ HTTPS_PROXY: 'http://p', NO_PROXY: 'a:443' }, 'https://a/', false],
    [{ HTTPS_PROXY: 'http://p', NO_PROXY: 'a:80' }, 'https://a/', true],
  ])('%j: %s %p', (env, url, proxied) => {
    expect(httpProxyRule(env)(url)).toBe(proxied);
  });
});

describe('createUpstreamTransport', () => {
  async function ask(env: Record<string, string>) {
    const server = await startScriptedUpstream(async (peer) => {
      for (;;) {
        await peer.request();
        await peer.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }
    });
    const transport = createUpstreamTransport({ env });
    const send = (url: string) => sendAndCollect(transport, { method: 'GET', url, headers: {} }).done;
    const result = await send(server.url);
    const { open } = transport.stats();
    transport.close();
    await server.close();
    return { text: result.text(), open, send, port: server.port };
  }

  test('plain http goes through our client', async () => {
    expect(await ask({})).toMatchObject({ text: 'ok', open: 1 });
  });

  test('http through a proxy is left to fetch', async () => {
    // The proxy is in this environment only, not in the process's, so fetch connects to the server directly.
    expect(await ask({ HTTP_PROXY: 'http://127.0.0.1:9' })).toMatchObject({ text: 'ok', open: 0 });
  });

  test('https and other schemes', async () => {
    const { send, port } = await ask({});
    expect((await send(`https://127.0.0.1:${port}/`)).error?.failure).toBe('connect');
    expect((await send('ftp://127.0.0.1/')).error?.failure).toBe('connect');
  });
});
