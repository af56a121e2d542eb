import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import type { Kysely } from 'kysely';
import { BACKENDS, type TestServer } from '../../test/support/database-servers.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { SecretBox } from '../platform/secret-box.ts';
import type { LoggedSummary } from '../storage/logged-request.ts';
import { openControlDatabase } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { SqlRequestLogStore } from '../storage/sql/request-log-store.ts';
import { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { RequestLogKeys } from '../tenancy/request-log-keys.ts';
import { sealContent } from '../tenancy/sealed-content.ts';
import type { ExportSettings } from './create-sink.ts';
import { ExportControl } from './export-control.ts';
import { type Export, ExportRun } from './export-run.ts';
import type { ExportedRecord } from './record.ts';
import { RequestLogSource } from './request-log-source.ts';
import { type ExportBatch, type ExportSink, SENT, type SinkOutcome } from './sink.ts';

/** Exports of logged requests, with a receiver in the test. */

const clock = new FakeClock();
let server: TestServer;
let control: Kysely<ControlTables>;
let closeControl: () => Promise<void>;
let batches: ExportBatch[];
let outcome: SinkOutcome;
/** Called with each batch, before the response. */
let onBatch: () => Promise<void>;
let logging: Set<string>;
const begun: string[] = [];
/** Called before a tenant's first records are sent. */
let onBegin: () => Promise<void>;
let sinkOf: () => ExportSink;

beforeAll(async () => {
  const sqlite = BACKENDS.find(({ name }) => /sqlite/i.test(name)) ?? BACKENDS[0];
  if (!sqlite) throw new Error('no database');
  server = await sqlite.start();
  const opened = await openControlDatabase(server.connect());
  [control, closeControl] = [opened.db, opened.close];
});
afterAll(async () => {
  await closeControl();
  await server.dispose();
});
beforeEach(async () => {
  [batches, outcome, logging] = [[], SENT, new Set(['a', 'b'])];
  begun.length = 0;
  onBegin = async () => undefined;
  sinkOf = () => sink;
  onBatch = async () => undefined;
  await control.deleteFrom('export_cursors').execute();
});

const sink: ExportSink = {
  async send(batch) {
    batches.push(batch);
    await onBatch();
    return outcome;
  },
};

const SETTINGS: ExportSettings = {
  ...{ id: 'prompts', type: 'http', source: 'request_log', tenants: [], to: null, endpoint: null },
  ...{ region: null, access_key_id: null, secret_access_key: null, url: 'https://logs.example.com/in?key=s' },
  ...{
    format: 'ndjson',
    headers: { 'x-api-key': 'hunter-two' },
    secret: null,
    public_key: null,
    topic: null,
  },
  ...{ every: 1, max_records: 4, max_bytes: 100_000, max_record_bytes: 4_096 },
};

function summary(tenant: string, id: string): LoggedSummary {
  return {
    ...{ id, tenant, at: new Date(clock.wallTime()).toISOString(), key: 'k', user: null, model: 'm' },
    ...{ provider: 'p', upstream_model: 'm', operation: 'chat', tags: ['t'], status: 200, error: null },
    ...{
      outcome: 'done',
      attempts: 1,
      input_tokens: 1,
      output_tokens: 2,
      cached_tokens: 0,
      reasoning_tokens: 0,
    },
    ...{ cost: '0.5', estimated: false, duration_ms: 5, first_event_ms: null, trace_id: null, count: 1 },
  };
}

async function installation() {
  const names = new Map(['a', 'b'].map((tenant) => [tenant, server.freshName()]));
  const databases = new TenantDatabases({
    servers: new Map([['', server.connect()]]),
    placementOf: ({ tenant }) => ({ server: '', database: names.get(tenant) ?? '' }),
    maxConnections: 4,
  });
  for (const database of names.values()) await databases.create({ server: '', database });
  const store = new SqlRequestLogStore(databases);
  const keys = new RequestLogKeys({ store, box: new SecretBox('secret', 'test'), clock });
  const source = new RequestLogSource({ databases, keys, isLogged: (tenant) => logging.has(tenant) });
  const tenants = () => ['b', 'a'];
  const one: Export = {
    ...{ id: 'prompts', cursor: 'prompts:request_log', type: 'http', source, tenants: [], every: 1, sink },
    ...{ beginsAt: clock.wallTime(), maxRecords: 4, maxBytes: 100_000, maxRecordBytes: 4_096 },
  };
  const run = new ExportRun({
    ...{ control, clock, owner: 'one', random: () => 0.5, tenants, events: { emit: () => undefined } },
    onBegin: async ({ id }, tenant) => {
      await onBegin();
      begun.push(`${id} ${tenant}`);
    },
  });
  const visit = () => run.visit(one, new AbortController().signal);
  await visit();
  return {
    ...{ store, visit, databases },
    /** Logs requests with these ids, one transaction for all of them. */
    log: async (tenant: string, ids: readonly string[], prompt = 'hello') => {
      const key = await keys.current({ tenant });
      const rows = ids.map(async (id) => ({
        ...{ id, requestId: `req_${id}`, at: clock.wallTime(), keyId: 'k', member: null, model: 'm' },
        ...{ status: 200, error: null, costPico: 5, durationMs: 5, keyVersion: key.version },
        sealed: await sealContent(
          {
            ...{ row: id, summary: summary(tenant, `req_${id}`), truncated: [], explanation: {} },
            request: { messages: [{ role: 'user', content: prompt }] },
            response: { choices: [{ message: { role: 'assistant', content: 'hi' } }] },
          },
          key,
        ),
      }));
      await store.put({ tenant }, await Promise.all(rows));
    },
    controls: new ExportControl({
      ...{ control, clock, tenants, settings: () => [SETTINGS], sinkOf: () => sinkOf() },
      ...{
        sources: { usage: source, request_log: source },
        redact: (text: string) => text.replace('jo@x.test', '[EMAIL]'),
      },
    }),
    close: () => databases.close(),
  };
}

const received = (tenant: string): ExportedRecord[] =>
  batches.filter((batch) => batch.tenant === tenant).flatMap(({ records }) => records);
const ids = (tenant: string) => received(tenant).map(({ id }) => id);
const numbered = (count: number) => Array.from({ length: count }, (_, index) => `log_${index}`);

test('are sent with prompt and response, in the order in which they were stored, and again after a lost response', async () => {
  const { log, visit, close } = await installation();
  clock.advance(1);
  await log('a', numbered(6));
  await log('b', ['other']);
  outcome = { kind: 'failed', reason: 'HTTP 503' };
  await visit();
  expect([ids('a').length, ids('b').length]).toEqual([4, 1]);
  [batches, outcome] = [[], SENT];
  clock.advance(3_000);
  await visit();
  expect([ids('a'), ids('b')]).toEqual([numbered(6), ['other']]);
  expect([batches.length, begun]).toEqual([3, ['prompts a', 'prompts b']]);
  const [record] = received('a');
  expect(record).toMatchObject({
    ...{ id: 'log_0', request_id: 'req_log_0', tenant: 'a', cost_usd: '0.5', truncated: [] },
    request: { messages: [{ content: 'hello' }] },
    response: { choices: [{ message: { content: 'hi' } }] },
  });
  // A row that was stored late, with an earlier time.
  await log('a', ['late']);
  await visit();
  expect(ids('a').at(-1)).toBe('late');
  await close();
});

test('are cut to the size of a record, which is marked', async () => {
  const { log, visit, close } = await installation();
  clock.advance(1);
  await log('a', ['long'], 'x'.repeat(500_000));
  await visit();
  const [record] = received('a');
  expect(Buffer.byteLength(JSON.stringify(record))).toBeLessThanOrEqual(4_096);
  expect(record).toMatchObject({ truncated: ['request'], response: { choices: [{}] } });
  expect(JSON.stringify(record)).toContain('of 500000 characters]');
  await close();
});

test('are not sent when they were erased, were logged before the export, cannot be opened, or are of a tenant that logs no more', async () => {
  const { log, visit, store, databases, close } = await installation();
  clock.advance(-1);
  await log('a', ['before']);
  clock.advance(2);
  await log('a', ['first', 'erased', 'sealed', 'last']);
  await log('b', ['quiet']);
  await store.erase({ tenant: 'a' }, { requestId: 'req_erased' });
  await databases.use({ tenant: 'a' }, (db) =>
    db.updateTable('request_log').set({ sealed: 'AAAA' }).where('id', '=', 'sealed').execute(),
  );
  logging.delete('b');
  await visit();
  expect([ids('a'), ids('b')]).toEqual([['first', 'last'], []]);
  const cursor = await control
    .selectFrom('export_cursors')
    .selectAll()
    .where('tenant', '=', 'a')
    .executeTakeFirstOrThrow();
  expect([cursor.sent, cursor.dropped]).toEqual([2, 1]);
  // Numbers rise although all rows were deleted.
  await store.erase({ tenant: 'a' }, { before: Number.MAX_SAFE_INTEGER });
  await log('a', ['after']);
  await visit();
  expect(ids('a')).toEqual(['first', 'last', 'after']);
  await close();
});

test('are paused, resumed and rewound; what waits and fails is shown without secrets', async () => {
  const { log, visit, controls, close } = await installation();
  const began = clock.wallTime();
  clock.advance(10);
  await log('a', ['log_0', 'log_1']);
  expect(await controls.pause('prompts')).toMatchObject({
    ...{ state: 'paused', destination: 'https://logs.example.com', sent: 0 },
    waiting: { records: 2, isMore: false, oldestAt: began + 10 },
  });
  await visit();
  expect(batches).toEqual([]);
  expect(await controls.resume('prompts')).toMatchObject({ state: 'active', pausedAt: null });
  outcome = { kind: 'failed', reason: 'the key hunter-two of jo@x.test is wrong' };
  await visit();
  const [failing] = await controls.list();
  expect(failing).toMatchObject({
    ...{ state: 'failing', failingTenants: 1, lastSentAt: null },
    error: { message: 'the key [SECRET] of [EMAIL] is wrong', tenant: 'a' },
  });
  [batches, outcome] = [[], SENT];
  clock.advance(3_000);
  await visit();
  expect(await controls.ofTenant('a')).toMatchObject([
    { state: 'active', sent: 2, failures: 0, error: null, waiting: { records: 0, oldestAt: null } },
  ]);
  // A batch is under way while it is rewound: its acknowledgement does not move the new position.
  await log('a', ['log_2']);
  onBatch = async () => {
    onBatch = async () => undefined;
    await controls.rewind('prompts', began, 'a');
  };
  await visit();
  await visit();
  expect(ids('a')).toEqual(['log_0', 'log_1', 'log_2', 'log_0', 'log_1', 'log_2']);
  expect(new Set(batches.map(({ from }) => `${from.sequence}-${from.line}`)).size).toBe(batches.length);
  await expect(controls.rewind('prompts', clock.wallTime() + 1, undefined)).rejects.toThrow('in the past');
  await expect(controls.rewind('prompts', 0, 'nobody')).rejects.toThrow('has no tenant "nobody"');
  await expect(controls.get('other')).rejects.toThrow('no such export');
  await close();
});

test('a rewind to a time after the beginning sends no earlier records', async () => {
  const { log, visit, controls, close } = await installation();
  clock.advance(10);
  await log('a', ['old']);
  await visit();
  clock.advance(1_000);
  const from = clock.wallTime();
  await log('a', ['new']);
  await visit();
  batches = [];
  expect(await controls.rewind('prompts', from, 'a')).toMatchObject({
    waiting: { records: 1, oldestAt: from },
  });
  await visit();
  expect(ids('a')).toEqual(['new']);
  // A tenant's first records may be from before its first visit.
  clock.advance(1);
  await log('b', ['early']);
  clock.advance(1_000);
  await visit();
  expect(ids('b')).toEqual(['early']);
  await close();
});

test('nothing of a tenant is sent before it can see that', async () => {
  const { log, visit, controls, close } = await installation();
  clock.advance(1);
  await log('a', ['log_0']);
  // It adds positions of all tenants.
  await controls.rewind('prompts', 0, undefined);
  onBegin = async () => {
    throw new Error('the gateway stops');
  };
  expect((await visit())?.errors.length).toBe(1);
  expect([ids('a'), begun]).toEqual([[], []]);
  onBegin = async () => undefined;
  await visit();
  expect([ids('a'), begun]).toEqual([['log_0'], ['prompts a']]);
  await log('a', ['log_1', 'log_2', 'log_3', 'log_4', 'log_5']);
  await visit();
  expect([ids('a').length, begun]).toEqual([6, ['prompts a']]);
  // A crash between the two.
  await log('b', ['other']);
  onBegin = async () => {
    throw new Error('the gateway stops');
  };
  expect((await visit())?.errors.length).toBe(1);
  onBegin = async () => undefined;
  await visit();
  expect([ids('b'), begun]).toEqual([['other'], ['prompts a', 'prompts b']]);
  await close();
});

test('a failure ends when what could not be sent is erased', async () => {
  const { log, visit, store, controls, close } = await installation();
  clock.advance(1);
  await log('a', ['gone']);
  outcome = { kind: 'failed', reason: 'HTTP 503' };
  expect((await visit())?.failing).toEqual(new Map([['a', 'HTTP 503']]));
  // During its pause, too.
  expect((await visit())?.failing).toEqual(new Map([['a', 'HTTP 503']]));
  await store.erase({ tenant: 'a' }, { requestId: 'req_gone' });
  clock.advance(3_000);
  expect((await visit())?.failing).toEqual(new Map());
  expect(await controls.get('prompts')).toMatchObject({ state: 'active', error: null });
  await controls.pause('prompts');
  expect(await visit()).toBeUndefined();
  await close();
});

test('a test sends one record of both sources, and shows why the receiver rejects it', async () => {
  const { controls, close } = await installation();
  const { signal } = new AbortController();
  expect(await controls.test('prompts', signal)).toMatchObject({ error: null, detail: null });
  expect(received('test')).toMatchObject([{ id: 'log_test', request: { model: 'test' } }]);
  outcome = { kind: 'rejected', reason: 'HTTP 400', detail: 'unknown key hunter-two' };
  expect(await controls.test('prompts', signal)).toMatchObject({
    ...{ error: 'HTTP 400', detail: 'unknown key [SECRET]' },
  });
  await close();
});

test('one that cannot run as it is configured is shown to fail', async () => {
  const { controls, close } = await installation();
  sinkOf = () => {
    throw new Error('no location for hunter-two');
  };
  expect(await controls.list()).toMatchObject([
    { state: 'failing', failingTenants: 0, error: { message: 'no location for [SECRET]', tenant: '' } },
  ]);
  await close();
});

test('the database of one tenant keeps no other waiting', async () => {
  const { log, visit, databases, close } = await installation();
  clock.advance(1);
  await log('a', ['log_0']);
  await log('b', ['log_1']);
  await databases.use({ tenant: 'a' }, (db) => db.schema.dropTable('request_log').execute());
  outcome = { kind: 'failed', reason: 'HTTP 503' };
  const visited = await visit();
  expect(ids('b')).toEqual(['log_1']);
  expect(visited?.failing).toEqual(
    new Map([
      ['a', 'its database fails'],
      ['b', 'HTTP 503'],
    ]),
  );
  expect(visited?.errors.map(String)).toEqual([expect.stringContaining('request_log')]);
  await close();
});
