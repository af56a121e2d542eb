import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setUp } from '../../scripts/setup.mjs';
import { cleanEnvironment, type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { startObjectStore } from '../support/object-store.ts';
import { PROGRAM } from '../support/program.ts';
import { chat, completion, eventually, mockConfig, post, weir } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-logs-'));
const logs = join(folder, 'logs');
let mock: MockUpstream;
let gateway: Gateway;
let env: Record<string, string>;

beforeAll(async () => {
  mock = await startMockUpstream();
  gateway = await startGateway({ config: mockConfig(mock.url, { log: { files: { folder: logs } } }) });
  const configPath = join(folder, 'weir.yaml');
  writeFileSync(configPath, readFileSync(gateway.configPath));
  env = { WEIR_CONFIG: configPath };
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function send(id: string, status: 200 | 500 = 200): Promise<void> {
  mock.respond(status === 200 ? completion() : { status, body: '{"error":{"message":"planned"}}' });
  await (await post(gateway, chat(), { headers: { 'x-request-id': id } })).text();
}

async function search(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await weir(['logs', '--json', ...args], env);
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Record<string, unknown> => JSON.parse(line));
}

describe('weir logs', () => {
  test('finds the line of a request by what is known of it', async () => {
    await send('logs-1');
    await send('logs-2', 500);
    await eventually(
      'both lines are in the file',
      async () => (await search('--text', 'logs-2')).length === 1,
    );
    expect(await search('--request-id', 'logs-1')).toMatchObject([
      {
        ...{ level: 'info', msg: 'request', request_id: 'logs-1', tenant: 'default', key: 'key_environment' },
        ...{ model: 'chat', provider: 'mock', upstream_model: 'upstream-chat', status: 200 },
        ...{
          input_tokens: 3,
          output_tokens: 2,
          gateway_ms: expect.any(Number),
          upstream_ms: expect.any(Number),
        },
      },
    ]);
    expect(await search('--status', '5xx', '--model', 'chat', '--level', 'warn')).toMatchObject([
      { request_id: 'logs-2', failed_attempts: [{ error: 'upstream_error' }] },
    ]);
    expect(await search('--tenant', 'default', '--limit', '1')).toMatchObject([{ request_id: 'logs-2' }]);
    const { stdout } = await weir(['logs', '--request-id', 'logs-1'], env);
    expect(stdout).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO {2}request request_id=logs-1 tenant=default .*status=200/,
    );
    for (const name of readdirSync(logs)) expect(statSync(join(logs, name)).mode & 0o077).toBe(0);
  }, 30_000);

  test('says what it searched when it finds nothing, and what is not valid', async () => {
    const nothing = await weir(['logs', '--tenant', 'nobody'], env);
    expect([nothing.code, nothing.stdout, nothing.stderr]).toEqual([
      0,
      '',
      expect.stringMatching(/^No line matches. The files have lines from \d{4}-.* to .* \(UTC\)\.\n$/),
    ]);
    const off = await weir(['logs']);
    expect([off.code, off.stderr]).toEqual([1, expect.stringContaining('set "log.files"')]);
    const empty = await weir(['logs', '--folder', join(folder, 'nowhere')], env);
    expect([empty.code, empty.stderr]).toEqual([0, expect.stringContaining('There are no log files in')]);
    for (const args of [
      ['--status', 'bad'],
      ['--level', 'loud'],
      ['--from', 'yesterday-ish'],
      ['--min-duration', 'long'],
      ['--min-cost', 'much'],
      ['--limit', '0'],
    ]) {
      const { code, stderr } = await weir(['logs', ...args], env);
      expect([code, stderr]).toEqual([1, expect.stringContaining(args[0] ?? '')]);
    }
  }, 60_000);

  test('reads the log from standard input, and from files', async () => {
    const path = join(folder, 'stdout.log');
    writeFileSync(path, gateway.stdout());
    const { stdout } = await weir(['logs', path, '--request-id', 'logs-1', '--json'], env);
    expect(JSON.parse(stdout)).toMatchObject({ request_id: 'logs-1' });
    const { stderr } = await weir(['logs', path], env);
    expect(stderr).toMatch(/^\d+ lines are not JSON of Weir and were skipped\.$/m);
  });

  test('follows the log of a gateway that runs', async () => {
    const child = spawn(
      setUp({ withDev: true }),
      ['--no-orphans', '--no-env-file', PROGRAM, 'logs', '--follow', '--json', '--text', 'follow-'],
      { cwd: folder, env: { ...cleanEnvironment(folder), ...env }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      let text = '';
      child.stdout.on('data', (part) => {
        text += String(part);
      });
      await send('follow-1');
      await eventually('the first line', () => text.includes('follow-1'), 20_000);
      await send('follow-2');
      await eventually('the second line', () => text.includes('follow-2'), 20_000);
      const ids = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).request_id);
      expect(ids).toEqual(['follow-1', 'follow-2']);
    } finally {
      child.kill();
    }
  }, 60_000);

  test('searches files in a bucket, where the gateway archives old ones', async () => {
    const store = startObjectStore('logs');
    const old = join(folder, 'old');
    mkdirSync(old);
    const name = 'weir-20200101T000000Z-abc-1.jsonl';
    const end = Date.now() - 8 * 86_400_000;
    const line = { level: 'info', time: new Date(end).toISOString(), request_id: 'ancient', msg: 'request' };
    writeFileSync(join(old, name), `${JSON.stringify(line)}\n`);
    utimesSync(join(old, name), end / 1000, end / 1000);
    const s3 = { bucket: 'logs', endpoint: store.url, access_key_id: 'AKID', secret_access_key: 'a-secret' };
    const other = await startGateway({
      config: mockConfig(mock.url, { log: { files: { folder: old, s3 } } }),
    });
    try {
      await eventually('the file is in the bucket', () => store.objects.size === 1, 20_000);
      expect([...store.objects.keys()]).toEqual([
        expect.stringMatching(/^weir-logs\/weir-20200101T000000Z_.*\.zst$/),
      ]);
      await eventually('the file is deleted here', () => !readdirSync(old).includes(name));
      const { stdout } = await weir(['logs', '--json', '--request-id', 'ancient'], {
        WEIR_CONFIG: other.configPath,
      });
      expect(JSON.parse(stdout)).toMatchObject({ request_id: 'ancient' });
    } finally {
      await other.stop();
      await store.close();
    }
  }, 60_000);
});

describe('a folder that cannot be written', () => {
  test('does not stop inference; the loss is counted', async () => {
    const blocked = join(folder, 'blocked');
    writeFileSync(blocked, '');
    const other = await startGateway({
      config: mockConfig(mock.url, { log: { files: { folder: blocked } } }),
    });
    try {
      mock.respond(completion());
      expect((await post(other, chat())).status).toBe(200);
      await other.waitForOutput(/log files cannot be written/);
      const page = await (await fetch(`${other.metricsUrl}/metrics`)).text();
      expect(page).toContain('weir_log_lines_lost_total{sink="files"} 0');
      rmSync(blocked);
      await other.waitForOutput(/log files can be written again/);
      expect(readdirSync(blocked)).toHaveLength(1);
    } finally {
      await other.stop();
    }
  }, 60_000);
});
