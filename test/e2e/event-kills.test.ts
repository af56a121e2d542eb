import { afterEach, describe, expect, test } from 'bun:test';
import { createServer } from 'node:http';
import pg from 'pg';
import { seeded } from '../../src/core/random.ts';
import { FULL } from '../support/effort.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { canStopPostgres, hasPostgres, startPostgres } from '../support/services/postgres.ts';
import { canStopRedis, hasRedis, startRedis } from '../support/services/redis.ts';
import { admin, done } from './helpers/admin.ts';

const EVENTS = Number(process.env.WEIR_TEST_EVENTS ?? (FULL ? 10_000 : 100));
const GATEWAYS = FULL ? 3 : 2;
const KILLS = FULL ? 12 : 1;
const OUTAGE_MS = FULL ? 30_000 : 500;
const KEYS = 20;
const ADMIN_KEY = 'wr-admin-event-kills-0123456789abcdef';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface ReceivedEvent {
  readonly endpoint: string;
  readonly id: string;
  readonly type: string;
  readonly key: string;
  readonly name: string;
}

/** Endpoints that keep what arrives; one request of forty fails, as receivers do. */
async function startReceiver() {
  const arrivals: ReceivedEvent[] = [];
  let requests = 0;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      requests += 1;
      const fails = requests % 40 === 0;
      const event = JSON.parse(Buffer.concat(parts).toString());
      const { key, name } = event.data;
      // One that fails has arrived nevertheless: it comes again.
      arrivals.push({ endpoint: request.url ?? '', id: event.id, type: event.type, key, name });
      if (event.id !== request.headers['webhook-id']) throw new Error('the id of the message is another one');
      response.writeHead(fails ? 500 : 204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return { arrivals, url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` };
}

/** Starts a gateway until it runs, as a supervisor does: one that starts while the database goes down may end. */
async function restart(env: Record<string, string>): Promise<Gateway> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await startGateway({ env, startTimeoutMs: 90_000 });
    } catch (error) {
      if (attempt === 20) throw error;
      await pause(1_000);
    }
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(!hasPostgres || !canStopPostgres || !hasRedis || !canStopRedis)(
  'killed gateways and stores',
  () => {
    test(
      `${EVENTS} events reach every subscriber, in order for each key, with one id each`,
      async () => {
        const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
        closers.push(
          () => postgres.dispose(),
          () => redis.dispose(),
        );
        const url = await postgres.freshUrl();
        const env = {
          ...{ DATABASE_URL: url, REDIS_URL: redis.url, WEIR_ADMIN_KEY: ADMIN_KEY },
          ...{ WEIR_WEBHOOKS_ALLOW_PRIVATE: '1', WEIR_SECRET: 'a secret of the test' },
        };
        const gateways: Gateway[] = [await startGateway({ env })];
        closers.push(() => Promise.all(gateways.map((gateway) => gateway.stop())));
        for (let more = 1; more < GATEWAYS; more += 1) gateways.push(await startGateway({ env }));
        const [first] = gateways;
        if (!first) throw new Error('not started');
        const receiver = await startReceiver();
        for (const [path, at] of [
          ['/webhooks', 'platform'],
          ['/tenants/default/webhooks', 'tenant'],
        ]) {
          await done(first, 'POST', path ?? '', {
            url: `${receiver.url}/${at}`,
            events: ['api_key.updated'],
          });
        }
        const keys: string[] = [];
        for (let key = 0; key < KEYS; key += 1) {
          keys.push(String((await done(first, 'POST', '/tenants/default/keys', { name: 'new' })).id));
        }

        const random = seeded(24);
        let changed = 0;
        let isOver = false;
        /** Repeats a change until one gateway has made it: it may then have been made twice. */
        const rename = async (key: string, name: string) => {
          for (;;) {
            const gateway = gateways[Math.floor(random() * gateways.length)] ?? first;
            const call = { key: ADMIN_KEY };
            const result = await admin(
              gateway,
              'PATCH',
              `/tenants/default/keys/${key}`,
              { name },
              call,
            ).catch(() => undefined);
            if (result?.status === 200) break;
            await pause(100);
          }
          changed += 1;
        };
        const changes = Promise.all(
          keys.map(async (key) => {
            for (let number = 0; number < EVENTS / KEYS; number += 1) await rename(key, String(number));
          }),
        );
        const killing = (async () => {
          for (let kill = 1; kill <= KILLS; kill += 1) {
            // At random points of the work.
            const at = ((kill - random()) / (KILLS + 1)) * EVENTS;
            while (changed < at) await pause(5);
            const index = Math.floor(random() * gateways.length);
            const gateway = gateways[index];
            if (!gateway || isOver) continue;
            gateway.signal('SIGKILL');
            await gateway.exited;
            gateways[index] = await restart(env);
          }
        })();
        const outage = (async () => {
          while (changed < EVENTS / 2) await pause(5);
          await Promise.all([postgres.stop(), redis.stop()]);
          await pause(OUTAGE_MS);
          await Promise.all([postgres.start(), redis.start()]);
        })();
        await Promise.all([changes, killing, outage]);
        isOver = true;

        const pool = new pg.Pool({ connectionString: url, max: 1 });
        closers.push(() => pool.end());
        const logged = async () => {
          const { rows } = await pool.query<{ id: string; data: string }>(
            `SELECT id, data FROM event_log WHERE type = 'api_key.updated' ORDER BY sequence`,
          );
          return rows.map(({ id, data }) => ({ id, ...(JSON.parse(data) as { key: string; name: string }) }));
        };
        const arrivedAt = (endpoint: string) =>
          receiver.arrivals.filter((arrival) => arrival.endpoint === `/${endpoint}`);
        const missing = async () => {
          const events = await logged();
          const made = new Set(events.map(({ key, name }) => `${key} ${name}`));
          const unlogged = keys.flatMap((key) =>
            Array.from({ length: EVENTS / KEYS }, (_, number) => `${key} ${number}`).filter(
              (one) => !made.has(one),
            ),
          );
          const undelivered = ['platform', 'tenant'].flatMap((endpoint) => {
            const ids = new Set(arrivedAt(endpoint).map(({ id }) => id));
            return events.filter(({ id }) => !ids.has(id));
          });
          return unlogged.length + undelivered.length;
        };
        while ((await missing()) > 0) await pause(100);

        const events = await logged();
        for (const endpoint of ['platform', 'tenant']) {
          for (const key of keys) {
            const inLog = events.filter((event) => event.key === key).map(({ id }) => id);
            const arrived = arrivedAt(endpoint).filter((arrival) => arrival.key === key);
            // Each at least once, first arrivals in the order of the log, and no id that the log does not have.
            expect([...new Set(arrived.map(({ id }) => id))]).toEqual(inLog);
          }
        }
        // The order of the log is that of the changes.
        for (const key of keys) {
          const names = events.filter((event) => event.key === key).map(({ name }) => Number(name));
          expect(names).toEqual(names.toSorted((a, b) => a - b));
        }
      },
      FULL ? 1_800_000 : 120_000,
    );
  },
);
