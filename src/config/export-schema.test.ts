import { expect, test } from 'bun:test';
import { faultsOf, loadText } from '../../test/support/config-source.ts';

const exportsTo = (...locations: string[]) =>
  JSON.stringify({ exports: locations.map((to, index) => ({ id: `e${index}`, type: 'files', to })) });

test('files are exported to folders and buckets only', () => {
  for (const to of ['exports', '/srv/exports', 'file:///srv/exports', 's3://bucket', 's3://bucket/a/b/']) {
    expect(loadText(exportsTo(to)).config.exports).toMatchObject([{ to }]);
  }
  for (const to of ['gs://bucket/x', 's3://', 's3://Bucket/x', 'https://x.test/y', 'file://host/x']) {
    expect(faultsOf(exportsTo('exports', to))).toEqual([
      expect.stringMatching(
        / exports\[1\]\.to: "\S+" is no location .* Use a folder, or `s3:\/\/bucket\/prefix`\.$/,
      ),
    ]);
  }
  expect(faultsOf(exportsTo('s3://bucket/a b'))).toEqual([
    expect.stringContaining('exports[0].to: The prefix "a b" has characters'),
  ]);
});

test('no two exports write to the same place', () => {
  for (const [first, second] of [
    ['exports', './exports/'],
    ['/srv/exports', 'file:///srv/exports'],
    ['s3://bucket/a', 's3://bucket/a/'],
  ] as const) {
    expect(faultsOf(exportsTo(first, second))).toEqual([
      expect.stringMatching(/ exports\[1\]\.to: is where e0 writes: their files would replace each other$/),
    ]);
  }
  expect(loadText(exportsTo('s3://bucket/a', 's3://bucket/a/b', 'a', 'b')).config.exports.length).toBe(4);
});
