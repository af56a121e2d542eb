import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { completion, eventually, mockConfig, post } from './harness.ts';
import { admin, codeOf, done } from './helpers/admin.ts';
import { parseObject } from './helpers/json.ts';

const data = mkdtempSync(join(tmpdir(), 'weir-retention-'));
const DAY_MS = 86_400_000;
let mock: MockUpstream;
let gateway: Gateway;
beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways(() => completion());
  gateway = await startGateway({
    config: mockConfig(mock.url, { storage: { retention: { responses: '7d', audit: null } } }),
    dataDir: data,
  });
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
  rmSync(data, { recursive: true, force: true });
});

/** The stored responses of a database file. */
function responsesIn(file: string): { id: string; created_at: number; expires_at: number }[] {
  const database = new Database(join(data, file), { readonly: true });
  try {
    return database
      .query<{ id: string; created_at: number; expires_at: number }, []>('SELECT * FROM responses')
      .all();
  } finally {
    database.close();
  }
}

async function store(key: string): Promise<string> {
  const headers = { authorization: `Bearer ${key}` };
  const body = JSON.stringify({ model: 'chat', input: 'Hi' });
  const response = await post(gateway, body, { path: '/v1/responses', headers });
  expect(response.status).toBe(200);
  return String(parseObject(await response.text()).id);
}

async function tenant(id: string, more: object = {}) {
  await done(gateway, 'POST', '/tenants', { id, tier: null, ...more });
  const { key } = await done(gateway, 'POST', `/tenants/${id}/keys`, { name: 'k' });
  const [name = ''] = readdirSync(join(data, 'tenants')).filter(
    (file) => file.startsWith(`weir_${id}_`) && file.endsWith('.sqlite'),
  );
  return { key: String(key), file: join('tenants', name) };
}

describe('stored responses', () => {
  test('live in the database of their tenant, for as long as its retention says', async () => {
    const usual = await tenant('usual');
    const own = await tenant('own', { retention: { responses: '2d' } });
    const forever = await tenant('forever', { retention: { responses: null } });
    for (const [{ key, file }, kept] of [
      [usual, 7 * DAY_MS],
      [own, 2 * DAY_MS],
      [forever, undefined],
    ] as const) {
      const id = await store(key);
      await eventually('it is written', () => responsesIn(file).length === 1);
      const [row] = responsesIn(file);
      expect(row?.id).toBe(id);
      if (kept === undefined) expect(row?.expires_at).toBe(Number.MAX_SAFE_INTEGER);
      else expect((row?.expires_at ?? 0) - (row?.created_at ?? 0)).toBe(kept);
      const read = await fetch(`${gateway.url}/v1/responses/${id}`, {
        headers: { authorization: `Bearer ${key}` },
      });
      expect(read.status).toBe(200);
    }
    expect(responsesIn('control.sqlite')).toEqual([]);
  });

  test('are deleted with their tenant', async () => {
    const { key, file } = await tenant('leaving');
    await store(key);
    await eventually('it is written', () => responsesIn(file).length === 1);
    await done(gateway, 'DELETE', '/tenants/leaving');
    expect(readdirSync(join(data, 'tenants')).filter((name) => name.startsWith('weir_leaving_'))).toEqual([]);
  });
});

describe('the retention of a tenant', () => {
  test('is shown, changed and removed, by platform administrators', async () => {
    await tenant('kept', { retention: { usage: '90d' } });
    expect(await done(gateway, 'GET', '/tenants/kept')).toMatchObject({ retention: { usage: '90d' } });
    const changed = { usage: '30d', audit: null };
    expect(await done(gateway, 'PATCH', '/tenants/kept', { retention: changed })).toMatchObject({
      retention: changed,
    });
    // Another change leaves it.
    expect(await done(gateway, 'PATCH', '/tenants/kept', { name: 'Kept' })).toMatchObject({
      retention: changed,
    });
    expect(await done(gateway, 'PATCH', '/tenants/kept', { retention: null })).toMatchObject({
      retention: null,
    });
  });

  test.each([['0d'], ['90'], ['1.5d'], ['-1d'], [90], ['100000d'], ['1h']])('cannot be %j', async (usage) => {
    const result = await admin(gateway, 'PATCH', '/tenants/default', { retention: { usage } });
    expect([result.status, codeOf(result)]).toEqual([400, 'invalid_request']);
  });
});
