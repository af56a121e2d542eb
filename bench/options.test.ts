import { expect, test } from 'bun:test';
import { type BenchOptions, parseOptions, parsePeer } from './options.ts';

function parsed(...args: string[]): BenchOptions {
  const result = parseOptions(args);
  if (!('options' in result)) throw new Error(result.text);
  return result.options;
}

function refused(...args: string[]): string {
  const result = parseOptions(args);
  if ('options' in result) throw new Error('was accepted');
  expect(result.exitCode).toBe(1);
  return result.text;
}

test('defaults', () => {
  expect(parsed()).toMatchObject({
    quick: false,
    scenarios: ['non-streaming', 'streaming', 'latency', 'memory', 'startup', 'many-tenants'],
    subjects: undefined,
    rounds: 5,
    latencyRounds: 9,
    memoryRounds: 3,
    retainSeconds: 60,
    connections: 32,
    streams: 200,
    chunks: 200,
    intervalMs: 20,
    open: [1000, 10_000],
    json: false,
    check: false,
  });
});

test('--quick is shorter, and other options still apply', () => {
  expect(parsed('--quick')).toMatchObject({
    rounds: 2,
    latencyRounds: 2,
    memoryRounds: 1,
    seconds: 1,
    chunks: 100,
    retainSeconds: 0,
  });
  expect(parsed('--quick', '--rounds', '7')).toMatchObject({ rounds: 7, latencyRounds: 7, memoryRounds: 1 });
});

test('--only, and the long scenarios', () => {
  expect(parsed('--only', 'memory, streaming').scenarios).toEqual(['streaming', 'memory']);
  expect(parsed('--memory-requests', '5000', '--aborts', '10')).toMatchObject({
    scenarios: [
      ...['non-streaming', 'streaming', 'latency', 'memory', 'startup', 'many-tenants'],
      ...['requests', 'aborts'],
    ],
    memoryRequests: 5000,
    aborts: 10,
  });
  expect(parsed('--only', 'aborts')).toMatchObject({ scenarios: ['aborts'], aborts: 10_000 });
  expect(refused('--only', 'speed')).toContain('non-streaming, streaming');
});

test('--json and --check take a value or none', () => {
  expect(parsed('--json', '--check')).toMatchObject({ json: true, check: true });
  expect(parsed('--json', 'out.json', '--check', 'a,b')).toMatchObject({
    json: 'out.json',
    check: ['a', 'b'],
  });
});

test('numbers are checked', () => {
  expect(refused('--rounds', '0')).toContain('1 to 100');
  expect(refused('--rounds', 'many')).toContain('whole number');
  expect(parsed('--open', '500,100').open).toEqual([100, 500]);
  expect(refused('--what')).toContain('unknown option');
});

test('--help ends well', () => {
  expect(parseOptions(['--help'])).toMatchObject({ exitCode: 0, text: expect.stringContaining('--peer') });
});

test('--peer', () => {
  expect(parsePeer('other=http://10.0.0.5:4000')).toEqual({
    name: 'other',
    hostname: '10.0.0.5',
    port: 4000,
    path: '/v1/chat/completions',
  });
  expect(parsePeer('b=http://localhost/openai/v1/,key=sk-a=b,model=m,pid=77')).toEqual({
    name: 'b',
    hostname: 'localhost',
    port: 80,
    path: '/openai/v1/chat/completions',
    key: 'sk-a=b',
    model: 'm',
    pid: 77,
  });
  expect(parsed('--peer', 'a=http://x', '--peer', 'b=http://y').peers.map(({ name }) => name)).toEqual([
    'a',
    'b',
  ]);
  for (const bad of [
    'http://x',
    'a=x',
    'weir=http://x',
    'a=https://x',
    'a=http://x,speed=9',
    'a=http://x,pid=z',
  ]) {
    expect(() => parsePeer(bad)).toThrow();
  }
});
