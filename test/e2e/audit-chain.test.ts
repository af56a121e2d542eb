import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { weir } from './harness.ts';
import { parseObject } from './helpers/json.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-chain-'));
const env = { WEIR_DATA_DIR: folder };
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(...args: string[]) {
  const { code, stdout, stderr } = await weir(args, env);
  return { code, stdout, stderr };
}

/** The database of the platform's trail, changed as someone with access to the disk could. */
function tamper(sql: string): void {
  const db = new Database(join(folder, 'control.sqlite'));
  db.run(sql);
  db.close();
}

interface Fault {
  readonly kind: string;
  readonly sequence: number;
}

async function verify(...args: string[]): Promise<{ code: number | null; faults: Fault[]; head: string }> {
  const { code, stdout } = await run('audit', 'verify', '--json', ...args);
  const { trails } = parseObject(stdout);
  const all = Array.isArray(trails) ? trails : [];
  const [first] = all;
  return { code, faults: all.flatMap(({ faults }) => faults), head: `${first?.to}:${first?.head}` };
}

beforeAll(async () => {
  for (const id of ['a', 'b', 'c', 'd']) {
    expect((await run('tenants', 'create', `tenant-${id}`)).code).toBe(0);
  }
});

describe('weir audit verify', () => {
  test('accepts the trails of the platform and of all tenants', async () => {
    const { code, stdout } = await run('audit', 'verify');
    expect(stdout).toContain('platform');
    expect(stdout).toContain('tenant-d');
    expect([code, stdout.match(/ valid$/gm)?.length]).toEqual([0, 6]);
  });

  test('says what was changed, and where', async () => {
    tamper("UPDATE audit_log SET subject = 'tenant:tenant-x' WHERE sequence = 4");
    const { code, stdout, stderr } = await run('audit', 'verify');
    expect([code, stderr.trim()]).toEqual([1, expect.stringContaining('not as it was written')]);
    expect(stdout).toMatch(/platform: entry 4 \(aud_\w+\) was changed or moved/);
    expect(stdout).toMatch(/^platform .* 1 fault$/m);
    tamper("UPDATE audit_log SET subject = 'tenant:tenant-c' WHERE sequence = 4");
    expect((await run('audit', 'verify')).code).toBe(0);
  });

  test('finds a trail that was written again, by a head that was recorded elsewhere', async () => {
    const { stdout } = await run('audit', 'export');
    const path = join(folder, 'anchored.jsonl');
    writeFileSync(path, stdout);
    const { code, head } = await verify('--file', path);
    expect([code, head]).toMatchObject([0, expect.stringMatching(/^5:[0-9a-f]{64}$/)]);
    expect((await verify('--file', path, '--anchor', head)).code).toBe(0);
    const { faults } = await verify('--file', path, '--anchor', `5:${'0'.repeat(64)}`);
    expect(faults.map(({ kind }) => kind)).toEqual(['anchor']);
    expect((await run('audit', 'verify', '--anchor', head)).stderr).toContain('--anchor needs --tenant');
    expect((await run('audit', 'verify', '--file', path, '--anchor', 'x')).stderr).toContain(
      '<sequence>:<hash>',
    );
  });
});

describe('an export', () => {
  async function exported(): Promise<string[]> {
    const { code, stdout } = await run('audit', 'export');
    expect(code).toBe(0);
    return stdout.trimEnd().split('\n');
  }
  async function faultsOf(lines: readonly string[]): Promise<unknown> {
    const path = join(folder, 'export.jsonl');
    writeFileSync(path, `${lines.join('\n')}\n`);
    const { faults } = await verify('--file', path);
    return faults.map(({ kind, sequence }) => [kind, sequence]);
  }

  test('in JSON Lines is verified without a database', async () => {
    const lines = await exported();
    expect(lines).toHaveLength(5);
    expect(await faultsOf(lines)).toEqual([]);
    expect(await faultsOf(lines.slice(2, 4))).toEqual([]);
    const changed = lines.map((line, index) => (index === 3 ? line.replace('tenant-c', 'tenant-C') : line));
    expect(await faultsOf(changed)).toEqual([['changed', 4]]);
    expect(await faultsOf(lines.toSpliced(3, 1))).toEqual([['missing', 4]]);
    const [second = '', third = ''] = lines.slice(1, 3);
    expect(await faultsOf(lines.toSpliced(1, 2, third, second))).toEqual([
      ['missing', 2],
      ['order', 2],
    ]);
    const { stderr } = await run('audit', 'verify', '--file', join(folder, 'control.sqlite'));
    expect(stderr).toContain('control.sqlite:1: this is no entry of an audit trail');
  });

  test('as CSV has a line for each entry', async () => {
    const { stdout } = await run('audit', 'export', '--format', 'csv');
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toStartWith('sequence,id,at,actor,');
    expect(lines).toHaveLength(6);
    expect((await run('audit', 'export', '--format', 'xml')).stderr).toContain(
      '--format must be jsonl or csv',
    );
  });

  test('has the entries of a tenant', async () => {
    await run('keys', 'create', '--tenant', 'tenant-a', '--name', 'first');
    const { stdout } = await run('audit', 'export', '--tenant', 'tenant-a');
    expect(stdout).toContain('key.create');
    expect((await verify('--tenant', 'tenant-a')).code).toBe(0);
  });
});
