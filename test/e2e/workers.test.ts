import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../support/free-port.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { HEALTH, TestGrpcClient, WEIR } from '../support/grpc-gateway.ts';
import { hasRedis } from '../support/services/redis.ts';
import { chat, eventually, metric, post } from './harness.ts';
import { dataOf, done } from './helpers/admin.ts';

/** One gateway of two worker processes, without a Redis of the operator's. */
describe.skipIf(!hasRedis || process.platform !== 'linux')('weir serve --workers 2', () => {
  let gateway: Gateway;
  let sent = 0;
  let grpcPort = 0;

  beforeAll(async () => {
    grpcPort = await freePort();
    gateway = await startGateway({
      config: { models: [{ id: 'chat', targets: [{ provider: 'simulator', model: 'simulator' }] }] },
      args: ['--workers', '2'],
      env: { PATH: process.env.PATH, WEIR_TEST: '1', GRPC_PORT: String(grpcPort) },
    });
    await gateway.waitForOutput(/workers are ready/);
  }, 60_000);
  afterAll(() => gateway.stop());

  /** On a connection of its own. @returns its status */
  const send = async (key = gateway.adminKey, more: Record<string, unknown> = {}) => {
    const response = await post(gateway, chat(more), {
      headers: { authorization: `Bearer ${key}`, connection: 'close' },
    });
    await response.arrayBuffer();
    sent += 1;
    return response.status;
  };
  const processes = () =>
    gateway
      .logs()
      .flatMap(({ processes: pids }) => (Array.isArray(pids) ? [pids.map(Number)] : []))
      .at(-1) ?? [];
  const health = async () =>
    (
      await fetch(`${gateway.url}/health`, { headers: { authorization: `Bearer ${gateway.adminKey}` } })
    ).json();

  test('a limit is exact under concurrent requests, and usage and metrics are those of all workers', async () => {
    await done(gateway, 'POST', '/tenants', {
      id: 'exact',
      tier: null,
      limits: [{ of: 'requests', per: 'day', max: 100 }],
    });
    const { key } = await done(gateway, 'POST', '/tenants/exact/keys', { name: 'k' });
    const statuses = await Promise.all(Array.from({ length: 200 }, () => send(String(key))));
    expect(statuses.filter((status) => status === 200)).toHaveLength(100);
    expect(statuses.filter((status) => status === 429)).toHaveLength(100);
    // Each worker has served its part.
    const logged = () => gateway.logs().filter(({ tenant, msg }) => tenant === 'exact' && msg === 'request');
    await eventually('all are logged', () => logged().length === 200, 10_000);
    const ofFirst = logged().filter(({ worker }) => worker === 1).length;
    // Half of them, give or take: four standard deviations.
    expect(ofFirst).toBeGreaterThan(70);
    expect(ofFirst).toBeLessThan(130);
    expect(await metric(gateway, 'llm_requests_total')).toBe(sent);
    const usage = async () => {
      const page = await done(gateway, 'GET', '/tenants/exact/usage/events?limit=200');
      return dataOf(page).filter(({ outcome }) => outcome === 'done').length;
    };
    await eventually('all usage is stored', async () => (await usage()) === 100, 10_000);
  }, 60_000);

  test('the admin API and the console are the same at each connection', async () => {
    for (let at = 0; at < 6; at += 1) {
      const made = await done(
        gateway,
        'POST',
        '/tenants/default/keys',
        { name: `k${at}` },
        {
          headers: { connection: 'close' },
        },
      );
      // At once, at both workers.
      const statuses = await Promise.all(Array.from({ length: 6 }, () => send(String(made.key))));
      expect(new Set(statuses)).toEqual(new Set([200]));
      await done(gateway, 'DELETE', `/tenants/default/keys/${String(made.id)}`);
      expect(await send(String(made.key))).toBe(401);
    }
    const page = await fetch(`${gateway.url}/console`, { redirect: 'manual' });
    expect([200, 404]).toContain(page.status);
    expect((await fetch(`${gateway.url}/openapi.json`)).status).toBe(200);
  }, 60_000);

  test('what one worker remembers is found through the other', async () => {
    const response = await post(gateway, chat(), {
      headers: { 'x-request-id': 'remembered', connection: 'close' },
    });
    await response.arrayBuffer();
    for (let at = 0; at < 4; at += 1) {
      const found = await done(gateway, 'GET', '/requests/remembered', undefined, {
        headers: { connection: 'close' },
      });
      expect(found).toMatchObject({ id: 'remembered', source: 'memory' });
    }
    const target = { provider: 'simulator', model: 'simulator' };
    await done(gateway, 'POST', '/targets', { ...target, override: 'disable' });
    const statuses = await Promise.all(Array.from({ length: 8 }, () => send()));
    expect(new Set(statuses)).toEqual(new Set([503]));
    await done(gateway, 'POST', '/targets', { ...target, override: null });
    const [state] = dataOf(await done(gateway, 'GET', '/targets'));
    expect(state).toMatchObject({ ...target, override: null });
    expect(Number(state?.successes)).toBeGreaterThan(8);
    expect(await send()).toBe(200);
  }, 60_000);

  const grpcChat = (client: TestGrpcClient, id: string) =>
    client.unary(
      `${WEIR}/ChatCompletion`,
      { model: 'chat', messages: [{ role: 'user', content: { text: 'Hi' } }] },
      { metadata: { 'x-request-id': id } },
    );

  test('the port of gRPC is shared, too', async () => {
    const clients = Array.from(
      { length: 20 },
      () => new TestGrpcClient(`127.0.0.1:${grpcPort}`, gateway.adminKey),
    );
    const ids = clients.map((_, at) => `grpc-${at}`);
    await Promise.all(clients.map((client, at) => grpcChat(client, ids[at] ?? '')));
    expect((await clients[0]?.unary(`${HEALTH}/Check`, {}))?.message).toEqual({ status: 'SERVING' });
    for (const client of clients) client.close();
    const workers = () =>
      gateway
        .logs()
        .filter(({ request_id: id }) => ids.includes(String(id)))
        .map(({ worker }) => worker);
    await eventually('all are logged', () => workers().length === ids.length, 10_000);
    expect(new Set(workers())).toEqual(new Set([1, 2]));
  }, 60_000);

  test('a live stream has the requests of all workers', async () => {
    const abort = new AbortController();
    const stream = await fetch(`${gateway.url}/admin/v1/live`, {
      headers: { authorization: `Bearer ${gateway.adminKey}` },
      signal: abort.signal,
    });
    const reader = stream.body?.getReader();
    let text = '';
    const decoder = new TextDecoder();
    const read = (async () => {
      while (reader) {
        const { value, done: isDone } = await reader.read();
        if (isDone) return;
        text += decoder.decode(value, { stream: true });
      }
    })().catch(() => undefined);
    await eventually('requests of both arrive', async () => {
      await Promise.all(Array.from({ length: 4 }, () => send()));
      return (text.match(/"model":"chat"/g) ?? []).length >= 8;
    });
    abort.abort();
    await read;
  }, 60_000);

  test('a rolling reload fails no request', async () => {
    const old = processes();
    let isOver = false;
    const results: (number | string)[] = [];
    const client = async (headers: Record<string, string>) => {
      while (!isOver) {
        results.push(
          await post(gateway, chat(), { headers })
            .then(async (response) => {
              await response.arrayBuffer();
              return response.status;
            })
            .catch((error: unknown) => String(error)),
        );
        // Leaves time to the workers that start.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const grpc = new TestGrpcClient(`127.0.0.1:${grpcPort}`, gateway.adminKey);
    const grpcLoop = async () => {
      while (!isOver) {
        results.push(
          await grpcChat(grpc, 'reload').then(
            () => 200,
            (error: unknown) => String(error),
          ),
        );
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const clients = [
      grpcLoop(),
      ...Array.from({ length: 3 }, () => client({ connection: 'close' })),
      ...Array.from({ length: 3 }, () => client({})),
    ];
    gateway.signal('SIGHUP');
    await gateway.waitForOutput(/all workers are replaced/);
    await new Promise((resolve) => setTimeout(resolve, 100));
    isOver = true;
    await Promise.all(clients);
    grpc.close();
    expect(results.filter((result) => result !== 200)).toEqual([]);
    expect(results.length).toBeGreaterThan(50);
    expect(processes()).toHaveLength(2);
    expect(processes().some((pid) => old.includes(pid))).toBe(false);
  }, 90_000);

  test('a killed worker loses its requests in flight, and is replaced', async () => {
    await done(gateway, 'POST', '/tenants', {
      id: 'killed',
      tier: null,
      limits: [{ of: 'concurrent_requests', max: 2 }],
    });
    const { key } = await done(gateway, 'POST', '/tenants/killed/keys', { name: 'k' });
    const before = await metric(gateway, 'llm_requests_total');
    expect(before).toBeGreaterThan(200);
    const streams = await Promise.all(
      [0, 1].map(() =>
        post(gateway, chat({ stream: true }), {
          headers: {
            authorization: `Bearer ${String(key)}`,
            connection: 'close',
            'x-weir-simulate': 'tps=2; tokens=200',
          },
        }),
      ),
    );
    expect(streams.map(({ status }) => status)).toEqual([200, 200]);
    for (const pid of processes()) process.kill(pid, 'SIGKILL');
    await Promise.all(streams.map((stream) => stream.text().catch(() => '')));
    await gateway.waitForOutput(/worker ended unexpectedly/);
    await eventually(
      'both are replaced',
      async () => {
        try {
          const { workers } = await health();
          return workers.ready === 2 && workers.restarts >= 2;
        } catch {
          // No worker listens.
          return false;
        }
      },
      20_000,
    );
    // The slots of the killed requests are free, and their use is recorded.
    expect(await send(String(key))).toBe(200);
    await eventually(
      'their use is recorded',
      async () => {
        const events = dataOf(await done(gateway, 'GET', '/tenants/killed/usage/events?limit=50'));
        return events.length === 3;
      },
      15_000,
    );
    expect(await metric(gateway, 'llm_requests_total')).toBeGreaterThanOrEqual(before);
  }, 90_000);

  test('it ends with its workers and its Redis', async () => {
    const redis = gateway.logs().find((line) => line.redis !== undefined)?.redis;
    expect(redis).toBeNumber();
    const config = readFileSync(join(gateway.dataDir, 'redis', 'redis.conf'), 'utf8');
    expect(config).toContain('port 0');
    const pids = [...processes(), Number(redis)];
    expect(sent).toBeGreaterThan(0);
    const { code } = await gateway.stop();
    expect(code).toBe(0);
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  }, 60_000);
});
