import { expect, test } from 'bun:test';
import { faultsOf, loadText } from '../../test/support/config-source.ts';

const LOCATIONS = [
  ['files.location', (location: string) => ({ files: { location } })],
  ['storage.backups.location', (location: string) => ({ storage: { backups: { location } } })],
  ['storage.usage_archive.to', (to: string) => ({ storage: { usage_archive: { to } } })],
  ['storage.report_files', (report_files: string) => ({ storage: { report_files } })],
] as const;

test.each(LOCATIONS)('%s is a folder or a bucket', (path, configOf) => {
  for (const location of ['files', '/srv/files', 's3://bucket', 's3://bucket/a/b']) {
    expect(() => loadText(JSON.stringify(configOf(location)))).not.toThrow();
  }
  for (const location of ['gs://bucket/x', 'https://x.test/y']) {
    expect(faultsOf(JSON.stringify(configOf(location)))).toEqual([
      expect.stringContaining(`${path}: "${location}" is no location for objects.`),
    ]);
  }
});
