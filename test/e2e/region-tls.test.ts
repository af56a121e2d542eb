import { afterAll, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Servers, startServers } from '../../src/app/servers.ts';
import { health } from '../../src/cli/health.ts';
import { createTestCertificate, type TestCertificate } from '../support/certificates.ts';
import { loadText } from '../support/config-source.ts';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { silentLogger } from '../support/log.ts';
import { temporaryFolder } from '../support/secret-stores/fixture.ts';
import { errorIn } from './harness.ts';

/** Two regions whose gateways present certificates to each other. Each certificate of the test is its own authority. */

const DAY_MS = 86_400_000;
const server = createTestCertificate({ name: 'eu.test' });
const client = createTestCertificate({ name: 'us.test' });
const renewed = createTestCertificate({ name: 'renewed.test' });
const stranger = createTestCertificate({ name: 'stranger.test' });
const expired = createTestCertificate({
  name: 'expired.test',
  notBefore: new Date(Date.now() - 3 * DAY_MS),
  notAfter: new Date(Date.now() - DAY_MS),
});

const folder = temporaryFolder();
const path = (name: string) => join(folder.path, name);
const file = (name: string, text: string) => {
  writeFileSync(path(name), text);
  return path(name);
};
/** The files that the region `us` names. */
const present = ({ cert, key }: TestCertificate, ca: string = server.cert) => {
  for (const [name, text] of Object.entries({ 'us.pem': cert, 'us.key': key, 'ca.pem': ca }))
    file(name, text);
};

const rejections: unknown[] = [];
const EU = {
  server: {
    ...{ host: '127.0.0.1', port: 0, metrics_port: 0 },
    tls: {
      ...{ cert: file('eu.pem', server.cert), key: file('eu.key', server.key) },
      client_ca: file('clients.pem', client.cert + renewed.cert + expired.cert),
    },
  },
};
const env = { DATABASE_URL: `sqlite:${path('databases')}`, WEIR_SECRET: 'the secret of all regions' };

let eu: InProcessGateway;
let us: InProcessGateway;
let servers: Servers;
let key = '';
const started: InProcessGateway[] = [];

function regions(tls: object | null) {
  return {
    region_routing: { interval: '1ms', failures: 3, successes: 1, tls },
    regions: [
      { id: 'eu', address: `https://127.0.0.1:${servers.api.port}` },
      { id: 'us', address: 'http://us.test' },
    ],
  };
}

async function startUs(tls: object | null): Promise<InProcessGateway> {
  const gateway = await gatewayInProcess({ config: { region: 'us', ...regions(tls) }, env });
  started.push(gateway);
  return gateway;
}

beforeAll(async () => {
  const logger = { ...silentLogger(), warn: (fields: unknown) => void rejections.push(fields) };
  const constructed = Promise.withResolvers<InProcessGateway['gateway']>();
  servers = await startServers(loadText(JSON.stringify(EU)).config, constructed.promise, logger, '0.0.0');
  eu = await gatewayInProcess({ config: { region: 'eu', ...regions(null) }, env });
  constructed.resolve(eu.gateway);
  present(client);
  us = await startUs({ ca: path('ca.pem'), cert: path('us.pem'), key: path('us.key') });
  const admin = { key: eu.adminKey };
  const body = { id: 'european', tier: null, residency: { region: 'eu', elsewhere: 'forward' } };
  expect((await eu.call('POST', '/admin/v1/tenants', { ...admin, body })).status).toBe(201);
  const made = await eu.call('POST', '/admin/v1/tenants/european/keys', { ...admin, body: { name: 'k' } });
  key = String(made.body.key);
  await us.gateway.refresh();
}, 60_000);
afterAll(async () => {
  for (const one of [servers.api, servers.metrics]) one?.close();
  for (const gateway of [eu, ...started]) await gateway.close();
  folder.remove();
});

async function check(gateway: InProcessGateway): Promise<string | null> {
  await gateway.gateway.checkRegions();
  const { body } = await gateway.call('GET', '/admin/v1/regions', { key: gateway.adminKey });
  const [found] = Array.isArray(body.data) ? body.data : [];
  return found.fault;
}

