import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { eventually, post, weir } from './harness.ts';
import { asObject, type Json } from './helpers/json.ts';

/** Commands that read requests beside a running gateway, and after it has stopped. */

const folder = mkdtempSync(join(tmpdir(), 'weir-requests-'));
const dataDir = join(folder, 'data');
const config = {
  models: [{ id: 'plain', targets: [{ provider: 'simulator', model: 'simulator' }] }],
};
let gateway: Gateway;
let key = '';

const run = (...args: string[]) =>
  weir(args, { WEIR_DATA_DIR: dataDir, WEIR_CONFIG: join(folder, 'weir.yaml') });
async function output(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect([args.join(' '), stderr, code]).toEqual([args.join(' '), stderr, 0]);
  return stdout;
}
const lines = (text: string): Json[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => asObject(JSON.parse(line)));
const ask = (id: string, content: string, model = 'plain') =>
  post(gateway, JSON.stringify({ model, messages: [{ role: 'user', content }] }), {
    headers: { authorization: `Bearer ${key}`, 'x-request-id': id },
  });

beforeAll(async () => {
  writeFileSync(join(folder, 'weir.yaml'), stringify(config));
  gateway = await startGateway({ dataDir, config, env: { PATH: process.env.PATH } });
  await output('tenants', 'create', 'acme', '--tier', 'none');
  await output('tenants', 'update', 'acme', '--request-log', 'on');
  key = String(
    asObject(JSON.parse(await output('keys', 'create', '--tenant', 'acme', '--name', 'k', '--json'))).key,
  );
  await eventually('the key is valid', async () => (await ask('first', 'Hello')).status === 200);
  await ask('second', 'My address is jane@example.com, and the lamp is blue.');
  await ask('third', 'Nothing', 'missing');
  await eventually(
    'they are stored',
    async () => {
      const rows = lines(await output('requests', 'list', '--tenant', 'acme', '--json'));
      const logged = lines(await output('requests', 'export', '--tenant', 'acme'));
      const ids = (some: readonly Json[]) => some.map(({ id }) => id);
      return ids(rows).includes('third') && ids(logged).includes('second');
    },
    30_000,
  );
}, 120_000);
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('weir requests', () => {
  test('list filters, and says when there is nothing', async () => {
    const found = await output('requests', 'list', '--tenant', 'acme', '--status', '4xx');
    expect(found).toContain('third');
    expect(found).toContain('model_not_found');
    const [row] = lines(await output('requests', 'list', '--tenant', 'acme', '--text', 'LAMP', '--json'));
    expect(row).toMatchObject({ id: 'second', model: 'plain', status: 200 });
    const none = await run('requests', 'list', '--tenant', 'acme', '--model', 'none');
    expect([none.code, none.stderr]).toEqual([0, expect.stringContaining('no such requests')]);
    expect((await run('requests', 'list', '--status', 'many')).code).toBe(1);
    expect((await run('requests', 'list', '--tenant', 'none')).stderr).toContain('Unknown tenant');
  }, 60_000);

  test('export has redacted prompts, which replay reads', async () => {
    const text = await output('requests', 'export', '--tenant', 'acme');
    expect(text).toContain('My address is [EMAIL], and the lamp is blue.');
    const file = join(folder, 'requests.jsonl');
    writeFileSync(file, text);
    const { results } = asObject(JSON.parse(await output('replay', file, '--json')));
    expect(Array.isArray(results) && results.map(asObject).length).toBe(2);
  }, 60_000);

  test('show has messages and the decision, also after the gateway has stopped; reading is on record', async () => {
    await gateway.stop();
    const shown = asObject(JSON.parse(await output('requests', 'show', 'second', '--tenant', 'acme')));
    expect(shown).toMatchObject({ id: 'second', status: 200, outcome: 'done' });
    expect(JSON.stringify(shown.messages)).toContain('[EMAIL]');
    expect(asObject(shown.explanation)).toMatchObject({ looks: [{ model: 'plain' }] });
    const trail = await output('audit', '--tenant', 'acme', '--action', 'request_log.read', '--json');
    expect(lines(trail).map(({ details }) => details)).toContainEqual({ request: 'second' });
    expect((await run('requests', 'show', 'none', '--tenant', 'acme')).stderr).toContain('is not kept');
    await output('tenants', 'update', 'acme', '--request-log', 'off');
    expect((await run('tenants', 'update', 'acme', '--request-log', 'maybe')).code).toBe(1);
  }, 60_000);
});
