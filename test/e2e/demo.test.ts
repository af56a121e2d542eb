import { afterAll, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setUp } from '../../scripts/setup.mjs';
import { freePort } from '../support/free-port.ts';
import { cleanEnvironment, startGateway } from '../support/gateway.ts';
import { PROGRAM } from '../support/program.ts';
import { eventually, weir } from './harness.ts';

const ADMIN_KEY = 'wr-admin-demo-0123456789abcdef0123456789abcdef';
const folder = mkdtempSync(join(tmpdir(), 'weir-demo-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const generate = (dataDir: string, env: Record<string, string> = {}) =>
  weir(['demo', '--generate-only', '--data-dir', dataDir], { METRICS_PORT: '0', ...env });

test('a folder with content is refused, and stays as it is', async () => {
  const used = mkdtempSync(join(folder, 'used-'));
  writeFileSync(join(used, 'control.sqlite'), 'of a real gateway');
  const { code, stdout, stderr } = await generate(used);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toContain('is not empty');
  expect(stderr).toContain('--data-dir');
  expect(readdirSync(used)).toEqual(['control.sqlite']);
});

test('generates tenants, people, keys and traffic in its own folder, whatever databases the environment names', async () => {
  const dataDir = join(folder, 'generated');
  const other = join(folder, 'database-of-a-gateway');
  const { code, stdout, stderr } = await generate(dataDir, { DATABASE_URL: `sqlite:${other}` });
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^Generated [\d,]{6,} requests of two weeks/);
  expect(readdirSync(folder)).not.toContain('database-of-a-gateway');

  const gateway = await startGateway({ dataDir: join(dataDir, 'data') });
  try {
    const get = async (path: string) => {
      const headers = { authorization: `Bearer ${gateway.adminKey}` };
      const response = await fetch(`${gateway.url}/admin/v1/${path}`, { headers });
      expect([path, response.status]).toEqual([path, 200]);
      return response.json();
    };
    const { data: tenants } = await get('tenants');
    const ids = tenants.map(({ id }: { id: string }) => id);
    expect(ids.sort()).toEqual(['acme', 'default', 'lumen', 'northwind']);
    const { total } = await get('metrics/query?metrics=requests,errors,rejected,cache_hits,cost');
    expect(total.totals.requests).toBeGreaterThan(1_000);
    for (const name of ['errors', 'rejected', 'cache_hits', 'cost']) {
      expect([name, Number(total.totals[name]) > 0]).toEqual([name, true]);
    }
    // One budget is used up, others are near.
    await eventually(
      'budgets count what was used',
      async () => {
        const limits = await Promise.all(['acme', 'northwind'].map((id) => get(`tenants/${id}/limits`)));
        const shares = limits.flatMap(({ data }) =>
          data.map(({ used, max }: { used: string; max: string }) => Number(used) / Number(max)),
        );
        return shares.some((share) => share > 1) && shares.some((share) => share > 0.9 && share < 1);
      },
      20_000,
    );
    const { data: requests } = await get('requests?limit=5&tenant=acme');
    expect(requests).toHaveLength(5);
    // The month before is closed: one invoice is paid and credited, one is open, one is a draft.
    const { data: invoices } = await get('billing/invoices');
    const shown = invoices.map(({ tenant, kind, status }: Record<string, string>) =>
      [tenant, kind, status].join(' '),
    );
    expect(shown.sort()).toEqual([
      'acme credit_note paid',
      'acme invoice paid',
      'lumen invoice draft',
      'northwind invoice open',
    ]);
    for (const list of ['reports', 'report-schedules', 'alert-receivers']) {
      const { data } = await get(`tenants/acme/${list}`);
      expect([list, data.length >= 2]).toEqual([list, true]);
    }
    expect((await get('tenants/acme/alert-silences')).data).toHaveLength(1);
    const { data: webhooks } = await get('tenants/acme/webhooks');
    expect(webhooks).toHaveLength(3);
    const events = await get('tenants/acme/events?limit=200');
    expect(events.data.length).toBeGreaterThan(5);
  } finally {
    await gateway.stop();
  }
}, 60_000);

test('serves what it generated at this machine, with live traffic, and leaves nothing', async () => {
  const home = mkdtempSync(join(folder, 'home-'));
  const port = String(await freePort());
  const env = {
    ...cleanEnvironment(home),
    ...{ TMPDIR: home, WEIR_ADMIN_KEY: ADMIN_KEY, METRICS_PORT: String(await freePort()) },
  };
  const child = spawn(
    setUp({ withDev: true }),
    ['--no-orphans', '--no-env-file', PROGRAM, 'demo', '--port', port],
    {
      ...{ cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] },
    },
  );
  const exited = once(child, 'exit');
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  }
  try {
    const url = `http://127.0.0.1:${port}`;
    await eventually('the demo serves', () => text.includes(`${url}/console`), 50_000);
    expect(text).toContain('ada@acme.example');
    const get = async (path: string) => {
      const headers = { authorization: `Bearer ${ADMIN_KEY}` };
      return (await fetch(`${url}/admin/v1/${path}`, { headers })).json();
    };
    await eventually(
      'batches and async requests of every kind',
      async () => {
        const [batches, queued] = await Promise.all([get('batches'), get('async-requests')]);
        const states = batches.data.map(({ status }: { status: string }) => status);
        return states.join() === 'failed,completed,completed' && queued.data.length === 3;
      },
      50_000,
    );
    await eventually(
      'live requests',
      async () => {
        const { data } = await get('requests?limit=1');
        return data[0]?.id.length > 0 && Date.now() - Date.parse(data[0].at) < 10_000;
      },
      20_000,
    );
  } finally {
    child.kill('SIGTERM');
  }
  expect((await exited)[0]).toBe(0);
  expect(readdirSync(home).filter((name) => name.startsWith('weir-demo-'))).toEqual([]);
}, 90_000);
