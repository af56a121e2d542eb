import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { databaseServers, redisTls } from '../../src/app/database-servers.ts';
import { listenSockets } from '../../src/platform/socket-listener.ts';
import { loadTlsFiles } from '../../src/server/tls-files.ts';
import { connectRedis } from '../../src/storage/kv/connect-redis.ts';
import { connectIoredis } from '../../src/storage/kv/ioredis-client.ts';
import { openControlDatabase } from '../../src/storage/sql/control-database.ts';
import { createTestCertificate } from '../support/certificates.ts';
import { loadText } from '../support/config-source.ts';
import { gatewayInProcess } from '../support/gateway-in-process.ts';
import { temporaryFolder } from '../support/secret-stores/fixture.ts';
import { canStopPostgres, startPostgres, type TestPostgres } from '../support/services/postgres.ts';
import { canStopRedis, startTlsRedis, type TestRedis } from '../support/services/redis.ts';

/** Each is its own authority: servers accept clients with `own`, and not with `other`. */
const own = createTestCertificate();
const other = createTestCertificate({ name: 'other.test' });
const folder = temporaryFolder();
// The server of the test may run as another user.
chmodSync(folder.path, 0o755);
const file = (name: string, text: string) => {
  const path = join(folder.path, name);
  writeFileSync(path, text);
  return path;
};
const files = {
  ...{ ca: file('ca.pem', own.cert), cert: file('client.pem', own.cert), key: file('client.key', own.key) },
  ...{ otherCert: file('other.pem', other.cert), otherKey: file('other.key', other.key) },
};
afterAll(() => folder.remove());

describe('to a provider', () => {
  const upstream = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    tls: { cert: own.cert, key: own.key, ca: own.cert, requestCert: true, rejectUnauthorized: true },
    fetch: () =>
      Response.json({
        ...{ id: 'c', object: 'chat.completion', created: 1, model: 'm' },
        choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
      }),
  });
  afterAll(() => upstream.stop(true));

  const provider = (id: string, tls: unknown) => ({
    ...{ id, kind: 'openai-compatible', discover: false, tls },
    base_url: `https://127.0.0.1:${upstream.port}/v1`,
  });

  test('an own authority and a client certificate are used; without one of them, requests fail', async () => {
    const { ca, cert, key, otherCert, otherKey } = files;
    const weir = await gatewayInProcess({
      config: {
        providers: [
          provider('both', { ca, cert, key }),
          provider('no-certificate', { ca }),
          provider('wrong-certificate', { ca, cert: otherCert, key: otherKey }),
          provider('no-authority', { cert, key }),
        ],
        routing: { retry: { attempts: 1 } },
        simulator: 'off',
      },
    });
    const status = async (id: string) => {
      const body = { model: `${id}/m`, messages: [{ role: 'user', content: 'hi' }] };
      return (await weir.call('POST', '/v1/chat/completions', { key: weir.adminKey, body })).status;
    };
    expect(await status('both')).toBe(200);
    for (const id of ['no-certificate', 'wrong-certificate', 'no-authority']) {
      expect([id, await status(id)]).toEqual([id, 502]);
    }
    await weir.close();
  });

  test('a file that is missing is an error that names it', async () => {
    const providers = [provider('one', { ca: '/nowhere/ca.pem' })];
    await expect(gatewayInProcess({ config: { providers } })).rejects.toThrow(/"tls.ca" of a provider/);
  });
});

