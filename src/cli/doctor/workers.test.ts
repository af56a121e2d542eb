import { expect, test } from 'bun:test';
import { loadText } from '../../../test/support/config-source.ts';
import { hasRedis } from '../../../test/support/services/redis.ts';
import { checkWorkers } from './workers.ts';

const check = (text: string, path: string | undefined) => checkWorkers(loadText(text).config, path);

test('nothing without workers', () => {
  expect(check('', '/nowhere')).toEqual([]);
});

test.skipIf(process.platform !== 'linux')('workers need a Redis', () => {
  expect(check('server: { workers: auto }', '/nowhere')).toMatchObject([
    { check: 'workers', level: 'problem', advice: expect.stringContaining('REDIS_URL') },
  ]);
  const configured = 'server: { workers: 4 }\nstorage: { redis_url: "redis://h" }';
  expect(check(configured, '/nowhere')).toMatchObject([
    { level: 'ok', message: expect.stringMatching(/^4,/) },
  ]);
  if (hasRedis) expect(check('server: { workers: 2 }', process.env.PATH)).toMatchObject([{ level: 'ok' }]);
  const commands = 'engines: { commands: [{ id: e, command: [serve], port: 8000 }] }';
  expect(check(`server: { workers: 2 }\n${commands}`, process.env.PATH)).toMatchObject([
    { level: 'problem' },
  ]);
});
