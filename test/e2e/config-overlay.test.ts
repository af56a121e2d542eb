import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { json } from '../support/scripts.ts';
import { chat, eventually, post, provider } from './harness.ts';
import { completion } from './helpers/chunks.ts';

const SECRET = 'sk-console-secret-0123456789';

let mock: MockUpstream;
let gateway: Gateway;
let folder: string;
const config = () => ({
  providers: [provider({ id: 'engine', url: mock.url })],
  models: [{ id: 'house', targets: [{ provider: 'engine', model: 'm' }] }],
});
const start = () => startGateway({ config: config(), dataDir: folder });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-overlay-'));
  mock = await startMockUpstream();
  mock.respondAlways((request) =>
    request.path.endsWith('/models')
      ? json({ object: 'list', data: [{ id: 'listed', object: 'model', owned_by: 'x' }] })
      : json(completion()),
  );
  gateway = await start();
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Reply {
  readonly status: number;
  readonly etag: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: responses of many shapes, which the assertions describe
  readonly body: any;
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const response = await fetch(`${gateway.url}/admin/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${gateway.adminKey}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, etag: response.headers.get('etag'), body: await response.json() };
}

const added = () => ({ kind: 'openai-compatible', base_url: `${mock.url}/v1`, api_key: SECRET });
const fromOverlay = () => mock.requests.at(-1)?.headers.get('authorization') === `Bearer ${SECRET}`;
const asks = async (model: string) => (await post(gateway, chat({ model }))).status;

test('each value of the configuration has its source', async () => {
  const { file, sources } = (await call('GET', '/config')).body;
  expect(file).toEndWith('.yaml');
  expect(sources['models[0].id']).toEqual({ from: 'file', line: expect.any(Number), variables: [] });
  expect(sources['server.port']).toEqual({ from: 'environment', line: null, variables: ['SERVER_PORT'] });
  expect(sources['server.body_limit']).toBeUndefined();
});

describe('providers and models of the admin API', () => {
  test('a provider is tested before it is stored, and shows the real error', async () => {
    const good = await call('POST', '/providers/test', { provider: { id: 'more', ...added() } });
    expect(good.body).toMatchObject({ ok: true, models: ['listed'], model_count: 1, error: null });
    expect(mock.requests.at(-1)?.headers.get('authorization')).toBe(`Bearer ${SECRET}`);
    const closed = {
      id: 'more',
      kind: 'openai-compatible',
      base_url: 'http://127.0.0.1:9/v1',
      discover: true,
    };
    const bad = await call('POST', '/providers/test', { provider: closed });
    expect(bad.body.ok).toBe(false);
    expect(bad.body.error.message).toContain('127.0.0.1');
    expect((await call('GET', '/providers/more')).status).toBe(404);
  });

  test('it serves requests at once, with its key sealed and never shown', async () => {
    const stored = await call('PUT', '/providers/more', added());
    expect(stored.status).toBe(200);
    expect(stored.body).toMatchObject({ id: 'more', source: 'admin', document: { api_key: '********' } });
    expect(await asks('more/listed')).toBe(200);
    const model = await call('PUT', '/models/cheap', { targets: [{ provider: 'more', model: 'small' }] });
    expect(model.status).toBe(200);
    expect(await asks('cheap')).toBe(200);
    for (const path of ['/providers', '/providers/more', '/config', '/config/changes', '/audit']) {
      expect(JSON.stringify((await call('GET', path)).body)).not.toContain(SECRET);
    }
    for (const name of readdirSync(folder)) {
      if (/\.(?:db|sqlite|wal)/.test(name))
        expect(readFileSync(join(folder, name), 'latin1')).not.toContain(SECRET);
    }
  });

  test('a hidden secret in a change keeps what is stored', async () => {
    const { body } = await call('GET', '/providers/more');
    const changed = await call('PUT', '/providers/more', { ...body.document, connect_timeout: '3s' });
    expect(changed.status).toBe(200);
    expect(await asks('more/listed')).toBe(200);
    expect(mock.requests.at(-1)?.headers.get('authorization')).toBe(`Bearer ${SECRET}`);
  });

  test('a hidden secret does not go to another address', async () => {
    const { body } = await call('GET', '/providers/more');
    const moved = { ...body.document, base_url: 'http://127.0.0.1:9/v1' };
    const tested = await call('POST', '/providers/test', { provider: moved });
    expect([tested.status, tested.body.error.param]).toEqual([400, 'api_key']);
    const stored = await call('PUT', '/providers/more', moved);
    expect([stored.status, stored.body.error.param]).toEqual([400, 'api_key']);
  });

  test.each<[string, string, unknown, string]>([
    ['an unknown kind', '/providers/bad', { kind: 'nope' }, 'kind'],
    ['an unknown member', '/providers/bad', { kind: 'openai', api_kez: 'x' }, 'api_kez'],
    ['another id', '/providers/bad', { id: 'good', kind: 'openai' }, 'id'],
    [
      'an unknown provider',
      '/models/bad',
      { targets: [{ provider: 'none', model: 'm' }] },
      'targets[0].provider',
    ],
    ['no targets', '/models/bad', {}, 'targets'],
  ])('rejects %s and names the member', async (_, path, body, param) => {
    const { status, body: reply } = await call('PUT', path, body);
    expect([status, reply.error.param]).toEqual([400, param]);
    expect((await call('GET', path)).status).toBe(404);
  });

  test('a provider that a model needs is not removed', async () => {
    const { status, body } = await call('DELETE', '/providers/more');
    expect([status, body.error.message]).toEqual([400, expect.stringContaining('more')]);
    expect(await asks('cheap')).toBe(200);
  });

  test('a change of what has changed since is rejected', async () => {
    const { etag } = await call('GET', '/models/cheap');
    const document = { targets: [{ provider: 'more', model: 'other' }] };
    expect((await call('PUT', '/models/cheap', document, { 'if-match': etag ?? '' })).status).toBe(200);
    expect((await call('PUT', '/models/cheap', document, { 'if-match': etag ?? '' })).status).toBe(412);
  });

  test('a dry run shows what would be, and stores nothing', async () => {
    const tried = await call('PUT', '/models/tried?dry_run=true', {
      targets: [{ provider: 'more', model: 'm' }],
    });
    expect(tried.body).toMatchObject({ valid: true, document: { id: 'tried' } });
    expect((await call('GET', '/models/tried')).status).toBe(404);
  });

  test('a model of the file is replaced, left out, and used again', async () => {
    const replaced = await call('PUT', '/models/house', { targets: [{ provider: 'more', model: 'x' }] });
    expect(replaced.body).toMatchObject({ source: 'admin', replaces_file: true });
    await post(gateway, chat({ model: 'house' }));
    expect(mock.requests.at(-1)?.headers.get('authorization')).toBe(`Bearer ${SECRET}`);
    expect((await call('DELETE', '/models/house')).status).toBe(200);
    expect(await asks('house')).toBe(404);
    expect((await call('GET', '/models/house')).body.removed).toBe(true);
    expect((await call('POST', '/models/house/reset')).body).toMatchObject({
      source: 'file',
      removed: false,
    });
    expect(await asks('house')).toBe(200);
    expect((await call('POST', '/models/cheap/reset')).status).toBe(404);
  });

  test('changes are listed, and can be taken back', async () => {
    await call('DELETE', '/models/cheap');
    expect(await asks('cheap')).toBe(404);
    const { body } = await call('GET', '/config/changes?limit=2');
    expect(body.data[0]).toMatchObject({
      section: 'models',
      item: 'cheap',
      actor: 'key:key_environment',
      after: null,
    });
    expect(body.data[0].revision).toBeGreaterThan(body.data[1].revision);
    // The caller has seen another state of the item.
    const seen = { 'if-match': '"99"' };
    expect((await call('POST', `/config/changes/${body.data[0].id}/revert`, undefined, seen)).status).toBe(
      412,
    );
    const reverted = await call('POST', `/config/changes/${body.data[0].id}/revert`);
    expect(reverted.body).toMatchObject({ id: 'cheap', source: 'admin' });
    expect(await asks('cheap')).toBe(200);
  });

  test('the audit trail has each change, with names and no values', async () => {
    const { body } = await call('GET', '/audit?action=config_item.set');
    expect(body.data.length).toBeGreaterThan(2);
    expect(body.data.at(-1)).toMatchObject({ subject: 'providers:more', actor: 'key:key_environment' });
  });

  test('everything is there after a restart', async () => {
    await gateway.stop();
    gateway = await start();
    expect(await asks('cheap')).toBe(200);
    expect(mock.requests.at(-1)?.headers.get('authorization')).toBe(`Bearer ${SECRET}`);
  });

  test('an overlay that does not fit a changed file is left out, and the reason is shown', async () => {
    const [house] = config().models;
    await gateway.stop();
    const models = [{ ...house, aliases: ['cheap'] }];
    gateway = await startGateway({ config: { ...config(), models }, dataDir: folder });
    // The alias of the file, not the model of the overlay.
    expect(await asks('cheap')).toBe(200);
    expect(mock.requests.at(-1)?.headers.get('authorization')).not.toBe(`Bearer ${SECRET}`);
    const rejected = (await call('GET', '/config')).body.overlay_rejected;
    expect(rejected).toContain('cheap');
    gateway.writeConfig(config());
    await eventually('the file fits again', async () => (await asks('cheap')) === 200 && fromOverlay());
    expect((await call('GET', '/config')).body.overlay_rejected).toBeNull();
  });
});

test('after a change of WEIR_SECRET the gateway starts with the file alone, and says what it cannot read', async () => {
  const own = mkdtempSync(join(tmpdir(), 'weir-overlay-secret-'));
  const startWith = (secret: string) =>
    startGateway({ config: config(), dataDir: own, env: { WEIR_SECRET: secret } });
  const put = (on: Gateway) =>
    fetch(`${on.url}/admin/v1/providers/more`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${on.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(added()),
    });
  try {
    const first = await startWith('a secret of sixteen characters');
    expect((await put(first)).status).toBe(200);
    await first.stop();
    const second = await startWith('another secret of that length');
    const headers = { authorization: `Bearer ${second.adminKey}` };
    expect((await post(second, chat({ model: 'house' }))).status).toBe(200);
    const { overlay_rejected } = await (await fetch(`${second.url}/admin/v1/config`, { headers })).json();
    expect(overlay_rejected).toContain('WEIR_SECRET');
    expect((await put(second)).status).toBe(200);
    expect((await post(second, chat({ model: 'more/listed' }))).status).toBe(200);
    const after = await (await fetch(`${second.url}/admin/v1/config`, { headers })).json();
    expect(after.overlay_rejected).toBeNull();
    await second.stop();
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
});

test('without a file, providers of the environment stay next to those of the admin API', async () => {
  const plain = await startGateway({ env: { OPENAI_API_KEY: 'sk-x', OPENAI_BASE_URL: `${mock.url}/v1` } });
  try {
    const put = await fetch(`${plain.url}/admin/v1/providers/more`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${plain.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(added()),
    });
    expect(put.status).toBe(200);
    for (const model of ['openai/listed', 'more/listed', 'simulator']) {
      expect((await post(plain, chat({ model }))).status).toBe(200);
    }
    // A name that only the environment could give is a warning in a file, and an error here.
    const headers = { authorization: `Bearer ${plain.adminKey}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ targets: [{ provider: 'nowhere', model: 'm' }] });
    const lost = await fetch(`${plain.url}/admin/v1/models/lost`, { method: 'PUT', headers, body });
    expect([lost.status, JSON.stringify(await lost.json())]).toEqual([
      400,
      expect.stringContaining('nowhere'),
    ]);
    const many = Array.from({ length: 8 }, (_, index) => `made-${index}`);
    const made = await Promise.all(
      many.map((id) =>
        fetch(`${plain.url}/admin/v1/models/${id}`, {
          method: 'PUT',
          headers,
          body: JSON.stringify({ targets: [{ provider: 'more', model: id }] }),
        }),
      ),
    );
    expect(made.map(({ status }) => status)).toEqual(many.map(() => 200));
    for (const model of many) expect((await post(plain, chat({ model }))).status).toBe(200);
    for (const id of ['openai', 'simulator']) {
      const removed = await fetch(`${plain.url}/admin/v1/providers/${id}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${plain.adminKey}` },
      });
      expect(removed.status).toBe(400);
    }
    const list = await fetch(`${plain.url}/admin/v1/providers`, {
      headers: { authorization: `Bearer ${plain.adminKey}` },
    });
    const sources = (await list.json()).data.map(({ id, source }: { id: string; source: string }) => [
      id,
      source,
    ]);
    expect(sources).toEqual([
      ['more', 'admin'],
      ['openai', 'environment'],
      ['simulator', 'built-in'],
    ]);
  } finally {
    await plain.stop();
  }
});