const ask = (gateway: InProcessGateway) => gateway.call('GET', '/v1/models', { key });

test('checks and forwarded requests present a certificate; a renewed one is used without a restart', async () => {
  expect(await check(us)).toBeNull();
  const response = await ask(us);
  expect([response.status, response.headers.get('x-weir-region')]).toEqual([200, 'eu']);
  present(renewed);
  expect(await check(us)).toBeNull();
  expect((await ask(us)).status).toBe(200);
  expect(rejections).toEqual([]);
});

test('an expired certificate, and one of another authority, give an error that says so on both sides', async () => {
  for (const [certificate, onThisSide, onTheOther] of [
    [expired, /"region_routing\.tls\.cert" of CN=expired\.test expired on \d{4}/, 'CERT_HAS_EXPIRED'],
    [stranger, /may reject the client certificate "region_routing\.tls\.cert"/, 'SELF_SIGNED'],
  ] as const) {
    present(client);
    expect(await check(us)).toBeNull();
    present(certificate);
    rejections.length = 0;
    expect(await check(us)).toMatch(onThisSide);
    const { status, body } = await ask(us);
    const { code, message } = errorIn(body);
    expect([status, code]).toEqual([502, 'region_unavailable']);
    expect(message).toMatch(onThisSide);
    // Lines are limited, and the first one is of the first certificate.
    if (certificate === expired) expect(JSON.stringify(rejections)).toContain(onTheOther);
  }
});

test('files that do not belong together leave those in use, and are used once they do', async () => {
  present(client);
  expect(await check(us)).toBeNull();
  file('us.pem', renewed.cert);
  expect(await check(us)).toBeNull();
  file('us.key', renewed.key);
  expect(await check(us)).toBeNull();
  file('us.pem', 'no certificate');
  expect(await check(us)).toBeNull();
  const tls = { ca: path('ca.pem'), cert: path('us.pem'), key: path('us.key') };
  await expect(startUs(tls)).rejects.toThrow(/"region_routing\.tls\.cert": .*us\.pem is not a PEM file/);
  file('us.pem', client.cert);
  await expect(startUs(tls)).rejects.toThrow(/us\.key\) does not belong to "region_routing\.tls\.cert"/);
  present(client);
});

test('a wrong authority, and no certificate, give an error that says so', async () => {
  present(client, stranger.cert);
  expect(await check(us)).toContain('SELF_SIGNED');
  expect(errorIn((await ask(us)).body).message).toContain('SELF_SIGNED');
  present(client);
  expect(await check(us)).toBeNull();
  const without = await startUs({ ca: path('ca.pem') });
  expect(await check(without)).toContain('It may ask for a client certificate: set "region_routing.tls"');
});

test('probes have no certificate: the metrics port serves health, and `weir health` asks it', async () => {
  const api = `https://127.0.0.1:${servers.api.port}`;
  const metrics = `http://127.0.0.1:${servers.metrics?.port}`;
  const status = async (url: string) => {
    const response = await fetch(url, { tls: { ca: server.cert } }).catch(() => undefined);
    await response?.arrayBuffer();
    return response?.status;
  };
  expect(await status(`${api}/health/ready`)).toBeUndefined();
  for (const probe of ['/health/live', '/health/ready']) expect(await status(metrics + probe)).toBe(200);
  for (const other of ['/health', '/v1/models', '/']) expect(await status(metrics + other)).toBe(404);

  const run = async (metricsPort: number | null | undefined) => {
    const lines: string[] = [];
    const out = (line: string) => void lines.push(line);
    const { port } = servers.api;
    const config = { server: { ...EU.server, port, metrics_port: metricsPort } };
    writeFileSync(path('weir.yaml'), JSON.stringify(config));
    const output = { out, err: out, colour: false };
    const code = await health({ env: {}, cwd: folder.path, live: false, output });
    return { code, lines };
  };
  expect(await run(servers.metrics?.port)).toEqual({ code: 0, lines: ['ready'] });
  await expect(run(null)).rejects.toThrow(/Set "server\.metrics_port"/);
});
