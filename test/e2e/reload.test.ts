import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { eventData } from '../support/event-stream.ts';
import { createGate } from '../support/gate.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { slow } from '../support/scripts.ts';
import {
  chat,
  completion,
  eventually,
  expectError,
  mockConfig,
  post,
  provider,
  streamPieces,
} from './harness.ts';

let mock: MockUpstream;
let other: MockUpstream;
let gateway: Gateway;
let config: Record<string, unknown>;

beforeAll(async () => {
  [mock, other] = await Promise.all([startMockUpstream(), startMockUpstream()]);
  mock.respondAlways(completion('From the first.'));
  other.respondAlways(completion('From the second.'));
  config = mockConfig(mock.url);
  gateway = await startGateway({ config });
});

afterAll(async () => {
  await gateway?.stop();
  await Promise.all([mock?.close(), other?.close()]);
});

const model = (id: string, at = 'mock') => ({ id, targets: [{ provider: at, model: 'upstream-chat' }] });
const statusOf = async (name: string) => {
  const response = await post(gateway, chat({ model: name }));
  await response.arrayBuffer();
  return response.status;
};
const isServed = (name: string) =>
  eventually(`${name} is served`, async () => (await statusOf(name)) === 200);

async function reloads(result: string): Promise<number> {
  const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
  return Number(
    new RegExp(`^weir_config_reloads_total\\{result="${result}"\\} (\\d+)$`, 'm').exec(page)?.[1] ?? 0,
  );
}

beforeEach(async () => {
  // Each test begins with the configuration of the start, in force.
  gateway.writeConfig(config);
  gateway.signal('SIGHUP');
  await isServed('chat');
});

describe('a changed file', () => {
  test('brings new models, and takes old ones away', async () => {
    expect(await statusOf('fresh')).toBe(404);
    gateway.writeConfig({ ...config, models: [model('fresh')] });
    await isServed('fresh');
    await expectError(await post(gateway, chat()), 404, 'model_not_found');
    const listed = await gateway.openai().models.list();
    expect(listed.data.map(({ id }) => id)).toContain('fresh');
    expect(listed.data.map(({ id }) => id)).not.toContain('chat');
  });

  test('that is not valid is refused with its place, and the old one stays', async () => {
    const before = await reloads('rejected');
    gateway.writeConfig('providers: []\nmodels:\n  - id: broken\n    targts: []\n');
    const [, line] = await gateway.waitForOutput(
      /"level":"error"[^\n]*(weir\.yaml:4:5 {2}models\[0\]\.targts: unknown key[^\n]*targets)/,
    );
    expect(line).toBeDefined();
    expect(await statusOf('chat')).toBe(200);
    expect(await reloads('rejected')).toBeGreaterThan(before);
    const health = await fetch(`${gateway.url}/health/ready`);
    expect(health.status).toBe(200);
  });

  test('that is no YAML, or is gone, leaves the old one in force', async () => {
    gateway.writeConfig('server: [\n');
    await gateway.waitForOutput(/"level":"error"[^\n]*not reloaded[^\n]*weir\.yaml:2:1 /);
    rmSync(gateway.configPath);
    await gateway.waitForOutput(
      /"level":"error"[^\n]*not reloaded[^\n]*weir\.yaml {2}(?:was removed|there is no such file)/,
    );
    expect(await statusOf('chat')).toBe(200);
  });

  test('names the keys that need a restart', async () => {
    gateway.writeConfig({ ...config, models: [model('chat'), model('later')], server: { port: 9 } });
    await isServed('later');
    // The environment decides port and data folder here, so that only what the file decides is a change.
    gateway.writeConfig({
      ...config,
      models: [model('chat')],
      storage: { database_url: 'sqlite:./elsewhere' },
    });
    const [, keys] = await gateway.waitForOutput(/"keys":(\[[^\]]*\])[^\n]*after a restart/);
    expect(JSON.parse(keys ?? '')).toEqual(['storage.database_url']);
    expect(await statusOf('chat')).toBe(200);
  });
});

test('SIGHUP reloads the file at once, and logs the result', async () => {
  gateway.writeConfig({ ...config, models: [model('chat'), model('by-signal')] });
  gateway.signal('SIGHUP');
  await isServed('by-signal');
  await gateway.waitForOutput(/"outcome":"(changed|unchanged)"[^\n]*SIGHUP/);
  gateway.writeConfig('nonsense: true\n');
  gateway.signal('SIGHUP');
  await gateway.waitForOutput(/"outcome":"rejected"[^\n]*SIGHUP/);
  expect(await statusOf('by-signal')).toBe(200);
});

test('requests in flight end as they began, new ones go the new way', async () => {
  const gate = createGate();
  gate.release(1);
  mock.respond(slow(streamPieces('Hel', 'lo'), gate));
  const response = await post(gateway, chat({ stream: true }));
  mock.respond({ ...completion('Held.'), gate, holdHead: true });
  const plain = post(gateway, chat());
  await mock.waitForOpen(2);

  gateway.writeConfig({
    providers: [provider({ id: 'second', url: other.url })],
    models: [model('chat', 'second')],
  });
  await eventually('the new way is used', async () => {
    if (other.requests.length > 0) return true;
    await statusOf('chat');
    return false;
  });
  gate.open();
  const data = eventData(await response.bytes());
  expect(data.at(-1)).toBe('[DONE]');
  expect(data.join('')).toContain('"lo"');
  expect(await (await plain).text()).toContain('Held.');
  expect(await (await post(gateway, chat())).text()).toContain('From the second.');
  await mock.waitForConnections(0);
});

test('nothing of this was a defect', () => {
  expect(gateway.stderr()).toBe('');
  const errors = gateway.logs().filter(({ level }) => level === 'error');
  expect(errors.filter(({ msg }) => !String(msg).startsWith('The configuration was not reloaded'))).toEqual(
    [],
  );
});
