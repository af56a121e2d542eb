import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { createGate } from '../support/gate.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { startRegions, type TestRegion, type TestRegions } from '../support/regions.ts';
import { eventStream, json, truncatedStream } from '../support/scripts.ts';
import { chat, completion, errorIn, provider, streamPieces } from './harness.ts';

/** Three regions with one control database: who serves a tenant, and where its data goes. */

let upstreams: Record<string, MockUpstream> = {};
let all: TestRegions;
const keys = new Map<string, string>();

const region = (id: string): TestRegion => {
  const found = all.regions[id];
  if (!found) throw new Error(`no region ${id}`);
  return found;
};
const upstream = (id: string): MockUpstream => {
  const found = upstreams[id];
  if (!found) throw new Error(`no upstream ${id}`);
  return found;
};
const key = (tenant: string) => keys.get(tenant) ?? '';

/** Models whose targets are in two regions, in every way in which a request may reach a second target. */
const models = (url: (id: string) => string) => {
  const target = (id: string) => ({ provider: `p-${id}`, model: 'upstream-chat' });
  return {
    providers: [
      ...['eu', 'us'].map((id) => provider({ id: `p-${id}`, url: url(id), settings: { region: `${id}-1` } })),
      provider({ id: 'p-unknown', url: url('us') }),
    ],
    models: [
      { id: 'chat', targets: [target('eu')] },
      { id: 'far', targets: [target('us')] },
      { id: 'unknown', targets: [target('unknown')] },
      { id: 'both', strategy: 'round-robin', targets: [target('us'), target('eu'), target('us')] },
      { id: 'fallback', targets: [target('eu')], fallbacks: ['far', 'unknown'] },
      { id: 'hedged', targets: [target('eu'), target('us')], hedge: { percent: 100, after: '1ms' } },
      { id: 'mirrored', targets: [target('eu')], mirror: { model: 'far', percent: 100 } },
      { id: 'escalated', targets: [target('eu')], escalate: { model: 'far', when: ['refusal'] } },
      { id: 'split', targets: [target('eu')], split: [{ name: 'a', model: 'far', percent: 100 }] },
      { id: 'continued', targets: [target('eu'), target('us')], continue_streams: true },
    ],
  };
};

async function start(more: Readonly<Record<string, unknown>> = {}, eu: object = {}): Promise<void> {
  upstreams = { eu: await startMockUpstream(), us: await startMockUpstream() };
  all = await startRegions({
    regions: [{ id: 'eu', ...eu }, { id: 'us' }, { id: 'ap' }],
    config: () => ({ ...models((id) => upstream(id).url), ...more }),
  });
}

async function stop(): Promise<void> {
  await all.close();
  for (const one of Object.values(upstreams)) await one.close();
}

