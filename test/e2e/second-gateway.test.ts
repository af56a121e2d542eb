import { afterEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setUp } from '../../scripts/setup.mjs';
import { freePort } from '../support/free-port.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { PROGRAM } from '../support/program.ts';
import { chat, post, weir } from './harness.ts';
import { asObject, type Json } from './helpers/json.ts';

/** The simulator as a process, in place of an engine that loads a model. */
const ENGINE = [
  setUp({ withDev: true }),
  ...['--no-env-file', '--no-install', PROGRAM, 'simulator', '--port', '{port}'],
];
const config = () => ({
  engines: { commands: [{ id: 'one', command: ENGINE, engine: 'llamacpp' }] },
  models: [{ id: 'm1', targets: [{ provider: 'one', model: 'simulator' }] }],
});

const folders: string[] = [];
const running: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-second-'));
  folders.push(folder);
  return folder;
}

async function start(options: Parameters<typeof startGateway>[0]): Promise<Gateway> {
  const gateway = await startGateway(options);
  running.push(gateway);
  return gateway;
}

async function engine(gateway: Gateway): Promise<Json> {
  const response = await fetch(`${gateway.url}/admin/v1/engines`, {
    headers: { authorization: `Bearer ${gateway.adminKey}` },
  });
  const { data } = asObject(await response.json());
  return asObject(Array.isArray(data) ? data[0] : undefined);
}

async function freePorts(): Promise<Record<string, string>> {
  return {
    SERVER_HOST: '127.0.0.1',
    SERVER_PORT: String(await freePort()),
    METRICS_PORT: String(await freePort()),
  };
}

describe('a second gateway', () => {
  test('on the data folder of a running one does not start, and leaves its engines and data alone', async () => {
    const dataDir = newFolder();
    const first = await start({ config: config(), dataDir });
    expect((await post(first, chat({ model: 'm1' }))).status).toBe(200);
    const { pid } = await engine(first);
    const before = readdirSync(dataDir).sort();

    const env = { ...(await freePorts()), WEIR_DATA_DIR: dataDir, WEIR_CONFIG: first.configPath };
    const second = await weir(['serve'], env);
    expect(second.code).toBe(1);
    expect(second.stdout).toBe('');
    expect(second.stderr).toContain(`The data folder ${dataDir} is in use by another Weir`);
    expect(second.stderr).toContain(`process ${first.pid} at ${first.url}`);
    expect(second.stderr).toContain('WEIR_DATA_DIR');
    expect(second.stderr).not.toMatch(/\n\s+at |\.ts:\d+/);

    expect(await engine(first)).toMatchObject({ pid, state: 'ready', loads: 1 });
    expect((await post(first, chat({ model: 'm1' }))).status).toBe(200);
    expect(readdirSync(dataDir).sort()).toEqual(before);
  }, 30_000);

  test('on the SQLite folder of a running one does not start, also with a data folder of its own', async () => {
    const database = newFolder();
    const first = await start({ env: { DATABASE_URL: `sqlite:${database}` }, dataDir: newFolder() });
    const env = { ...(await freePorts()), DATABASE_URL: `sqlite:${database}`, WEIR_DATA_DIR: newFolder() };
    const second = await weir(['serve'], env);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`The data folder ${database} is in use by another Weir`);
    expect(second.stderr).toContain(`process ${first.pid}`);
  }, 30_000);

  test('starts after the first was killed, without any cleaning', async () => {
    const dataDir = newFolder();
    const first = await start({ dataDir });
    first.signal('SIGKILL');
    await first.exited;
    const second = await start({ dataDir });
    expect((await post(second, chat({ model: 'simulator' }))).status).toBe(200);
  }, 30_000);

  test('that cannot have its port stops no engine of a gateway that crashed, and stores nothing', async () => {
    const mock: MockUpstream = await startMockUpstream();
    running.push({ stop: () => mock.close() });
    const dataDir = newFolder();
    const taken = { ...(await freePorts()), SERVER_PORT: String(mock.port), WEIR_DATA_DIR: dataDir };
    const failed = await weir(['serve'], taken);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain(`Cannot listen on 127.0.0.1:${mock.port}`);
    expect(existsSync(join(dataDir, 'control.sqlite'))).toBe(false);

    // The admin key is shown at a start that succeeds, whatever was tried before.
    const first = await start({ dataDir, env: { WEIR_ADMIN_KEY: undefined } });
    await first.waitForOutput(/wr-admin-[0-9a-f]{48}/);
  }, 30_000);
});
