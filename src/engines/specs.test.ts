import { expect, test } from 'bun:test';
import { loadText } from '../../test/support/config-source.ts';
import { engineSpecs, poolSettings } from './specs.ts';

const CONFIG = `
engines:
  max_loaded: 2
  idle_timeout: null
  commands:
    - { id: a, command: [vllm, serve, m, --port, "{port}"], engine: vllm, gpus: ["0", 1], env: { HF_TOKEN: t, N: 5 } }
    - { id: b, command: [other] }
`;

test('engines inherit the environment without private variables, and get their GPUs', () => {
  const { config } = loadText(CONFIG);
  const env = {
    PATH: '/bin',
    HOME: '/root',
    WEIR_ADMIN_KEY: 'secret',
    OPENAI_API_KEY: 'secret',
    DATABASE_URL: 'secret',
    REDIS_URL: 'secret',
    SERVER_PORT: '1',
    UNSET: undefined,
  };
  const [a, b] = engineSpecs(config, env, (id) => (id === 'a' ? 7_001 : 7_002));
  expect(a).toMatchObject({
    env: {
      PATH: '/bin',
      HOME: '/root',
      CUDA_VISIBLE_DEVICES: '0,1',
      HIP_VISIBLE_DEVICES: '0,1',
      HF_TOKEN: 't',
      N: '5',
    },
    port: 7_001,
    healthPath: '/health',
  });
  expect(JSON.stringify([a, b])).not.toContain('secret');
  expect(b).toMatchObject({
    env: { PATH: '/bin', HOME: '/root' },
    healthPath: 'models',
    startTimeoutMs: 600_000,
  });
  expect(poolSettings(config)).toEqual({
    maxLoaded: 2,
    idleMs: Number.POSITIVE_INFINITY,
    swapAfterMs: 30_000,
    healthEveryMs: 5_000,
    healthFailures: 3,
  });
});

test('an engine is a provider for targets, and its id is unique', () => {
  const target = 'models: [{ id: m, targets: [{ provider: a, model: x }] }]\n';
  expect(() => loadText(`providers: []\n${CONFIG}${target}`)).not.toThrow();
  expect(() => loadText(`providers: [{ id: a, kind: openai }]\n${CONFIG}`)).toThrow(
    'engines.commands[0].id: duplicate id "a"; another provider already has it',
  );
});
