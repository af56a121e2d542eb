import { expect, test } from 'bun:test';
import { eventLoopIntervalMs } from './event-loop-interval.ts';

const intervalOf = (value?: string) => eventLoopIntervalMs({ WEIR_EVENT_LOOP_INTERVAL_MS: value });

test('milliseconds from the environment, 20 by default', () => {
  expect(intervalOf()).toBe(20);
  expect(intervalOf('')).toBe(20);
  expect(intervalOf('1')).toBe(1);
});

test('an invalid value is an error that names the variable', () => {
  for (const bad of ['0', '1001', '1.5', '-2', 'fast', '0x10']) {
    expect(() => intervalOf(bad)).toThrow('WEIR_EVENT_LOOP_INTERVAL_MS');
  }
});
