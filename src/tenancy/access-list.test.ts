import { describe, expect, test } from 'bun:test';
import { RecordedEvents } from '../../test/support/recorded-events.ts';
import type { AccessChanges, AccessSource, KeyIndexRow, TenantRow } from '../storage/sql/access-feed.ts';
import { AccessList } from './access-list.ts';
import type { KeyDocument } from './documents.ts';
import { SecretDigester } from './key-secrets.ts';

const digester = new SecretDigester('test');
const NOW = 1_790_000_000_000;

const tenantRow = (id: string, more: Partial<TenantRow> = {}): TenantRow => ({
  ...{
    id,
    name: id,
    status: 'active',
    tier: null,
    server: '',
    database: `db_${id}`,
    schema: '',
    document: '{}',
  },
  ...{ version: 1, revision: 1, created_at: 0, updated_at: 0, deleted_at: null },
  ...more,
});

const keyRow = (
  secret: string,
  more: Partial<KeyDocument> = {},
  row: Partial<KeyIndexRow> = {},
): KeyIndexRow => {
  const document: KeyDocument = {
    ...{ id: `key_${secret}`, kind: 'api_key', name: secret, member: null, scopes: {}, limits: [] },
    ...{ expires_at: null, revoked_at: null },
    ...more,
  };
  return {
    digest: digester.digest(secret),
    ...{ id: document.id, tenant: 'a', document: JSON.stringify(document) },
    ...{ version: 1, revision: 1, deleted: 0, ...row },
  };
};

class FakeSource implements AccessSource {
  changes: Omit<AccessChanges, 'revision'> = { tenants: [], keys: [], members: [] };
  current = 1;
  reads = 0;
  fault: Error | undefined;

  async revision(): Promise<number> {
    if (this.fault) throw this.fault;
    return this.current;
  }

  async since(after: number): Promise<AccessChanges> {
    this.reads += 1;
    const newer = <Row extends { revision: number }>(rows: readonly Row[]) =>
      rows.filter(({ revision }) => revision > after);
    const { tenants, keys, members } = this.changes;
    return {
      revision: await this.revision(),
      tenants: newer(tenants),
      keys: newer(keys),
      members: newer(members),
    };
  }
}

async function listOf(changes: Partial<Omit<AccessChanges, 'revision'>>, adminKey?: string) {
  const source = new FakeSource();
  source.changes = { tenants: [tenantRow('a')], keys: [], members: [], ...changes };
  const events = new RecordedEvents();
  const changed: string[][] = [];
  let now = NOW;
  const list = new AccessList({
    source,
    digester,
    now: () => now,
    tiers: () =>
      new Map([
        [
          'free',
          [{ of: 'requests', per: 'minute', max: 10, burst: null, mode: 'enforce', onStoreLoss: 'local' }],
        ],
      ]),
    adminKey,
    events,
    onChanged: (tenants) => changed.push([...tenants].sort()),
  });
  await list.refresh();
  const codeOf = (secret: string | undefined, address = '10.0.0.1') => {
    try {
      const known = secret === undefined ? undefined : list.known(secret, () => address);
      return (known ?? list.authenticate(secret, () => address)).keyId;
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : String(error);
    }
  };
  return {
    source,
    list,
    damaged: events.names,
    changed,
    codeOf,
    setNow: (time: number) => {
      now = time;
    },
  };
}

