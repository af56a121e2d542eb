import { afterEach, describe, expect, test } from 'bun:test';
import { createServer } from 'node:net';
import { freePort } from '../support/free-port.ts';
import { startGateway } from '../support/gateway.ts';
import { canStopPostgres, startPostgres } from '../support/services/postgres.ts';
import { eventually, mockConfig, weir } from './harness.ts';
import { done } from './helpers/admin.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const config = (connect_timeout: string) =>
  mockConfig('http://127.0.0.1:1', { storage: { connect_timeout } });

describe.skipIf(!canStopPostgres)('a database server that starts after the gateway', () => {
  test('is waited for, with a log line for each attempt', async () => {
    const postgres = await startPostgres();
    closers.push(() => postgres.dispose());
    const url = new URL(await postgres.freshUrl());
    url.password = 'not-for-the-log';
    await postgres.stop();
    // In its place: a port that accepts connections and closes them.
    let attempts = 0;
    const closing = createServer((socket) => {
      attempts += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => closing.listen(Number(url.port), '127.0.0.1', resolve));
    const port = await freePort();
    const env = { DATABASE_URL: url.href };
    const starting = startGateway({ config: config('60s'), env, port });
    closers.push(() => starting.then((gateway) => gateway.stop()));
    await eventually('two attempts', () => attempts >= 2, 30_000);
    const health = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}/health/${path}`);
      return [response.status, await response.json()];
    };
    expect(await health('live')).toEqual([200, { status: 'alive' }]);
    expect(await health('ready')).toEqual([503, { status: 'starting' }]);
    await new Promise((resolve) => closing.close(resolve));
    await postgres.start();
    const gateway = await starting;
    const lines = gateway.logs().filter(({ msg }) => String(msg).startsWith('Database server unreachable'));
    expect(lines.length).toBeGreaterThanOrEqual(2);
    for (const { level, msg } of lines) {
      expect([level, msg]).toEqual([
        'warn',
        expect.stringMatching(/Trying again in [\d.]+ s; .*gives up in [\d.]+ s/),
      ]);
    }
    await done(gateway, 'POST', '/tenants', { id: 'late', tier: null });
    expect(gateway.stdout() + gateway.stderr()).not.toContain('not-for-the-log');
  }, 90_000);

  test('ends the start after the time limit, with the reason and without a stack', async () => {
    const postgres = await startPostgres();
    closers.push(() => postgres.dispose());
    const url = await postgres.freshUrl();
    await postgres.stop();
    const failed = await startGateway({ config: config('1500ms'), env: { DATABASE_URL: url } }).then(
      () => 'started',
      (error: unknown) => String(error),
    );
    expect(failed).toContain('Database server unreachable');
    expect(failed).toContain('Trying again in 0.5 s');
    expect(failed).toContain('storage.connect_timeout');
    expect(failed).toContain('code 1');
    expect(failed).not.toMatch(/\n\s+at |\\n\s+at /);
    // Commands do not wait.
    const begin = performance.now();
    const listed = await weir(['tenants', 'list'], { DATABASE_URL: url });
    expect([listed.code, listed.stderr]).toEqual([1, expect.stringContaining('unreachable')]);
    expect(performance.now() - begin).toBeLessThan(30_000);
  }, 90_000);
});
