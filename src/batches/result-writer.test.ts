import { expect, test } from 'bun:test';
import type { BatchResultRow } from '../storage/sql/batch-tables.ts';
import { MAX_CHARACTERS, ResultWriter } from './result-writer.ts';

const row = (line: number, body = '{}'): BatchResultRow => ({
  ...{ batch: 'b', line, custom_id: `l${line}`, request_id: `b-${line}`, status: 200, error: '', body },
  ...{ input_tokens: 0, output_tokens: 0, cost_pico: 0, created_at: 0 },
});

test('a statement has at most 50 rows and 8 MB, and a longer row is alone', async () => {
  const statements: number[][] = [];
  const writer = new ResultWriter(async (rows) => {
    statements.push(rows.map(({ line }) => line));
    return true;
  });
  const half = 'x'.repeat(MAX_CHARACTERS / 2);
  void writer.add(row(0));
  for (let line = 1; line <= 60; line += 1) void writer.add(row(line));
  for (const line of [61, 62, 63]) void writer.add(row(line, half));
  void writer.add(row(64, half.repeat(3)));
  void writer.add(row(65));
  await writer.flush();
  expect(statements.map((lines) => lines.length)).toEqual([1, 50, 11, 2, 1, 1]);
  expect(statements.flat()).toEqual(Array.from({ length: 66 }, (_, line) => line));
});

test('a row is written when its promise resolves, and a failure resolves the others', async () => {
  const store = Promise.withResolvers<boolean>();
  const writer = new ResultWriter(() => store.promise);
  let written = 0;
  const count = () => {
    written += 1;
  };
  const all = [writer.add(row(1)).then(count), writer.add(row(2)).then(count)];
  await Promise.resolve();
  expect(written).toBe(0);
  store.reject(new Error('the database is gone'));
  await Promise.all(all);
  expect([written, writer.hasFailed]).toEqual([2, true]);
  await expect(writer.flush()).rejects.toThrow('the database is gone');
});