describe('authenticate', () => {
  test('accepts valid keys, and rejects missing, unknown, revoked and expired ones', async () => {
    const { codeOf } = await listOf({
      keys: [
        keyRow('good'),
        keyRow('revoked', { revoked_at: 1 }),
        keyRow('old', { expires_at: NOW }),
        keyRow('young', { expires_at: NOW + 1 }),
      ],
    });
    expect(['good', 'young', 'revoked', 'old', 'x', '', undefined].map((key) => codeOf(key))).toEqual([
      'key_good',
      'key_young',
      ...Array.from({ length: 4 }, () => 'invalid_api_key'),
      'missing_api_key',
    ]);
  });

  test('a key expires while the gateway runs', async () => {
    const { codeOf, setNow } = await listOf({ keys: [keyRow('k', { expires_at: NOW + 10 })] });
    expect(codeOf('k')).toBe('key_k');
    setNow(NOW + 10);
    expect(codeOf('k')).toBe('invalid_api_key');
  });

  test('depends on the status of tenant and member', async () => {
    const member = (status: string) =>
      JSON.stringify({ kind: 'user', name: 'm', role: 'developer', status, limits: [] });
    const of = { version: 1, revision: 1, deleted: 0, tenant: 'a' };
    const { codeOf } = await listOf({
      tenants: [tenantRow('a'), tenantRow('s', { status: 'suspended' }), tenantRow('d', { deleted_at: 1 })],
      keys: [
        keyRow('active', { member: 'm1' }),
        keyRow('suspended', { member: 'm2' }),
        keyRow('removed', { member: 'm3' }),
        keyRow('s', {}, { tenant: 's' }),
        keyRow('d', {}, { tenant: 'd' }),
        keyRow('none', {}, { tenant: 'none' }),
      ],
      members: [
        { ...of, member: 'm1', document: member('active') },
        { ...of, member: 'm2', document: member('suspended') },
      ],
    });
    expect(['active', 'suspended', 'removed', 's', 'd', 'none'].map((key) => codeOf(key))).toEqual([
      'key_active',
      'permission_denied',
      'permission_denied',
      'permission_denied',
      'invalid_api_key',
      'invalid_api_key',
    ]);
  });

  test.each([
    [['10.0.0.0/8'], '10.1.2.3', true],
    [['10.0.0.0/8'], '::ffff:10.1.2.3', true],
    [['10.0.0.0/8'], '11.0.0.1', false],
    [['192.0.2.7', '2001:db8::/32'], '2001:db8::1', true],
    [['192.0.2.7'], '192.0.2.7', true],
    [['192.0.2.7'], '192.0.2.8', false],
    [['0.0.0.0/0'], 'unknown', false],
    [[], '10.0.0.1', false],
  ])('a key for %j from %s', async (addresses, address, allowed) => {
    const { codeOf } = await listOf({ keys: [keyRow('k', { scopes: { addresses } })] });
    expect(codeOf('k', address)).toBe(allowed ? 'key_k' : 'permission_denied');
  });

  test('a principal has the limits of key and tenant; a tenant’s own replace those of its tier', async () => {
    const limit = { of: 'requests', per: 'minute', max: 5, mode: 'enforce', on_store_loss: 'local' } as const;
    const { list } = await listOf({
      tenants: [
        tenantRow('a', { tier: 'free' }),
        tenantRow('b', {
          tier: 'free',
          document: JSON.stringify({ limits: [{ ...limit, max: 7 }], time_zone: 'Europe/Zurich' }),
        }),
      ],
      keys: [keyRow('k', { limits: [limit] }), keyRow('l', {}, { tenant: 'b' })],
    });
    const shown = (secret: string) =>
      list
        .authenticate(secret, () => '')
        .limits.map(({ scope, id, limits, timeZone }) => [scope, id, limits.map(({ max }) => max), timeZone]);
    expect(shown('k')).toEqual([
      ['key', 'a/key_k', [5], 'UTC'],
      ['tenant', 'a/', [10], 'UTC'],
    ]);
    expect(shown('l')).toEqual([['tenant', 'b/', [7], 'Europe/Zurich']]);
  });
});

describe('the admin key', () => {
  test('from the environment is valid in addition to the stored ones, after every change', async () => {
    const { source, list, codeOf } = await listOf({ keys: [keyRow('other', { kind: 'admin' })] }, 'secret');
    expect([codeOf('secret'), codeOf('other')]).toEqual(['key_environment', 'key_other']);
    source.current = 2;
    source.changes = {
      tenants: [],
      members: [],
      keys: [keyRow('other', { kind: 'admin', revoked_at: 1 }, { revision: 2 })],
    };
    await list.refresh();
    expect([codeOf('secret'), codeOf('other')]).toEqual(['key_environment', 'invalid_api_key']);
  });

  test('none is valid: one has to be created', async () => {
    const revoked = await listOf({ keys: [keyRow('a', { kind: 'admin', revoked_at: 1 }), keyRow('b')] });
    expect(revoked.list.hasAdmin).toBe(false);
    expect((await listOf({ keys: [keyRow('a', { kind: 'admin' })] })).list.hasAdmin).toBe(true);
    expect((await listOf({}, 'x')).list.hasAdmin).toBe(true);
  });
});

