import { afterEach, describe, expect, test } from 'bun:test';
import { Webhook } from 'standardwebhooks';
import { BACKENDS, type TestBackend } from '../../test/support/database-servers.ts';
import { deliver, keyEvent, openEventLog } from '../../test/support/event-log.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { PostOptions, PostResult } from '../platform/guarded-post.ts';
import { SecretBox } from '../platform/secret-box.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import type { ChangeContext } from '../tenancy/change-context.ts';
import { WebhookConsumer } from './webhook-consumer.ts';
import { WebhookDeliveries } from './webhook-deliveries.ts';
import { WebhookSender } from './webhook-sender.ts';
import { Webhooks } from './webhooks.ts';

const HOUR_MS = 3_600_000;
const actor = { id: 'user:1', name: 'U', platform: true, roles: new Map(), member: undefined };
const BY: ChangeContext = { actor, address: '', requestId: 'req_1' };
const ALL = { url: 'https://hooks.example.com/weir', description: '', events: ['*'] };

/** Signatures have the time of the day. */
class TodaysClock extends FakeClock {
  readonly #start = Date.now();

  override wallTime(): number {
    return this.#start + this.now();
  }
}

interface Sent extends PostOptions {
  readonly url: string;
}

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

/** Webhooks on a log of events; `respond` decides what endpoints do. */
async function open(backend: TestBackend) {
  const log = await openEventLog(backend, new TodaysClock());
  const { control, clock, bus: events, outbox, sources } = log;
  const sent: Sent[] = [];
  const audit: AuditEntry[] = [];
  const box = new SecretBox('secret', 'webhooks');
  const behaviour = {
    respond: async (_: Sent): Promise<Partial<PostResult>> => ({}),
  };
  const post = async (url: string, options: PostOptions): Promise<PostResult> => {
    const request = { ...options, url };
    sent.push(request);
    return { status: 204, text: '', retryAfter: undefined, ...(await behaviour.respond(request)) };
  };
  const senderOf = (owner: string) =>
    new WebhookSender({
      ...{ control, clock, events, outbox, box, owner, post, allowPrivate: false, random: () => 0.5 },
    });
  const sender = senderOf('gw_1');
  const webhooks = new Webhooks({
    ...{ control, sources, box, allowPrivate: false },
    audit: async (_tenant, entry) => void audit.push(entry),
  });
  const dispatcher = log.dispatcher();
  dispatcher.subscribe(
    new WebhookConsumer({
      ...{ control, clock, onAdded: () => undefined },
      disable: (webhook, reason) => sender.disable(webhook, reason, clock.wallTime()),
    }),
  );
  await deliver(dispatcher);
  const deliveries = new WebhookDeliveries({ control, sources, sender });
  const send = async (by = sender) => {
    await deliver(dispatcher);
    by.wake();
    await by.idle();
  };
  opened.push(sender, log);
  return {
    ...{ ...log, sent, audit, webhooks, sender, senderOf, deliveries, behaviour, send },
    /** Advances the time in steps, and sends what is due. */
    async pass(ms: number, stepMs = HOUR_MS) {
      for (let left = ms; left > 0; left -= stepMs) {
        clock.advance(Math.min(left, stepMs));
        await send();
      }
    },
    names: () => sent.map(({ body }) => JSON.parse(body).data.name),
  };
}

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`webhooks on ${backend.name}`, () => {
    test('each endpoint gets the events that it wants, of its tenant only, and the platform gets all', async () => {
      const { webhooks, outbox, send, sent, deliveries } = await open(backend);
      const acme = await webhooks.create('acme', { ...ALL, events: ['api_key.*'] }, BY);
      await webhooks.create('acme', { ...ALL, url: 'https://x.example.com/', events: ['budget.*'] }, BY);
      await webhooks.create('other', { ...ALL, url: 'https://other.example.com/' }, BY);
      await webhooks.create(null, { ...ALL, url: 'https://platform.example.com/' }, BY);
      await outbox.publish([keyEvent('k', 'a'), keyEvent('k', 'b', 'third'), keyEvent('k', 'c', null)]);
      await send();
      const to = (host: string) =>
        sent.filter(({ url }) => url.includes(host)).map(({ body }) => JSON.parse(body).data.name);
      expect([to('hooks.'), to('x.'), to('other.')]).toEqual([['a'], [], []]);
      expect(to('platform.').sort()).toEqual(['a', 'b', 'c']);
      const [delivery] = await deliveries.list({ webhook: acme.webhook.id, limit: 10 });
      expect(delivery).toMatchObject({
        ...{ type: 'api_key.updated', state: 'delivered', attempts: 1, nextAt: null },
        log: [{ status: 204, error: null }],
      });
      expect(JSON.parse(delivery?.payload ?? '')).toEqual({
        ...{ id: delivery?.event, type: 'api_key.updated', version: 1, tenant: 'acme', subject: 'key:k' },
        ...{
          timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
          actor: 'system',
          request_id: null,
          test: false,
        },
        data: { key: 'k', name: 'a' },
      });
    });

    test('a redelivery does not wait for the pause of an endpoint that failed', async () => {
      const { webhooks, outbox, send, sent, sender, deliveries, behaviour } = await open(backend);
      const { webhook } = await webhooks.create('acme', ALL, BY);
      behaviour.respond = async () => ({ status: 500 });
      await outbox.publish([keyEvent('k', 'a')]);
      await send();
      behaviour.respond = async () => ({});
      const [failed] = await deliveries.list({ webhook: webhook.id, limit: 1 });
      await deliveries.redeliver(webhook.id, failed?.id ?? '');
      await sender.idle();
      expect(sent).toHaveLength(2);
      expect(await deliveries.list({ webhook: webhook.id, limit: 1 })).toMatchObject([
        { state: 'delivered' },
      ]);
    });

    test('the reference library verifies deliveries, and both secrets during a rotation', async () => {
      const { webhooks, outbox, send, sent, clock, control, audit } = await open(backend);
      const { webhook, secret } = await webhooks.create('acme', ALL, BY);
      const verified = (by: string) => {
        const { body, headers } = sent.at(-1) ?? { body: '', headers: {} };
        try {
          new Webhook(by).verify(body, headers);
          return true;
        } catch {
          return false;
        }
      };
      await outbox.publish([keyEvent('k', 'a')]);
      await send();
      expect([verified(secret), verified(`whsec_${Buffer.alloc(32).toString('base64')}`)]).toEqual([
        true,
        false,
      ]);
      const rotated = await webhooks.rotate('acme', webhook.id, 60_000, undefined, BY);
      await outbox.publish([keyEvent('k', 'b')]);
      await send();
      expect([verified(secret), verified(rotated.secret)]).toEqual([true, true]);
      clock.advance(61_000);
      await outbox.publish([keyEvent('k', 'c')]);
      await send();
      expect([verified(secret), verified(rotated.secret)]).toEqual([false, true]);
      const stored = JSON.stringify(await control.selectFrom('webhooks').selectAll().execute());
      expect(stored).not.toContain(secret.slice(6, 20));
      expect(JSON.stringify(audit)).not.toContain('whsec_');
      expect(audit.map(({ action }) => action)).toEqual(['webhook.create', 'webhook.rotate']);
    });

    test('failed deliveries are retried for two days, with the same id and in order; then the endpoint is disabled', async () => {
      const { webhooks, outbox, send, pass, sent, behaviour, deliveries, control } = await open(backend);
      const { webhook } = await webhooks.create('acme', ALL, BY);
      await webhooks.create(
        null,
        { ...ALL, url: 'https://ops.example.com/', events: ['webhook.disabled'] },
        BY,
      );
      behaviour.respond = async ({ url }) => (url.includes('ops') ? {} : { status: 500, text: 'no\0pe' });
      await outbox.publish([keyEvent('k', 'a'), keyEvent('k', 'b')]);
      await send();
      await pass(80 * HOUR_MS, HOUR_MS / 2);
      const failed = sent.filter(({ url }) => !url.includes('ops'));
      const ids = new Set(failed.map(({ headers }) => headers['webhook-id']));
      expect([failed.length, ids.size]).toEqual([12, 1]);
      const times = failed.map(({ headers }) => Number(headers['webhook-timestamp']));
      expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeWithin(44 * 3_600, 56 * 3_600);
      const states = await deliveries.list({ webhook: webhook.id, limit: 10 });
      expect(states.map(({ state }) => state).sort()).toEqual(['failed', 'pending']);
      const given = states.find(({ state }) => state === 'failed');
      expect([given?.log.length, given?.log.at(-1)?.error, given?.log.at(-1)?.response]).toEqual([
        12,
        'HTTP 500',
        'nope',
      ]);
      expect(await webhooks.get('acme', webhook.id)).toMatchObject({
        status: 'disabled',
        disabledReason: 'HTTP 500',
      });
      // The notice reaches those who listen to it.
      const notice = sent.find(({ url }) => url.includes('ops'));
      expect(JSON.parse(notice?.body ?? '{}')).toMatchObject({
        ...{ type: 'webhook.disabled', tenant: 'acme' },
        data: { webhook: webhook.id, reason: 'HTTP 500' },
      });
      // Enabled again, it gets what waits, and on request what failed.
      behaviour.respond = async () => ({});
      await webhooks.update('acme', webhook.id, { status: 'enabled' }, undefined, BY);
      await pass(10 * 60_000, 60_000);
      const [id = ''] = ids;
      const lost = await control
        .selectFrom('webhook_deliveries')
        .select('id')
        .where('event', '=', id)
        .execute();
      await deliveries.redeliver(webhook.id, lost[0]?.id ?? '');
      await send();
      expect(sent.slice(-2).map(({ body }) => JSON.parse(body).data.name)).toEqual(['b', 'a']);
      expect(sent.at(-1)?.headers['webhook-id']).toBe(id);
      expect((await webhooks.get('acme', webhook.id)).failingSince).toBeNull();
    });

    test('events of a subject wait for the one before; others do not', async () => {
      const { webhooks, outbox, send, pass, behaviour, names } = await open(backend);
      await webhooks.create('acme', ALL, BY);
      let isBroken = true;
      behaviour.respond = async ({ body }) => (isBroken && body.includes('"k1-a"') ? { status: 503 } : {});
      const keys = ['k1', 'k2', 'k3'];
      await outbox.publish(
        ['a', 'b', 'c'].flatMap((name) => keys.map((key) => keyEvent(key, `${key}-${name}`))),
      );
      await send();
      expect(
        names()
          .filter((name) => name !== 'k1-a')
          .sort(),
      ).toEqual(['k2-a', 'k2-b', 'k2-c', 'k3-a', 'k3-b', 'k3-c']);
      isBroken = false;
      await pass(60_000, 10_000);
      expect(names().slice(-3)).toEqual(['k1-a', 'k1-b', 'k1-c']);
    });
  });
}

