import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HealthOptions, health } from './health.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-health-'));
let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer((request, response) => {
    // A draining gateway runs, and is not ready.
    const ready = request.url === '/health/live';
    response.writeHead(ready ? 200 : 503).end(JSON.stringify({ status: ready ? 'ok' : 'draining' }));
  });
  port = await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function ask(options: Partial<HealthOptions> = {}) {
  const lines: string[] = [];
  const print = (text: string) => void lines.push(text);
  const env = { SERVER_HOST: '127.0.0.1', SERVER_PORT: String(port) };
  const code = await health({
    ...{ env, cwd: folder, live: false, output: { out: print, err: print, colour: false }, ...options },
  });
  return { code, lines };
}

test('reports a gateway that runs, and one that accepts no requests', async () => {
  expect(await ask({ live: true })).toEqual({ code: 0, lines: ['ok'] });
  expect(await ask()).toEqual({ code: 1, lines: ['draining'] });
});

test('finds the gateway by the configuration file, and by the environment where the file is invalid', async () => {
  const file = join(folder, 'own.yaml');
  writeFileSync(file, `server: { host: 127.0.0.1, port: ${port} }\n`);
  expect(await ask({ file, env: {}, live: true })).toEqual({ code: 0, lines: ['ok'] });
  writeFileSync(file, 'server: { prot: 1 }\n');
  const { code, lines } = await ask({ file, live: true });
  expect([code, lines.at(-1)]).toEqual([0, 'ok']);
  expect(lines[0]).toContain('invalid');
});

test('an unreachable and a silent gateway are unhealthy', async () => {
  const { code, lines } = await ask({ url: 'http://127.0.0.1:1' });
  expect(code).toBe(1);
  expect(lines[0]).toStartWith('no response from http://127.0.0.1:1/health/ready: ');

  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const address = silent.address();
  const at = typeof address === 'object' && address !== null ? address.port : 0;
  expect((await ask({ url: `http://127.0.0.1:${at}`, timeoutMs: 100 })).code).toBe(1);
  silent.closeAllConnections();
  silent.close();
});