describe('changes', () => {
  test('are read only when the revision changed, and take effect at once', async () => {
    const { source, list, codeOf } = await listOf({ keys: [keyRow('k')] });
    await list.refresh();
    expect(source.reads).toBe(1);
    source.current = 2;
    source.changes = {
      tenants: [],
      members: [],
      keys: [keyRow('k', { revoked_at: 5 }, { revision: 2 }), keyRow('n', {}, { revision: 2 })],
    };
    await Promise.all([list.refresh(), list.refresh()]);
    expect([source.reads, codeOf('k'), codeOf('n')]).toEqual([2, 'invalid_api_key', 'key_n']);
    source.current = 3;
    source.changes = { ...source.changes, tenants: [tenantRow('a', { status: 'suspended', revision: 3 })] };
    await list.refresh();
    expect(codeOf('n')).toBe('permission_denied');
  });

  test('are reported with their tenants, except those of the first refresh', async () => {
    const { list, source, changed } = await listOf({ keys: [keyRow('k')] });
    expect(changed).toEqual([]);
    source.current = 2;
    source.changes = { tenants: [], members: [], keys: [keyRow('k', { revoked_at: 1 }, { revision: 2 })] };
    await list.refresh();
    await list.refresh();
    expect(changed).toEqual([['a']]);
  });

  test('of an unreachable database leave the list as it is', async () => {
    const { source, list, codeOf } = await listOf({ keys: [keyRow('k')] });
    source.fault = new Error('gone');
    expect(await list.refresh().catch(String)).toBe('Error: gone');
    expect(codeOf('k')).toBe('key_k');
    source.fault = undefined;
    source.current = 2;
    await list.refresh();
    expect(source.reads).toBe(2);
  });

  test('a damaged row invalidates only its own key', async () => {
    const { source, list, damaged, codeOf } = await listOf({ keys: [keyRow('k'), keyRow('l')] });
    source.current = 2;
    source.changes = {
      tenants: [],
      members: [],
      keys: [keyRow('k', {}, { revision: 2, document: '{"id":1}' }), keyRow('m', {}, { revision: 2 })],
    };
    await list.refresh();
    expect(['k', 'l', 'm'].map((key) => codeOf(key))).toEqual(['invalid_api_key', 'key_l', 'key_m']);
    expect(damaged).toHaveLength(1);
  });

  test('of a rotation leave both secrets valid until the old one expires', async () => {
    const { list, codeOf, setNow } = await listOf({
      keys: [keyRow('new', { id: 'key_1' }), keyRow('old', { id: 'key_1', expires_at: NOW + 5 })],
    });
    expect([codeOf('new'), codeOf('old')]).toEqual(['key_1', 'key_1']);
    setNow(NOW + 5);
    expect([codeOf('new'), codeOf('old')]).toEqual(['key_1', 'invalid_api_key']);
    expect(list.principalOf('a', 'key_1', () => '').keyName).toBe('new');
  });
});

test('the limits in a tenant are those of itself, its tags, members and keys', async () => {
  const limits: KeyDocument['limits'] = [
    { of: 'requests', per: 'minute', max: 5, mode: 'enforce', on_store_loss: 'local' },
  ];
  const document = JSON.stringify({ limits, tag_limits: { env: limits } });
  const { list } = await listOf({
    tenants: [tenantRow('a', { document }), tenantRow('b')],
    keys: [
      keyRow('k', { limits }),
      keyRow('free'),
      keyRow('l', { limits }, { tenant: 'b' }),
      keyRow('gone', { limits }, { deleted: 1 }),
    ],
  });
  const idsIn = (tenant: string) => list.limitsIn(tenant).map(({ scope, id }) => `${scope} ${id}`);
  expect(idsIn('a')).toEqual(['tag a/env', 'tenant a/', 'key a/key_k']);
  expect(idsIn('b')).toEqual(['key b/key_l']);
  expect(idsIn('unknown')).toEqual([]);
});