async function admin(at: string, method: string, path: string, body?: object): Promise<Response> {
  return region(at).send(`/admin/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${all.adminKey}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
}

/** Creates a tenant with a key in its home region; the other gateways read it. */
async function tenant(id: string, residency: object | null, more: object = {}): Promise<void> {
  expect((await admin('eu', 'POST', '/tenants', { id, tier: null, residency, ...more })).status).toBe(201);
  const made: { key: string } = await (
    await admin('eu', 'POST', `/tenants/${id}/keys`, { name: 'k' })
  ).json();
  keys.set(id, made.key);
  for (const { gateway } of Object.values(all.regions)) await gateway.gateway.refresh();
}

function ask(at: string, of: string, more: object = {}, headers: Record<string, string> = {}) {
  return region(at).send('/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: `Bearer ${key(of)}`, 'content-type': 'application/json', ...headers },
    body: chat({ ...more }),
  });
}

describe('requests in the wrong region', () => {
  beforeAll(async () => {
    await start();
    await tenant('strict', { region: 'eu', allowed: ['eu'] });
    await tenant('relayed', { region: 'eu', allowed: ['eu'], elsewhere: 'forward' });
    await tenant('anywhere', null);
  }, 60_000);
  afterAll(stop);
  afterEach(() => {
    expect(upstream('us').requests.length).toBe(0);
  });

  test('are rejected with the right address', async () => {
    const response = await ask('us', 'strict');
    expect(response.status).toBe(421);
    expect(response.headers.get('x-weir-region')).toBe('eu');
    expect(response.headers.get('x-weir-region-address')).toBe(region('eu').url);
    const { code, message } = errorIn(await response.json());
    expect(code).toBe('wrong_region');
    expect(message).toContain(`Send the request to ${region('eu').url}.`);
    expect(region('eu').arrived).not.toContain('POST /v1/chat/completions');
  });

  test('are served in the home region, and those of other tenants everywhere', async () => {
    upstream('eu').respond(completion('Here.'), completion('There.'));
    const home = await ask('eu', 'strict');
    expect([home.status, home.headers.get('x-weir-region')]).toEqual([200, 'eu']);
    await home.arrayBuffer();
    const other = await ask('us', 'anywhere');
    expect([other.status, other.headers.get('x-weir-region')]).toEqual([200, 'us']);
    await other.arrayBuffer();
  });

  test('are forwarded, and the response is the one of the home region', async () => {
    upstream('eu').respond(completion('Forwarded.'));
    const response = await ask('us', 'relayed', {}, { 'x-request-id': 'one-id' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-weir-region')).toBe('eu');
    expect(response.headers.get('x-request-id')).toBe('one-id');
    expect(response.headers.get('x-weir-provider')).toBe('p-eu');
    expect(await response.text()).toContain('"Forwarded."');
  });

  test('streams arrive byte for byte, while they are made', async () => {
    const gate = createGate();
    const sent = streamPieces('One', ' two', ' three');
    // As the home region sends it to its own clients.
    const pieces = sent.map((piece) => piece.replace('upstream-chat', 'chat'));
    upstream('eu').respond(eventStream(sent, { gate }));
    gate.release(1);
    const response = await ask('us', 'relayed', { stream: true });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const reader = response.body?.getReader();
    // The first event is here while the upstream holds the others back.
    const first = await reader?.read();
    expect(new TextDecoder().decode(first?.value)).toBe(pieces[0] ?? '');
    gate.open();
    let rest = '';
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      rest += new TextDecoder().decode(part.value);
    }
    expect(rest).toBe(pieces.slice(1).join(''));
  });

  test('errors of the home region come back as they are', async () => {
    const response = await ask('us', 'relayed', { model: 'no-such-model' });
    expect([response.status, response.headers.get('x-weir-region')]).toEqual([404, 'eu']);
    expect(errorIn(await response.json()).code).toBe('model_not_found');
  });

  test('a stream that breaks does not end cleanly', async () => {
    upstream('eu').respond(truncatedStream(streamPieces('One').slice(0, 1)));
    const response = await ask('us', 'relayed', { stream: true });
    const text = await response.text();
    // The home region's error event, in the client's dialect.
    expect(text).toContain('"error"');
    expect(text).not.toContain('[DONE]');
  });

  test('a wrong key is rejected where it arrives', async () => {
    const response = await region('us').send('/v1/models', { headers: { authorization: 'Bearer wr-wrong' } });
    expect(response.status).toBe(401);
    await response.arrayBuffer();
  });

  test('the home region sees the address of the client', async () => {
    const made = await admin('eu', 'POST', '/tenants/relayed/keys', {
      name: 'bound',
      scopes: { addresses: ['127.0.0.1/32'] },
    });
    const { key: bound }: { key: string } = await made.json();
    for (const { gateway } of Object.values(all.regions)) await gateway.gateway.refresh();
    const home = region('eu').gateway;
    const headers = (client: string) => ({ authorization: `Bearer ${bound}`, 'x-forwarded-for': client });
    // Neither a header that anybody can write ...
    const forged = await home.call('GET', '/v1/models', {
      address: '10.9.9.9',
      headers: headers('127.0.0.1'),
    });
    expect(forged.status).toBe(403);
    // ... nor a signature that no region has made counts.
    const signed = await home.call('GET', '/v1/models', {
      address: '10.9.9.9',
      headers: {
        ...headers('127.0.0.1'),
        'x-weir-forwarded': `from=us, client=127.0.0.1, at=${Math.floor(Date.now() / 1000)}, signature=${'0'.repeat(64)}`,
      },
    });
    expect(signed.status).toBe(403);
    expect(signed.text).toContain('not signed');
    const response = await region('us').send('/v1/models', { headers: { authorization: `Bearer ${bound}` } });
    expect([response.status, response.headers.get('x-weir-region')]).toEqual([200, 'eu']);
    await response.arrayBuffer();
  });

  test('the admin API follows the same rules, but for the tenant itself', async () => {
    const forwarded = await admin('us', 'GET', '/tenants/relayed/keys');
    expect([forwarded.status, forwarded.headers.get('x-weir-region')]).toEqual([200, 'eu']);
    await forwarded.arrayBuffer();
    const rejected = await admin('us', 'GET', '/tenants/strict/usage');
    expect(rejected.status).toBe(421);
    await rejected.arrayBuffer();
    const changed = await admin('us', 'PATCH', '/tenants/relayed', { name: 'Relayed Inc.' });
    expect([changed.status, changed.headers.get('x-weir-region')]).toEqual([200, 'us']);
    await changed.arrayBuffer();
    const patched = await admin('us', 'POST', '/tenants/relayed/keys', { name: 'made-there' });
    expect([patched.status, patched.headers.get('x-weir-region')]).toEqual([201, 'eu']);
    const { id }: { id: string } = await patched.json();
    expect((await admin('us', 'DELETE', `/tenants/relayed/keys/${id}`)).status).toBeLessThan(300);
    const created = await admin('us', 'POST', '/tenants', { id: 'late', residency: { region: 'eu' } });
    expect(created.status).toBe(421);
    expect(await created.text()).toContain(region('eu').url);
  });

  test('a request is forwarded once: regions that disagree do not pass it on', async () => {
    const at = region('ap');
    const signature = await forwardedHeader('us', 'ap');
    const response = await at.send('/v1/models', {
      headers: { authorization: `Bearer ${key('relayed')}`, 'x-weir-forwarded': signature },
    });
    expect(response.status).toBe(503);
    expect(await response.text()).toContain('forwarded once');
  });

  test('regions and their state are listed', async () => {
    await region('us').check();
    const list: { region: string; data: object[] } = await (await admin('us', 'GET', '/regions')).json();
    expect(list.region).toBe('us');
    expect(list.data).toMatchObject([
      { id: 'eu', is_own: false, up: true, latency_ms: expect.any(Number), fault: null },
      { id: 'us', is_own: true, up: true, latency_ms: null },
      { id: 'ap', is_own: false, up: true },
    ]);
  });
});

/** What a region would send, signed with the secret of all regions. */
async function forwardedHeader(from: string, to: string): Promise<string> {
  const { ForwardSignature } = await import('../../src/regions/forward-signature.ts');
  const { digester } = region(from).gateway.gateway.stores;
  const signature = new ForwardSignature(
    digester.digest('requests forwarded between regions'),
    () => Date.now() / 1_000,
  );
  return signature.sign({ from, client: '127.0.0.1' }, { to, method: 'GET', target: '/v1/models' });
}

describe('residency', () => {
  beforeAll(async () => {
    await start({
      cache: { exact: { ttl: '60s' } },
    });
    await tenant('resident', { region: 'eu', allowed: ['eu'] });
  }, 60_000);
  afterAll(stop);

  test('no request goes to a target outside, whichever way leads there', async () => {
    upstream('eu').respondAlways((request) =>
      request.text().includes('"stream":true')
        ? eventStream(streamPieces("I can't help with that."))
        : completion("I can't help with that."),
    );
    for (const model of ['far', 'unknown', 'p-us/upstream-chat', 'p-unknown/upstream-chat']) {
      const response = await ask('eu', 'resident', { model });
      const body = await response.json();
      expect([model, response.status]).toEqual([model, 400]);
      expect(errorIn(body).message).toContain('residency');
    }
    for (const model of [
      'both',
      'both',
      'fallback',
      'hedged',
      'mirrored',
      'escalated',
      'split',
      'continued',
    ]) {
      for (const stream of [false, true]) {
        const response = await ask('eu', 'resident', { model, stream });
        expect([model, stream, response.status]).toEqual([model, stream, 200]);
        await response.arrayBuffer();
      }
    }
    // A request that insists on another region cannot widen what the tenant allows.
    const insisting = await ask('eu', 'resident', { model: 'both' }, { 'x-weir-region': 'us' });
    expect(insisting.status).toBe(400);
    await insisting.arrayBuffer();
    expect(upstream('us').requests).toEqual([]);
  });

  test('a target that fails is not replaced by one outside', async () => {
    upstream('eu').when(() => true, { status: 500, body: 'no' }, 10);
    const response = await ask('eu', 'resident', { model: 'fallback', user: 'failing', max_tokens: 7 });
    expect(response.status).toBeGreaterThanOrEqual(500);
    await response.arrayBuffer();
    expect(upstream('us').requests).toEqual([]);
  });
});

describe('guardrail servers', () => {
  let server: MockUpstream;
  beforeAll(async () => {
    server = await startMockUpstream();
    await start({
      guardrails: [
        {
          id: 'far-away',
          kind: 'http',
          server: { url: server.url, region: 'us' },
          on: ['input'],
          action: 'block',
        },
      ],
    });
    await tenant('resident', { region: 'eu', allowed: ['eu'] });
    await tenant('anywhere', null);
  }, 60_000);
  afterAll(async () => {
    await stop();
    await server.close();
  });

  test('outside the regions of a tenant get none of its texts', async () => {
    const response = await ask('eu', 'resident');
    expect(response.status).toBe(503);
    expect(errorIn(await response.json()).code).toBe('guardrail_unavailable');
    expect(server.requests).toEqual([]);
    upstream('eu').respond(completion());
    server.respond(json({ flagged: false, findings: [] }));
    const other = await ask('eu', 'anywhere');
    await other.arrayBuffer();
    expect(server.requests.length).toBe(1);
  });
});

describe('failover', () => {
  beforeAll(async () => {
    await start();
    await tenant('homebound', { region: 'eu', allowed: ['eu'], elsewhere: 'forward' });
    await tenant(
      'mobile',
      { region: 'eu', allowed: ['eu', 'us'], failover: ['us'], elsewhere: 'forward' },
      { limits: [{ of: 'requests', per: 'day', max: 20 }] },
    );
  }, 60_000);
  afterAll(stop);

  test('other regions serve the tenants that allow it, with a part of their quotas, and no others', async () => {
    upstream('us').respondAlways(completion('From us.'));
    upstream('eu').respondAlways(completion('From eu.'));
    const served = async (at: string, of: string, more: object = {}) => {
      const response = await ask(at, of, more);
      const text = await response.text();
      return { status: response.status, by: response.headers.get('x-weir-region'), text };
    };
    // With 'both', either side can respond where both are allowed.
    expect(await served('us', 'mobile')).toMatchObject({ status: 200, by: 'eu' });

    region('eu').fail();
    // Before the health checks have noticed it: sent to no other region, and no more than once.
    expect(await served('us', 'mobile')).toMatchObject({
      status: 503,
      text: expect.stringContaining('not sent'),
    });
    await region('us').check();
    await region('ap').check();
    expect(await served('us', 'homebound')).toMatchObject({ status: 503, by: 'us' });
    // A region that is not in the list forwards to the one that took over.
    expect(await served('ap', 'mobile', { model: 'both' })).toMatchObject({ status: 200, by: 'us' });
    expect(await served('us', 'mobile', { model: 'both' })).toMatchObject({ status: 200, by: 'us' });
    // 20 requests a day, of which a tenth is for failover.
    expect(await served('us', 'mobile', { model: 'both' })).toMatchObject({ status: 429, by: 'us' });
    const metrics = await region('us').gateway.gateway.metrics.render();
    expect(metrics).toContain('weir_region_up{region="eu"} 0');
    expect(metrics).toContain('weir_region_requests_total{region="eu",action="served"}');
    expect(metrics).toContain('weir_region_requests_total{region="eu",action="unavailable"}');
  });
});

describe('limits of tenants that every region serves', () => {
  beforeAll(async () => {
    await start({}, { share: 0.5 });
    await tenant('anywhere', null, { limits: [{ of: 'requests', per: 'day', max: 7 }] });
  }, 60_000);
  afterAll(stop);

  test('are divided: together, the regions admit exactly the limit', async () => {
    upstream('eu').respondAlways(completion());
    const admitted: Record<string, number> = { eu: 0, us: 0, ap: 0 };
    for (let round = 0; round < 5; round += 1) {
      for (const at of Object.keys(admitted)) {
        const response = await ask(at, 'anywhere');
        await response.arrayBuffer();
        if (response.status === 200) admitted[at] = (admitted[at] ?? 0) + 1;
        else expect(response.status).toBe(429);
      }
    }
    expect(admitted).toEqual({ eu: 3, us: 2, ap: 2 });
  });
});
