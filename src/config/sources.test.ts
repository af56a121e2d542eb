import { expect, test } from 'bun:test';
import { faultOf, loadText } from '../../test/support/config-source.ts';
import { ConfigError } from './errors.ts';
import { sourcesOf } from './sources.ts';

const TEXT = `server:
  port: 9000
  host: \${HOST:-127.0.0.1}
providers:
  - { id: one, kind: openai, api_key: sk-1, discover: false }
  - { id: two, kind: openai, api_key: "\${TWO_KEY}", discover: false }
models:
  - id: chat
    targets: [{ provider: two, model: m }]
`;
const sourcesFor = (env: Record<string, string>) => {
  const { config, origins } = loadText(TEXT, env);
  return sourcesOf(config, origins);
};

test('each value has the line of the file, the variable that sets it, or nothing for a default', () => {
  const sources = sourcesFor({ HOST: '', TWO_KEY: 'sk-2', SERVER_PORT: '9001' });
  expect(sources.get('server.port')).toEqual({ from: 'environment', line: null, variables: ['SERVER_PORT'] });
  expect(sources.get('server.host')).toEqual({ from: 'file', line: 3, variables: ['HOST'] });
  expect(sources.get('providers[1].api_key')).toEqual({ from: 'file', line: 6, variables: ['TWO_KEY'] });
  expect(sources.get('models[0].targets[0].provider')).toEqual({ from: 'file', line: 9, variables: [] });
  expect(sources.get('models[0].strategy')).toBeUndefined();
  expect(sources.get('server.body_limit')).toBeUndefined();
});

test('items of the overlay are of the admin API, and those after one that was left out keep their lines', () => {
  const loaded = loadText(TEXT, { TWO_KEY: 'sk-2' });
  const { config, origins } = loaded.withOverlay([
    { section: 'providers', id: 'one', document: null },
    {
      section: 'providers',
      id: 'three',
      document: { id: 'three', kind: 'openai', api_key: 'sk-3', discover: false },
    },
  ]);
  const sources = sourcesOf(config, origins);
  expect(config.providers?.map(({ id }) => id)).toEqual(['two', 'three']);
  expect(sources.get('providers[0].id')).toEqual({ from: 'file', line: 6, variables: [] });
  expect(sources.get('providers[1].api_key')).toEqual({ from: 'admin', line: null, variables: [] });
});

test('an error in an item after one that was left out names the line of that item', () => {
  const text = `${TEXT}  - id: other\n    targets: [{ provider: two, model: m }]\n    fallbacks: [one/x]\n`;
  expect(() => faultOf(text, { TWO_KEY: 'k' })).toThrow('accepted');
  try {
    loadText(text, { TWO_KEY: 'k' }).withOverlay([
      { section: 'models', id: 'chat', document: null },
      { section: 'providers', id: 'two', document: null },
    ]);
    expect.unreachable();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.issues.map(({ line, path }) => `${line} ${path}`)).toContain(
      '11 models[0].targets[0].provider',
    );
  }
});
