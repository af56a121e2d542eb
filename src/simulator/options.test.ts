import { describe, expect, test } from 'bun:test';
import { ApiError } from './api-error.ts';
import { OPTIONS, readOptions, splitModelName } from './options.ts';

describe('options', () => {
  test('are read from the model name', () => {
    const { base, options } = splitModelName('simulator:ttft=200ms,tps=12.5,fault=429,retry_after=2s');
    expect(base).toBe('simulator');
    expect(readOptions(options, null)).toMatchObject({
      ttft: 200,
      tps: 12.5,
      fault: '429',
      retry_after: 2000,
    });
  });

  test('in the header win one by one over those in the name', () => {
    const options = readOptions('ttft=1s,tokens=5', ' ttft = 1m ; seed=-3;; ');
    expect(options).toMatchObject({ ttft: 60_000, tokens: 5, seed: '-3' });
  });

  test('have the documented defaults', () => {
    const options = readOptions('', null);
    for (const [name, option] of Object.entries(OPTIONS))
      expect(Reflect.get(options, name)).toBe(option.fallback);
  });

  test.each([
    ['latency', '2'],
    ['latency', '2h'],
    ['latency', '-1s'],
    ['ttft', 'fast'],
    ['tps', '-1'],
    ['tps', '1e9'],
    ['tokens', '1.5'],
    ['tokens', ''],
    ['seed', 'abc'],
    ['fault', '418'],
    ['fault_rate', '1.1'],
    ['fault_times', '0'],
    ['drip', '1d'],
  ])('refuse %s=%s and say what is allowed', (name, value) => {
    try {
      readOptions('', `${name}=${value}`);
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      expect(error.status).toBe(400);
      expect(error.body.param).toBe('x-weir-simulate');
      expect(error.body.message).toContain(`'${name}'`);
      expect(error.body.message).toContain(
        Object.entries(OPTIONS).find(([known]) => known === name)?.[1].allowed ?? '?',
      );
    }
  });

  test('that do not exist are refused with a list of those that do', () => {
    expect(() => readOptions('speed=3', null)).toThrow(
      /Unknown simulator option 'speed'.*latency, ttft, tps/,
    );
    expect(() => readOptions('toString=3', null)).toThrow(/Unknown simulator option/);
  });
});
