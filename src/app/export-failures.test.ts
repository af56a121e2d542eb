import { expect, test } from 'bun:test';
import { ExportFailures } from './export-failures.ts';

test('an error of one database hides no other failure, and is logged once for each run of errors', () => {
  const logged: unknown[] = [];
  const failures = new ExportFailures({ emit: (name, data) => void logged.push([name, data]) });
  const error = new Error('no such table');
  const failing = new Map([
    ['a', 'its database fails'],
    ['b', 'HTTP 503'],
  ]);
  failures.visited('one', { failing, errors: [error] });
  failures.visited('one', { failing, errors: [error, error] });
  failures.threw('one', error);
  expect(failures.all).toEqual(new Map([['one', failing]]));
  const entry = ['job.failed', expect.objectContaining({ job: 'export one', error })];
  expect(logged).toEqual([entry]);

  failures.visited('one', { failing: new Map(), errors: [] });
  expect(failures.all.size).toBe(0);
  failures.visited('one', { failing, errors: [error] });
  expect(logged).toEqual([entry, entry]);
  failures.keep(['other']);
  expect(failures.all.size).toBe(0);
});

test('an export that cannot run fails, until its configuration changes', () => {
  const logged: string[] = [];
  const failures = new ExportFailures({ emit: (name) => void logged.push(name) });
  failures.unopened('bad', new Error('no location'));
  failures.visited('good', { failing: new Map(), errors: [] });
  expect([failures.all, logged]).toEqual([
    new Map([['bad', new Map([['', 'no location']])]]),
    ['job.failed'],
  ]);
  failures.keep(['good']);
  expect(failures.all.size).toBe(0);
});
