import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Kysely } from 'kysely';
import { Webhook } from 'standardwebhooks';
import { BACKENDS, type TestServer } from '../../test/support/database-servers.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { guardedPost } from '../platform/guarded-post.ts';
import { FolderStorage } from '../platform/object-storage/folder-storage.ts';
import { openControlDatabase } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { allExportCursors } from '../storage/sql/export-store.ts';
import { storeUsage } from '../storage/sql/store-usage.ts';
import { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { batchOf } from '../storage/usage-batch.ts';
import type { UsageEvent } from '../storage/usage-event.ts';
import { createSink, type ExportSettings } from './create-sink.ts';
import { type Export, ExportRun } from './export-run.ts';
import { FilesSink } from './files-sink.ts';
import { exportedUsageOf } from './record.ts';
import { SENT } from './sink.ts';
import { testSink } from './test-sink.ts';
import { UsageSource } from './usage-source.ts';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

interface Received {
  readonly tenant: string;
  readonly id: string;
}

/** A receiver: reads requests as the real API does, and responds as it does. */
interface Receiver {
  readonly type: ExportSettings['type'];
  readonly path: string;
  readonly settings: Partial<ExportSettings>;
  /** @param poison id of a record that is never accepted. @returns records it accepts, and its response */
  receive(
    request: Request,
    text: string,
    poison: string,
  ): { readonly accepted: readonly Received[]; readonly response: Response };
}

type Json = Record<string, unknown> & { tenant: string; id: string };
const whole = (records: readonly Json[], poison: string, ok: () => Response, refused: () => Response) =>
  records.some(({ id }) => id === poison)
    ? { accepted: [], response: refused() }
    : { accepted: records, response: ok() };

const RECEIVERS: readonly Receiver[] = [
  {
    ...{ type: 'http', path: '/usage', settings: { secret: SECRET } },
    receive(request, text, poison) {
      // The reference library verifies JSON only, so its other half is used here.
      const [id, at] = [request.headers.get('webhook-id') ?? '', request.headers.get('webhook-timestamp')];
      const signature = new Webhook(SECRET).sign(id, new Date(Number(at) * 1_000), text);
      expect(request.headers.get('webhook-signature')).toBe(signature);
      expect(request.headers.get('content-type')).toBe('application/x-ndjson');
      const records: Json[] = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      return whole(
        records,
        poison,
        () => new Response(),
        () => new Response('', { status: 422 }),
      );
    },
  },
  {
    ...{ type: 'http', path: '/usage', settings: { format: 'json', secret: SECRET } },
    receive(request, text, poison) {
      new Webhook(SECRET).verify(text, Object.fromEntries(request.headers));
      const refused = () => new Response('', { status: 400 });
      return whole(JSON.parse(text), poison, () => new Response(), refused);
    },
  },
  {
    ...{ type: 'otlp', path: '/v1/logs', settings: { headers: { authorization: 'Bearer t' } } },
    receive(request, text, poison) {
      expect(request.headers.get('authorization')).toBe('Bearer t');
      const [{ resource, scopeLogs }] = JSON.parse(text).resourceLogs;
      expect(resource.attributes).toEqual([{ key: 'service.name', value: { stringValue: 'weir' } }]);
      const records = scopeLogs[0].logRecords.map((log: Record<string, unknown>) => {
        expect(log.timeUnixNano).toMatch(/^\d{14,19}$/);
        const list = log.attributes as { key: string; value: { stringValue: string; intValue: string } }[];
        const of = (name: string) => list.find(({ key }) => key === `weir.usage.${name}`)?.value;
        expect(of('input_tokens')?.intValue).toBe('1');
        return { tenant: of('tenant')?.stringValue, id: of('id')?.stringValue };
      });
      return whole(
        records,
        poison,
        () => Response.json({}),
        () => new Response('', { status: 400 }),
      );
    },
  },
  {
    ...{ type: 'kafka_rest', path: '/topics/usage', settings: { topic: 'usage' } },
    receive(request, text, poison) {
      expect(request.headers.get('content-type')).toBe('application/vnd.kafka.json.v2+json');
      const { records }: { records: { key: string; value: Json }[] } = JSON.parse(text);
      for (const { key, value } of records) expect(key).toBe(value.tenant);
      const offsets = records.map(({ value }, offset) =>
        value.id === poison
          ? { partition: null, offset: null, error_code: 1, error: 'too large' }
          : { partition: 0, offset, error_code: null, error: null },
      );
      const accepted = records.map(({ value }) => value).filter(({ id }) => id !== poison);
      return { accepted, response: Response.json({ key_schema_id: null, value_schema_id: null, offsets }) };
    },
  },
  {
    type: 'langfuse',
    path: '/api/public/ingestion',
    settings: { public_key: 'pk-lf-1', secret: 'sk-lf-1' },
    receive(request, text, poison) {
      expect(request.headers.get('authorization')).toBe(`Basic ${btoa('pk-lf-1:sk-lf-1')}`);
      const { batch } = JSON.parse(text);
      const generations = batch.filter(({ type }: { type: string }) => type === 'generation-create');
      expect(batch.length).toBe(2 * generations.length);
      const accepted: Received[] = [];
      const results: { successes: unknown[]; errors: unknown[] } = { successes: [], errors: [] };
      for (const { id, body } of generations) {
        expect(body.usageDetails).toEqual({ input: 1, output: 2 });
        if (body.id === poison)
          results.errors.push({ id, status: 400, message: 'invalid', error: 'invalid' });
        else {
          results.successes.push({ id, status: 201 });
          accepted.push({ id: body.id, tenant: body.metadata.tenant });
        }
      }
      return { accepted, response: Response.json(results, { status: 207 }) };
    },
  },
  {
    ...{ type: 'datadog', path: '/api/v2/logs', settings: { secret: 'key' } },
    receive(request, text, poison) {
      expect(request.headers.get('dd-api-key')).toBe('key');
      const logs: { ddsource: string; message: string; usage: Json }[] = JSON.parse(text);
      for (const { ddsource, message } of logs) expect([ddsource, message]).toEqual(['weir', 'chat m 200']);
      const records = logs.map(({ usage }) => usage);
      const ok = () => Response.json({}, { status: 202 });
      return whole(records, poison, ok, () => Response.json({ errors: [] }, { status: 400 }));
    },
  },
];

let state: {
  receiver: Receiver | undefined;
  poison: string;
  failures: number;
  status: number;
  received: Received[];
};
let folder: string;
const clock = new FakeClock();
const emitted: { name: string; data: Record<string, unknown> }[] = [];
let server: TestServer;
let control: Kysely<ControlTables>;
let closeControl: () => Promise<void>;
let http: ReturnType<typeof Bun.serve>;
let faults: unknown[];

beforeAll(async () => {
  const sqlite = BACKENDS.find(({ name }) => /sqlite/i.test(name)) ?? BACKENDS[0];
  if (!sqlite) throw new Error('no database');
  server = await sqlite.start();
  const opened = await openControlDatabase(server.connect());
  [control, closeControl] = [opened.db, opened.close];
  http = Bun.serve({
    ...{ port: 0, hostname: '127.0.0.1' },
    fetch: async (request) => {
      const text = await request.text();
      try {
        expect(new URL(request.url).pathname).toBe(state.receiver?.path ?? '');
        if (state.failures > 0) {
          state.failures -= 1;
          // The worst case: the records are stored, and the response is lost.
          const result = state.receiver?.receive(request, text, state.poison);
          state.received.push(...(result?.accepted ?? []));
          return new Response('', { status: state.status });
        }
        const result = state.receiver?.receive(request, text, state.poison);
        state.received.push(...(result?.accepted ?? []));
        return result?.response ?? new Response('', { status: 500 });
      } catch (error) {
        faults.push(error);
        return new Response('', { status: 500 });
      }
    },
  });
});
afterAll(async () => {
  await http.stop(true);
  await closeControl();
  await server.dispose();
});
beforeEach(async () => {
  state = { receiver: undefined, poison: '', failures: 0, status: 503, received: [] };
  faults = [];
  emitted.length = 0;
  await control.deleteFrom('export_cursors').execute();
});

function event(tenant: string, id: string, more: Partial<UsageEvent> = {}): UsageEvent {
  return {
    ...{ id, tenant, requestId: `r-${id}`, at: clock.wallTime() + 1, keyId: 'k', member: null, model: 'm' },
    ...{ provider: 'p', upstreamModel: 'm', operation: 'chat', tags: ['t'], status: 200, outcome: 'done' },
    ...{ requests: 1, inputTokens: 1, outputTokens: 2, cachedTokens: 0, cacheWriteTokens: 0 },
    ...{ reasoningTokens: 0, costPico: 5, estimated: false, durationMs: 5, firstEventMs: null, ...more },
  };
}

/** An installation with two tenants, and gateways that run one export. */
async function installation(receiver: Receiver | undefined, more: Partial<ExportSettings> = {}) {
  state.receiver = receiver;
  const names = new Map(['a', 'b'].map((tenant) => [tenant, server.freshName()]));
  const databases = new TenantDatabases({
    servers: new Map([['', server.connect()]]),
    placementOf: ({ tenant }) => ({ server: '', database: names.get(tenant) ?? '' }),
    maxConnections: 4,
  });
  for (const database of names.values()) await databases.create({ server: '', database });
  const settings: ExportSettings = {
    ...{ source: 'usage', max_record_bytes: 262_144 },
    ...{ id: 'one', type: receiver?.type ?? 'files', tenants: [], to: folder, endpoint: null, region: null },
    ...{
      access_key_id: null,
      secret_access_key: null,
      url: `${http.url.origin}${receiver?.type === 'http' ? receiver.path : ''}`,
    },
    ...{ format: 'ndjson', headers: {}, secret: null, public_key: null, topic: null, every: 1 },
    ...{ max_records: 4, max_bytes: 1_000_000, ...receiver?.settings, ...more },
  };
  // Signatures are checked against the real time.
  const services = {
    env: {},
    post: guardedPost,
    allowPrivate: true,
    now: () => Date.now(),
    providerName: (id: string) => id,
  };
  const one: Export = {
    ...{ cursor: settings.id, source: new UsageSource(databases), maxRecordBytes: settings.max_record_bytes },
    ...{
      id: settings.id,
      beginsAt: clock.wallTime(),
      type: settings.type,
      tenants: settings.tenants,
      every: 1,
    },
    ...{
      maxRecords: settings.max_records,
      maxBytes: settings.max_bytes,
      sink: createSink(settings, services),
    },
  };
  const gateway = (owner: string) => {
    const run = new ExportRun({
      ...{ control, clock, owner, random: () => 0.5, tenants: () => ['b', 'a'] },
      onBegin: async () => undefined,
      events: { emit: (name, data) => void emitted.push({ name, data: { ...data } }) },
    });
    return () => run.visit(one, new AbortController().signal);
  };
  // Usage counts from the first visit on.
  await gateway('first')();
  return {
    gateway,
    store: async (tenant: string, batch: string, ids: readonly string[], more?: Partial<UsageEvent>) => {
      const usage = await server.openUsage(names.get(tenant) ?? '');
      await storeUsage(usage, [
        batchOf(
          batch,
          ids.map((id) => event(tenant, id, more)),
        ),
      ]);
      await usage.close();
    },
    close: () => databases.close(),
  };
}

const idsOf = (tenant: string) => state.received.filter((one) => one.tenant === tenant).map(({ id }) => id);
const ids = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(2, '0')}`);

for (const [index, receiver] of RECEIVERS.entries()) {
  describe(`the sink ${receiver.type} (${index + 1})`, () => {
    test('gets each record with its id, in order for each tenant, and late ones from a new gateway', async () => {
      const { gateway, store, close } = await installation(receiver);
      await store('a', 'a-1', ids('a', 10));
      await store('b', 'b-1', ids('b', 3));
      await gateway('first')();
      expect([idsOf('a'), idsOf('b'), faults]).toEqual([ids('a', 10), ids('b', 3), []]);
      // It was stored later, and happened before.
      await store('a', 'a-0', ids('late', 2), { at: clock.wallTime() });
      await gateway('second')();
      expect(idsOf('a')).toEqual([...ids('a', 10), ...ids('late', 2)]);
      await close();
    });

    test('gets records again after a failure, and drops only those that it never accepts', async () => {
      const { gateway, store, close } = await installation(receiver);
      await store('a', 'a-1', ids('a', 7));
      state.failures = 1;
      await gateway('first')();
      const [failed] = await allExportCursors(control);
      expect([failed?.sequence, failed?.failures, failed?.error]).toEqual([0, 1, 'HTTP 503']);
      // Not before its pause has ended.
      const count = state.received.length;
      await gateway('first')();
      expect(state.received.length).toBe(count);
      clock.advance(2_000);
      state.poison = 'a02';
      await gateway('first')();
      const expected = ids('a', 7);
      expect(new Set(idsOf('a'))).toEqual(new Set(expected));
      const [done] = await allExportCursors(control);
      expect([done?.sent, done?.dropped, done?.failures]).toEqual([6, 1, 0]);
      const dropped = emitted.filter(({ name }) => name === 'export.dropped');
      expect(dropped.map(({ data }) => [data.count, data.record])).toEqual([[1, 'a02']]);
      expect(faults).toEqual([]);
      await close();
    });
  });
}

test('files are written by tenant and day, with names that a repetition uses again', async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-exports-'));
  const { gateway, store, close } = await installation(undefined);
  await store('a', 'a-1', ids('a', 6));
  await gateway('first')();
  const read = () =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.gz'))
      .sort()
      .map((name) => ({
        name,
        ids: gunzipSync(readFileSync(join(folder, name)))
          .toString()
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line).id),
      }));
  const files = read();
  expect(files.flatMap((file) => file.ids)).toEqual(ids('a', 6));
  expect(files.map(({ name }) => name)).toEqual([
    expect.stringMatching(/^tenant=a\/date=1970-01-02\/0{16}-0{8}\.ndjson\.gz$/),
    expect.stringMatching(/^tenant=a\/date=1970-01-02\/\d{16}-0{7}4\.ndjson\.gz$/),
  ]);
  // As after a crash between writing and advancing.
  await control.deleteFrom('export_cursors').where('tenant', '=', 'a').execute();
  await gateway('second')();
  expect(read()).toEqual(files);
  await close();
  rmSync(folder, { recursive: true });
});

test('files of both sources and of tests replace no other', async () => {
  const storage = new FolderStorage(mkdtempSync(join(tmpdir(), 'weir-exports-')));
  const { signal } = new AbortController();
  for (const source of ['usage', 'request_log'] as const) {
    const sink = new FilesSink(storage, source);
    const record = exportedUsageOf(event('test', `first-${source}`));
    expect(await sink.send({ tenant: 'test', from: { sequence: 0, line: 0 }, records: [record] })).toEqual(
      SENT,
    );
    expect(await testSink(sink, source, () => clock.wallTime(), signal)).toMatchObject({ error: null });
  }
  const keys: string[] = [];
  for await (const { key } of storage.list('')) keys.push(key);
  expect(keys).toEqual([
    '_test/request_log.ndjson.gz',
    '_test/usage.ndjson.gz',
    'tenant=test/date=1970-01-02/0000000000000000-00000000.ndjson.gz',
    'tenant=test/date=1970-01-02/request_log-0000000000000000-00000000.ndjson.gz',
  ]);
  rmSync(storage.location, { recursive: true });
});

test('one gateway at a time runs an export, for the tenants that it lists, up to its bytes', async () => {
  const [, receiver] = RECEIVERS;
  if (!receiver) throw new Error('no receiver');
  const { gateway, store, close } = await installation(receiver, { tenants: ['a'], max_bytes: 1 });
  await store('a', 'a-1', ids('a', 3));
  await store('b', 'b-1', ids('b', 3));
  await control
    .updateTable('export_cursors')
    .set({ owner: 'other', lease_until: clock.wallTime() + 1_000 })
    .where('tenant', '=', '')
    .execute();
  await gateway('first')();
  expect(state.received).toEqual([]);
  clock.advance(2_000);
  await gateway('first')();
  expect([idsOf('a'), idsOf('b')]).toEqual([ids('a', 3), []]);
  expect(emitted.map(({ name }) => name)).toEqual(['export.sent', 'export.sent', 'export.sent']);
  await close();
});
