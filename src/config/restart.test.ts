import { expect, test } from 'bun:test';
import { loadText } from '../../test/support/config-source.ts';
import { restartNeeded } from './restart.ts';

test('names what only a restart changes, and nothing else', () => {
  const old = loadText('').config;
  const next = loadText(
    'server: { host: "::1", port: 1, metrics_port: null, grpc_port: 50051, docs: false, tls: { cert: a, key: b } }\nstorage: { database_url: "sqlite:x" }\nlog: { level: warn }',
  ).config;
  expect(restartNeeded(old, next)).toEqual([
    'server.host',
    'server.port',
    'server.metrics_port',
    'server.grpc_port',
    'server.tls',
    'storage.database_url',
  ]);
  expect(restartNeeded(old, loadText('log: { level: warn }').config)).toEqual([]);
});
