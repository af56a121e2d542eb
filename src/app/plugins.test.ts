import { afterAll, expect, test } from 'bun:test';
import { faultsOf, loadText } from '../../test/support/config-source.ts';
import { examplePlugin } from '../../test/support/plugins.ts';
import { systemClock } from '../core/clock.ts';
import { EventBus } from '../events/event-bus.ts';
import { Metrics } from '../observability/metrics.ts';
import { PluginParts } from './plugins.ts';

const errors: unknown[] = [];
const events = new EventBus({ validate: true, onSubscriberError: (error) => errors.push(error) });
const stats = { cpuSeconds: 0, residentBytes: 0, startedAtSeconds: 0, openFiles: undefined };
const metrics = new Metrics(
  () => stats,
  () => 0,
  { takeMaxDelay: () => 0, takeMaxBusy: () => 0 },
);
const parts = new PluginParts({
  ...{ clock: systemClock, events, metrics, file: null },
  env: { PATH: process.env.PATH },
});
afterAll(() => parts.close());

const words = (config: string, more = '') =>
  `plugins: [{ module: "${examplePlugin('word-replacement')}", id: words, config: ${config}${more} }]`;

test.each([
  ['plugins: [{ module: ./no-such-plugin.ts }]', /plugins\[0\]\.module: there is no module/],
  ['plugins: [{ module: fs }]', /plugins\[0\]\.module: there is no module/],
  [words('{ words: {} }'), /plugins\[0\]\.config\.words/],
  [words('{ words: { a: 1 } }'), /plugins\[0\]\.config\.words\.a/],
  [words('{ words: { a: b }, wrods: 1 }'), /plugins\[0\]\.config\.wrods: is not a key of this plugin/],
])('a wrong configuration of a plugin names the field: %s', async (text, message) => {
  await expect(parts.prepare(loadText(text).config)).rejects.toThrow(message);
  expect(parts.status()).toEqual([]);
});

test('settings of the process of a plugin are checked by the schema', () => {
  expect(faultsOf(words('{ words: { a: b } }', ', memory_limit: much'))).toEqual([
    expect.stringContaining('plugins[0].memory_limit'),
  ]);
});
