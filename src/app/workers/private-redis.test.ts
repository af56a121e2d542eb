import { afterEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../../test/support/log.ts';
import { hasRedis } from '../../../test/support/services/redis.ts';
import { systemClock } from '../../core/clock.ts';
import { connectRedis } from '../../storage/kv/connect-redis.ts';
import { PrivateRedis } from './private-redis.ts';

const folders: string[] = [];
const running: PrivateRedis[] = [];
afterEach(async () => {
  for (const redis of running.splice(0)) await redis.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function create(more = '', path: string | undefined = process.env.PATH): PrivateRedis {
  const root = mkdtempSync(join(tmpdir(), 'weir-private-'));
  folders.push(root);
  const redis = new PrivateRedis({
    ...{ folder: join(root, more), env: { PATH: path }, clock: systemClock, logger: silentLogger() },
  });
  running.push(redis);
  return redis;
}

test('without Redis and Valkey, the error says what to install', () => {
  expect(() => create('', '/nowhere')).toThrow(/redis-server nor valkey-server.*apt-get install.*REDIS_URL/);
});

describe.skipIf(!hasRedis)('with Redis', () => {
  const call = async (url: string, command: string, args: string[]) => {
    const client = await connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
    await client.connected();
    try {
      return await client.call(command, args);
    } finally {
      client.disconnect();
    }
  };

  test('it listens on a socket of this user only, keeps nothing on disk, and ends', async () => {
    const redis = create();
    await redis.start();
    expect(await call(redis.url, 'SET', ['a', '1'])).toBe('OK');
    const config = await call(redis.url, 'CONFIG', ['GET', 'port']);
    expect(JSON.stringify(config)).toContain('"0"');
    const socket = redis.url.slice('redis+unix://'.length);
    expect(statSync(socket).mode & 0o077).toBe(0);
    await redis.stop();
    expect(existsSync(socket)).toBe(false);
  });

  test('one that dies is started again', async () => {
    const redis = create();
    await redis.start();
    const info = String(await call(redis.url, 'INFO', ['server']));
    const pid = Number(/process_id:(\d+)/.exec(info)?.[1]);
    process.kill(pid, 'SIGKILL');
    // The client of another process connects again.
    const again = String(await call(redis.url, 'INFO', ['server']));
    expect(Number(/process_id:(\d+)/.exec(again)?.[1])).not.toBe(pid);
  });

  test('one that a killed Weir left is ended first, and a long path is no problem', async () => {
    const redis = create('a-folder-with-a-long-name/'.repeat(6));
    await redis.start();
    expect(await call(redis.url, 'SET', ['left', 'over'])).toBe('OK');
    await redis.start();
    expect(await call(redis.url, 'GET', ['left'])).toBeNull();
  });
});