describe('webhooks', () => {
  const sqlite = BACKENDS.find(({ name }) => name === 'SQLite');
  if (!sqlite) throw new Error('no SQLite');

  test('an endpoint gets at most four requests at a time, also from two gateways', async () => {
    const { webhooks, outbox, send, sender, senderOf, behaviour, sent } = await open(sqlite);
    await webhooks.create('acme', ALL, BY);
    let [running, most] = [0, 0];
    behaviour.respond = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return {};
    };
    await outbox.publish(Array.from({ length: 60 }, (_, index) => keyEvent(`k${index}`, 'a')));
    const other = senderOf('gw_2');
    await Promise.all([send(), send(other)]);
    await send(sender);
    expect([most, sent.length]).toEqual([4, 60]);
    await other.close();
  });

  test('a request that a killed gateway had sent is sent again, with the same id', async () => {
    const { webhooks, outbox, sender, senderOf, behaviour, sent, control, send } = await open(sqlite);
    await webhooks.create('acme', ALL, BY);
    const { promise: hangs, resolve: end } = Promise.withResolvers<Partial<PostResult>>();
    behaviour.respond = () => hangs;
    await outbox.publish([keyEvent('k', 'a')]);
    const dead = senderOf('gw_dead');
    const sending = send(dead);
    while (sent.length === 0) await new Promise((resolve) => setImmediate(resolve));
    behaviour.respond = async () => ({});
    await send(sender);
    expect(sent.length).toBe(1);
    // Its lease ends, because it renews it no more.
    await control.updateTable('webhooks').set({ lease_until: 0 }).execute();
    await send(sender);
    expect([sent.length, new Set(sent.map(({ headers }) => headers['webhook-id'])).size]).toEqual([2, 1]);
    end({});
    await sending;
    await dead.close();
  });

  test('endpoints that hang do not hold up others, and are called less and less', async () => {
    const { webhooks, outbox, send, pass, behaviour, sent } = await open(sqlite);
    await webhooks.create('acme', { ...ALL, url: 'https://hangs.example.com/' }, BY);
    await webhooks.create('acme', ALL, BY);
    behaviour.respond = async ({ url }) => {
      if (url.includes('hangs')) throw new Error('no response within 15000 ms');
      return {};
    };
    await outbox.publish(Array.from({ length: 50 }, (_, index) => keyEvent(`k${index}`, 'a')));
    await send();
    const to = (host: string) => sent.filter(({ url }) => url.includes(host)).length;
    expect([to('hooks.'), to('hangs.')]).toEqual([50, 4]);
    await pass(60_000, 1_000);
    expect(to('hangs.')).toBeWithin(8, 25);
  });

  test('an endpoint that is gone is disabled at once, and one with a bad event is not', async () => {
    const { webhooks, outbox, send, behaviour, pass } = await open(sqlite);
    const gone = await webhooks.create('acme', { ...ALL, url: 'https://gone.example.com/' }, BY);
    const strict = await webhooks.create('acme', { ...ALL, events: ['api_key.*'] }, BY);
    behaviour.respond = async ({ url, body }) => {
      if (url.includes('gone')) return { status: 410 };
      return body.includes('"bad"') ? { status: 400 } : {};
    };
    await outbox.publish([keyEvent('k1', 'bad')]);
    await send();
    expect((await webhooks.get('acme', gone.webhook.id)).status).toBe('disabled');
    for (let day = 0; day < 6; day += 1) {
      await outbox.publish([keyEvent('k2', `good ${day}`)]);
      await pass(12 * HOUR_MS);
    }
    expect((await webhooks.get('acme', strict.webhook.id)).status).toBe('enabled');
  });

  test('a response with retry-after is waited for', async () => {
    const { webhooks, outbox, send, behaviour, deliveries, clock } = await open(sqlite);
    const { webhook } = await webhooks.create('acme', ALL, BY);
    behaviour.respond = async () => ({ status: 429, retryAfter: '600' });
    await outbox.publish([keyEvent('k', 'a')]);
    await send();
    const [delivery] = await deliveries.list({ webhook: webhook.id, limit: 1 });
    expect(delivery?.nextAt).toBe(clock.wallTime() + 600_000);
  });

  test('a test is sent at once, also to a disabled endpoint, and is not retried', async () => {
    const { webhooks, deliveries, behaviour, sent, pass } = await open(sqlite);
    const { webhook } = await webhooks.create('acme', ALL, BY);
    await webhooks.update('acme', webhook.id, { status: 'disabled' }, undefined, BY);
    behaviour.respond = async () => ({ status: 404, text: 'not here' });
    expect(await deliveries.test(webhook.id)).toMatchObject({
      ...{ type: 'webhook.test', state: 'failed', attempts: 1 },
      log: [{ status: 404, response: 'not here' }],
    });
    await webhooks.update('acme', webhook.id, { status: 'enabled' }, undefined, BY);
    await pass(10 * 60_000, 60_000);
    expect(sent.length).toBe(1);
  });

  test('an event that is larger than a payload may be arrives without its data', async () => {
    const { webhooks, outbox, send, sent } = await open(sqlite);
    await webhooks.create('acme', ALL, BY);
    await outbox.publish([keyEvent('k', 'x'.repeat(200_000))]);
    await send();
    expect(JSON.parse(sent[0]?.body ?? '')).toMatchObject({
      type: 'api_key.updated',
      data: {},
      truncated: true,
    });
  });

  test('an endpoint for which too many events wait is disabled', async () => {
    const { webhooks, outbox, send, behaviour, control } = await open(sqlite);
    const { webhook } = await webhooks.create('acme', ALL, BY);
    behaviour.respond = async () => ({ status: 500 });
    await outbox.publish([keyEvent('k', 'a')]);
    await send();
    const row = await control.selectFrom('webhook_deliveries').selectAll().executeTakeFirstOrThrow();
    const rows = Array.from({ length: 10_000 }, (_, index) => ({ ...row, id: `dlv_${index}` }));
    for (let from = 0; from < rows.length; from += 1_000) {
      await control
        .insertInto('webhook_deliveries')
        .values(rows.slice(from, from + 1_000))
        .execute();
    }
    await outbox.publish([keyEvent('k', 'b')]);
    await send();
    expect(await webhooks.get('acme', webhook.id)).toMatchObject({
      ...{ status: 'disabled', disabledReason: 'more than 10000 events wait for it' },
    });
  });

  test.each([
    ['ftp://hooks.example.com/', 'must begin with'],
    ['https://user:pw@hooks.example.com/', 'must not contain credentials'],
    ['http://127.0.0.1/', 'public address'],
    ['http://localhost:3000/', 'public address'],
    ['http://0x7f000001/', 'public address'],
    ['http://[::1]/', 'public address'],
    ['nonsense', 'not a valid URL'],
  ])('the URL %s is rejected', async (url, reason) => {
    const { webhooks } = await open(sqlite);
    await expect(webhooks.create('acme', { ...ALL, url }, BY)).rejects.toThrow(reason);
  });

  test('a tenant has at most 50 endpoints, and reaches none of another tenant', async () => {
    const { webhooks } = await open(sqlite);
    const { webhook } = await webhooks.create('acme', ALL, BY);
    await expect(webhooks.get('other', webhook.id)).rejects.toThrow('no such webhook');
    await expect(webhooks.remove('other', webhook.id, undefined, BY)).rejects.toThrow('no such webhook');
    await expect(webhooks.rotate(null, webhook.id, 0, undefined, BY)).rejects.toThrow('no such webhook');
    for (let more = 1; more < 50; more += 1) await webhooks.create('acme', ALL, BY);
    await expect(webhooks.create('acme', ALL, BY)).rejects.toThrow('50 webhooks already');
    await webhooks.remove('acme', webhook.id, undefined, BY);
    await webhooks.create('acme', ALL, BY);
  });

  test('old deliveries are deleted, and those of deleted tenants', async () => {
    const { webhooks, outbox, send, deliveries, control, clock } = await open(sqlite);
    await webhooks.create(null, ALL, BY);
    await webhooks.create('acme', ALL, BY);
    await outbox.publish([keyEvent('k', 'a')]);
    await send();
    const count = async () => (await control.selectFrom('webhook_deliveries').select('id').execute()).length;
    expect(await count()).toBe(2);
    // No row says that the tenant exists.
    await deliveries.deleteOld();
    expect(await count()).toBe(1);
    clock.advance(15 * 24 * HOUR_MS);
    await deliveries.deleteOld();
    expect(await count()).toBe(0);
  });
});
