import { afterEach, expect, test } from 'bun:test';
import { type MockUpstream, startMockUpstream } from '../../../test/support/mock-upstream.ts';
import { json } from '../../../test/support/scripts.ts';
import { CONFIG_CATALOG } from '../../app/config-catalog.ts';
import { configWithoutFile } from '../../config/without-file.ts';
import { engineCandidates } from '../../providers/registry.ts';
import { checkProviders } from './providers.ts';

const mocks: MockUpstream[] = [];
afterEach(async () => {
  for (const mock of mocks.splice(0)) await mock.close();
});

const env = { WEIR_DATA_DIR: '/nowhere' };
const { config } = configWithoutFile({ env, cwd: '/nowhere', catalog: CONFIG_CATALOG });

test('engines on this machine are looked for and checked, as the gateway does', async () => {
  const mock = await startMockUpstream();
  mocks.push(mock);
  mock.respondAlways(json({ object: 'list', data: [{ id: 'qwen', owned_by: 'vllm' }] }));
  const [candidate] = engineCandidates();
  if (!candidate) throw new Error('no engine has a usual port');
  const findings = await checkProviders(config, env, async () => [
    { ...candidate.config, base_url: `${mock.url}/v1` },
  ]);
  expect(findings.map(({ check, level }) => [check, level])).toEqual([
    ['provider vllm', 'ok'],
    ['provider simulator', 'ok'],
  ]);
  expect(findings[0]?.message).toMatch(/^reachable in \d+ ms, no key configured, 1 model$/);
});

test('without any, doctor says where it has looked', async () => {
  const findings = await checkProviders(config, env, async () => []);
  expect(findings.at(-1)).toMatchObject({
    check: 'providers',
    level: 'warning',
    message: 'only the simulator is configured, and no engine responds on the usual ports of this machine',
  });
  const silent = await checkProviders(config, { ...env, WEIR_DETECT_ENGINES: '0' }, async () => []);
  expect(silent.at(-1)?.message).toBe('only the simulator is configured');
});
