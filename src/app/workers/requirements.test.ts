import { expect, test } from 'bun:test';
import { loadText } from '../../../test/support/config-source.ts';
import { assertForWorkers } from './requirements.ts';

test('Linux, no engines on demand and no semantic cache in SQLite', () => {
  const plain = loadText('').config;
  assertForWorkers(plain, 'linux');
  expect(() => assertForWorkers(plain, 'darwin')).toThrow('only Linux');
  const { config } = loadText(`
engines: { commands: [{ id: e, command: [serve], port: 8000 }] }
cache: { semantic: { store: { kind: sqlite } } }
`);
  expect(() => assertForWorkers(config, 'linux')).toThrow(
    /engines\.commands.*cache\.semantic.*without --workers/s,
  );
});