test('from clients: only those with a certificate of server.tls.client_ca are served', async () => {
  const day = 86_400_000;
  const [notBefore, notAfter] = [new Date(Date.now() - 3 * day), new Date(Date.now() - day)];
  const old = createTestCertificate({ name: 'old.test', notBefore, notAfter });
  const authorities = file('authorities.pem', own.cert + old.cert);
  const credentials = await loadTlsFiles({ cert: files.cert, key: files.key, client_ca: authorities });
  let served = 0;
  const rejected: string[] = [];
  const listener = listenSockets({
    ...{ host: '127.0.0.1', port: 0, tls: credentials },
    onCertificateRejected: (address, reason) => void rejected.push(`${address} ${reason}`),
    accept: () => {
      let write: ((text: string) => void) | undefined;
      return {
        opened: (socket) => {
          write = (text) => void socket.write(Buffer.from(text), 0, text.length);
        },
        secured: () => undefined,
        received: () => {
          served += 1;
          write?.('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok');
        },
        drained: () => undefined,
        closed: () => undefined,
      };
    },
  });
  const url = `https://127.0.0.1:${listener.port}/`;
  const ask = (identity: { cert?: string; key?: string }) =>
    fetch(url, { tls: { ca: own.cert, ...identity } }).then(
      (response) => response.status,
      () => 'rejected',
    );
  expect(await ask({ cert: own.cert, key: own.key })).toBe(200);
  expect(await ask({ cert: other.cert, key: other.key })).toBe('rejected');
  expect(await ask({})).toBe('rejected');
  expect(await ask({ cert: old.cert, key: old.key })).toBe('rejected');
  expect(served).toBe(1);
  expect(rejected).toEqual([
    '127.0.0.1 self signed certificate (DEPTH_ZERO_SELF_SIGNED_CERT)',
    '127.0.0.1 it presented none',
    '127.0.0.1 certificate has expired (CERT_HAS_EXPIRED)',
  ]);
  listener.stop();
});

test('a file of client authorities without certificates is rejected', async () => {
  const paths = { cert: files.cert, key: files.key, client_ca: files.key };
  await expect(loadTlsFiles(paths)).rejects.toThrow(/server\.tls\.client_ca/);
});

describe.skipIf(!canStopPostgres)('to PostgreSQL', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    const rules = ['hostssl all all all trust clientcert=verify-ca', 'hostnossl all all all trust', ''];
    const hba = file('pg_hba.conf', rules.join('\n'));
    postgres = await startPostgres({ ssl_ca_file: files.ca, hba_file: hba }, own);
  });
  afterAll(() => postgres?.dispose());

  test('a client certificate is sent', async () => {
    const database_url = await postgres.freshUrl();
    const open = async (storage: Readonly<Record<string, string>>) => {
      const { config } = loadText(JSON.stringify({ storage: { database_url, ...storage } }));
      const server = databaseServers(config, () => undefined).get('');
      if (!server) throw new Error('there is no server');
      const { close } = await openControlDatabase(server);
      await close();
    };
    await open({ database_ca: files.ca, database_cert: files.cert, database_key: files.key });
    await expect(open({ database_ca: files.ca })).rejects.toThrow(/certificate/);
    await expect(open({ database_ca: files.ca, database_cert: files.cert })).rejects.toThrow(/go together/);
  });
});

describe.skipIf(!canStopRedis)('to Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startTlsRedis(own, { clientCertificates: true });
  });
  afterAll(() => redis?.dispose());

  test.each([
    ['the own client', connectRedis],
    ['ioredis', connectIoredis],
  ])('%s sends a client certificate', async (_name, connect) => {
    const storage = {
      redis_url: redis.url,
      redis_ca: files.ca,
      redis_cert: files.cert,
      redis_key: files.key,
    };
    const { config } = loadText(JSON.stringify({ storage }));
    const client = await connect({
      ...{ url: redis.url, timeoutMs: 5_000, ...redisTls(config.storage) },
      onError: () => undefined,
    });
    await client.connected();
    expect(client.ready).toBe(true);
    client.disconnect();

    const failed = Promise.withResolvers<Error>();
    const without = await connect({
      ...{ url: redis.url, timeoutMs: 5_000, ca: own.cert },
      onError: failed.resolve,
    });
    expect(await failed.promise).toBeInstanceOf(Error);
    expect(without.ready).toBe(false);
    without.disconnect();
  });
});
