import { expect, test } from 'bun:test';
import { parse } from 'yaml';
import { nginxConfig, weirConfig } from './configs.ts';
import { autocannonSummary, wrkScript } from './saturate.ts';

test('the configuration for Weir is YAML with models on the mock: with one target, with many, to be translated', () => {
  expect(parse(weirConfig(1234))).toMatchObject({
    providers: [
      { id: 'mock', kind: 'openai-compatible', base_url: 'http://127.0.0.1:1234/v1', discover: false },
      { id: 'mock-anthropic', kind: 'anthropic', base_url: 'http://127.0.0.1:1234', discover: false },
    ],
    models: [
      { id: 'bench-model', targets: [{ provider: 'mock', model: 'mock-model' }] },
      { id: 'bench-many', targets: expect.arrayContaining([{ provider: 'mock', model: 'mock-model-19' }]) },
      { id: 'bench-translated', targets: [{ provider: 'mock-anthropic', model: 'mock-model' }] },
    ],
    prices: [{ model: 'mock-model*', input: '0.25', output: '1.5' }],
  });
});

test('nginx keeps to its folder', () => {
  const text = nginxConfig({ folder: '/f', port: 1, upstreamPort: 2 });
  expect(text).toContain('listen 127.0.0.1:1 ');
  expect(text).toContain('server 127.0.0.1:2;');
  expect(text.match(/_temp_path \S+/g)?.every((path) => path.includes(' /f/'))).toBe(true);
});

test('wrk script escapes every byte', () => {
  const script = wrkScript({ authorization: 'a"b' }, '{"a":"\\ü"}');
  expect(script).toContain('wrk.body = "\\123\\034\\097');
  expect(script).toContain('"\\097\\034\\098"');
});

test('autocannon summary', () => {
  const text = JSON.stringify({ '2xx': 90, non2xx: 4, errors: 6, duration: 2.5, more: true });
  expect(autocannonSummary(text)).toEqual({ completed: 90, seconds: 2.5, failed: 10 });
});
