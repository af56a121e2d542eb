import { expect, test } from 'bun:test';
import { loadText } from '../../../test/support/config-source.ts';
import { CONFIG_CATALOG } from '../../app/config-catalog.ts';
import { loadConfig } from '../../config/load.ts';
import { checkRegions } from './regions.ts';

const SECRET = { WEIR_SECRET: 'the same everywhere' };
const config = (text: string) =>
  loadConfig({
    env: { WEIR_CONFIG: '/weir.yaml' },
    cwd: '/',
    catalog: CONFIG_CATALOG,
    readFile: () => new TextEncoder().encode(text),
  }).config;
const TWO = `region: eu
regions: [{ id: eu, address: "https://eu.example" }, { id: us, address: "https://us.example" }]
`;

test('nothing without regions', async () => {
  expect(await checkRegions(loadText('').config, {})).toEqual([]);
});

test('regions share a control database and a secret, and reach each other', async () => {
  const text = `${TWO}providers: []\nstorage: { database_url: "postgres://weir@db/weir" }`;
  expect(await checkRegions(config(text), SECRET, async () => 200)).toMatchObject([
    { level: 'ok', message: expect.stringContaining('has a region') },
    { level: 'ok', message: 'us is ready at https://us.example' },
  ]);
  const wrong = await checkRegions(config(`${TWO}providers: []`), {}, async () => {
    throw new Error('connection refused');
  });
  expect(wrong.map(({ level, message }) => [level, message])).toEqual([
    ['problem', expect.stringContaining('SQLite')],
    ['warning', expect.stringContaining('WEIR_SECRET')],
    ['ok', expect.stringContaining('has a region')],
    ['warning', 'us is not ready at https://us.example: connection refused'],
  ]);
});

test('what has no known region is named', async () => {
  const text = `${TWO}
storage: { database_url: "postgres://weir@db/weir", servers: [{ id: s1, database_url: "postgres://weir@s1/weir" }] }
providers:
  - { id: far, kind: openai-compatible, base_url: "http://far/v1" }
  - { id: near, kind: openai-compatible, base_url: "http://near/v1", region: eu }
models: [{ id: m, targets: [{ provider: far, model: x }, { provider: near, model: x }] }]
guardrails: [{ id: g, kind: http, action: block, server: { url: "http://guard" } }]
`;
  const [found] = await checkRegions(config(text), SECRET, async () => 200);
  expect(found?.message).toContain('target far/x, guardrail g, storage server s1;');
});
