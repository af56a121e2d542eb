import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { scanFolder } from './leak-scan.mjs';

const planted = JSON.parse(
  readFileSync(fileURLToPath(new URL('../test/support/planted.json', import.meta.url)), 'utf8'),
);
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-leak-scan-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = () => {
  const script = fileURLToPath(new URL('leak-scan.mjs', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' });
  return { status, stdout, stderr };
};

describe('the scanner', () => {
  test('finds every planted value, and says in which file and where', () => {
    for (const [name, value] of Object.entries(planted)) {
      writeFileSync(join(folder, 'log.jsonl'), `{"a":1}\n{"msg":"sent ${value} on"}\n`);
      const { leaks } = scanFolder(folder, planted);
      expect(leaks[0]).toMatchObject({ file: 'log.jsonl', offset: 21, place: '2:14', name, form: 'plain' });
    }
    expect(run().status).toBe(1);
    expect(run().stderr).toContain(`${join(folder, 'log.jsonl')}:2:14 (byte 21): planted response`);
  });

  test.each([
    ['Base64', (value) => Buffer.from(value).toString('base64')],
    ['Base64 after another text', (value) => Buffer.from(`ab${value} and more`).toString('base64')],
    ['Base64 for URLs', (value) => Buffer.from(`a${value}?`).toString('base64url')],
    ['a URL', (value) => `https://a.test/?q=${encodeURIComponent(value)}`],
    ['a form', (value) => new URLSearchParams({ q: value }).toString()],
    ['lower case', (value) => value.toLowerCase()],
    ['a JSON text within JSON', (value) => JSON.stringify(JSON.stringify({ value }))],
    ['gzip', (value) => gzipSync(value), '.gz'],
    ['zstd', (value) => zstdCompressSync(value), '.zst'],
    [
      'binary data',
      (value) => Buffer.concat([Buffer.alloc(5_000, 0xff), Buffer.from(value), Buffer.alloc(10)]),
    ],
  ])('finds every planted value in %s', (_, encode, extension = '') => {
    mkdirSync(join(folder, 'data'));
    for (const [name, value] of Object.entries(planted)) {
      writeFileSync(join(folder, 'data', `file${extension}`), encode(value));
      expect(scanFolder(folder, planted).leaks.map((leak) => leak.name)).toContain(name);
    }
  });

  test('finds nothing in what is redacted, and fails where there is nothing to scan', () => {
    expect(run()).toMatchObject({ status: 1, stdout: '0 files scanned, 0 leaks\n' });
    writeFileSync(join(folder, 'log.jsonl'), '{"msg":"sent [EMAIL] and [API_KEY] on"}\n');
    expect(run()).toEqual({ status: 0, stdout: '1 files scanned, 0 leaks\n', stderr: '' });
  });
});
