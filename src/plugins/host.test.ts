import { afterEach, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { MISBEHAVING, pluginFile, type StartedPlugin, startPlugin } from '../../test/support/plugins.ts';
import { isRunning } from '../platform/process.ts';
import type { PluginSettings } from './host.ts';
import { PluginFailure } from './plugin-failure.ts';
import { readRequestChange } from './results.ts';

const running: StartedPlugin[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ host }) => host.close()));
});

async function start(module = MISBEHAVING, settings: Partial<PluginSettings> = {}): Promise<StartedPlugin> {
  const started = await startPlugin(module, settings);
  running.push(started);
  return started;
}

const ask = ({ host }: StartedPlugin, what: string) =>
  host.call('request', { texts: [{ kind: 'input', text: `do:${what}` }] }, (result) =>
    readRequestChange(result, 1),
  );

async function failure(promise: Promise<unknown>): Promise<PluginFailure> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof PluginFailure) return thrown;
  throw new Error(`expected a failure of a plugin, and not ${String(thrown)}`);
}

describe('a plugin in a process of its own', () => {
  test('is loaded, called and closed', async () => {
    const plugin = await start();
    expect(plugin.outcome.kind).toBe('ready');
    expect(plugin.host.status).toMatchObject({
      status: 'ok',
      name: 'misbehaving',
      version: '0.1.0',
      kinds: ['interceptor', 'guardrail', 'sink', 'strategy'],
    });
    expect(await ask(plugin, 'mark')).toEqual({ headers: { 'x-plugin': 'was here' } });
    expect(plugin.reports.lines).toContain('p counted asked 1');
    await plugin.host.close();
    expect((await failure(ask(plugin, 'fine'))).reason).toBe('unavailable');
  });

  test('answers many calls at the same time', async () => {
    const plugin = await start();
    const results = await Promise.all(Array.from({ length: 200 }, () => ask(plugin, 'mark')));
    expect(results).toHaveLength(200);
  });

  test('has no environment of the gateway but what it is given', async () => {
    process.env.WEIR_TEST_SECRET = 'hidden';
    const plugin = await start(MISBEHAVING, { env: { PATH: process.env.PATH ?? '', GIVEN: 'yes' } });
    const { texts = [] } = await ask(plugin, 'environment');
    delete process.env.WEIR_TEST_SECRET;
    const names = Object.keys(JSON.parse(texts[0]?.text ?? '{}')).filter((name) => !name.startsWith('BUN_'));
    expect(names.sort()).toEqual(['GIVEN', 'PATH']);
  });

  test.each([
    ['throw', 'error'],
    ['reject', 'error'],
    ['number', 'invalid'],
    ['text', 'invalid'],
    ['list', 'invalid'],
    ['unknown_index', 'invalid'],
    ['wrong_type', 'invalid'],
    ['credential_header', 'invalid'],
    ['split_header', 'invalid'],
    ['circular', 'error'],
    ['bigint', 'error'],
    ['getter', 'error'],
    ['large', 'error'],
    ['proto', 'invalid'],
  ])('one that does "%s" fails that call only (%s)', async (what, reason) => {
    const plugin = await start();
    expect(String((await failure(ask(plugin, what))).reason)).toBe(reason);
    expect(await ask(plugin, 'mark')).toHaveProperty('headers');
    expect(plugin.host.status).toMatchObject({ status: 'ok', restarts: 0 });
  });

  test('one that returns values of 100,000 levels fails that call only', async () => {
    const plugin = await start();
    // On a busy machine it takes longer than its deadline to find out that it is too deep.
    expect((await failure(ask(plugin, 'deep'))).reason).toMatch(/error|timeout/);
    await plugin.reports.until(/called request/);
    expect((await failure(ask(plugin, 'throw'))).reason).toMatch(/error|exit|unavailable|timeout/);
  });

  test('one that prints, also what looks like a result, is not misunderstood', async () => {
    const plugin = await start();
    expect(await ask(plugin, 'print')).toEqual({});
    expect(await ask(plugin, 'mark')).toHaveProperty('headers');
    expect(plugin.reports.lines.join('\n')).toContain('printed by the plugin');
  });

  test('a rejection that it does not handle is logged, and ends nothing', async () => {
    const plugin = await start();
    await ask(plugin, 'unhandled');
    await plugin.reports.until(/error unhandled rejection: nothing handles this/);
    expect(await ask(plugin, 'mark')).toHaveProperty('headers');
  });

  test('one that never responds times out, and others are called meanwhile', async () => {
    const plugin = await start(MISBEHAVING, { timeoutMs: 300 });
    const never = failure(ask(plugin, 'never'));
    expect(await ask(plugin, 'mark')).toHaveProperty('headers');
    expect((await never).reason).toBe('timeout');
    expect(plugin.host.status.restarts).toBe(0);
  });

  test.each([
    ['exit', /ended exited: its process ended with code 3/],
    ['kill', /ended exited: its process was ended by SIGKILL/],
    ['loop', /ended unresponsive/],
    ['leak', /ended (memory: its memory exceeded|exited: its process was ended by)/],
    ['flood', /ended protocol/],
    ['log_flood', /ended (protocol|memory|unresponsive|exited)/],
    ['count_flood', /ended (protocol|memory|unresponsive|exited)/],
    ['token_flood', /ended protocol/],
    ['deep_message', /ended protocol: it sent a message with too many levels/],
  ])('one that does "%s" is ended and started again', async (what, report) => {
    const plugin = await start(MISBEHAVING, { timeoutMs: 300, memoryLimit: 128 * 1024 * 1024 });
    const call = ask(plugin, what);
    // The response to the call may come before the message that ends the plugin is read.
    if (what === 'deep_message') await call.catch(() => undefined);
    else expect((await failure(call)).reason).toMatch(/exit|timeout|error/);
    await plugin.reports.until(report);
    await plugin.reports.until(/^p started/, 2);
    expect(await ask(plugin, 'mark')).toHaveProperty('headers');
    expect(plugin.host.status.restarts).toBe(1);
  });

  test('five failures in a row stop its calls for a while', async () => {
    const plugin = await start();
    for (let call = 0; call < 5; call += 1) await failure(ask(plugin, 'throw'));
    expect(plugin.host.status.status).toBe('failing');
    expect((await failure(ask(plugin, 'mark'))).reason).toBe('unavailable');
    expect(plugin.reports.lines).toContain('p skipped');
  });

  test('calls above the size of a message fail', async () => {
    const plugin = await start();
    const data = { texts: [{ kind: 'input', text: 'x'.repeat(9_000_000) }] };
    expect((await failure(plugin.host.call('request', data, () => undefined))).reason).toBe('too_large');
  });

  test('its process ends with the gateway', async () => {
    const pid = pluginFile(
      `import { writeFileSync } from 'node:fs';
export default { apiVersion: 1, name: 'pid', setup() { writeFileSync(new URL('./pid', import.meta.url), String(process.pid)); return { sink: { events: ['*'], handle() {} } }; } };`,
    );
    const plugin = await start(pid.path);
    const id = Number(readFileSync(pid.path.replace('plugin.mjs', 'pid'), 'utf8'));
    expect(isRunning(id)).toBe(true);
    await plugin.host.close();
    expect(isRunning(id)).toBe(false);
    pid.remove();
  });
});

describe('loading', () => {
  const load = async (source: string, settings: Partial<PluginSettings> = {}) => {
    const file = pluginFile(source);
    try {
      return await start(file.path, settings);
    } finally {
      file.remove();
    }
  };

  test.each([
    ['no default export', 'export const a = 1;', /default export/],
    ['another version', 'export default { apiVersion: 2, name: "a", setup() {} };', /"apiVersion" is 2/],
    ['no name', 'export default { apiVersion: 1, setup() {} };', /"name"/],
    ['no setup', 'export default { apiVersion: 1, name: "a" };', /"setup"/],
    ['no part', 'export default { apiVersion: 1, name: "a", setup: () => ({}) };', /no part/],
    [
      'a part without functions',
      'export default { apiVersion: 1, name: "a", setup: () => ({ interceptor: {} }) };',
      /"interceptor" must have/,
    ],
    [
      'an unknown event',
      'export default { apiVersion: 1, name: "a", setup: () => ({ sink: { events: ["no.event"], handle() {} } }) };',
      /no event "no.event"/,
    ],
  ])('a module with %s is unusable', async (_, source, message) => {
    const { outcome } = await load(source);
    expect(outcome.kind).toBe('unusable');
    expect('message' in outcome && outcome.message).toMatch(message);
  });

  test('a configuration that is not that of the plugin names each field', async () => {
    const { outcome } = await start(MISBEHAVING, { config: { do: 'nothing', extra: 1 } });
    expect(outcome.kind).toBe('rejected');
    const paths = outcome.kind === 'rejected' ? outcome.issues.map(({ path }) => path.join('.')) : [];
    expect(paths).toEqual(expect.arrayContaining(['do']));
  });

  test('defaults of the schema reach the plugin', async () => {
    const { host } = await load(`export default { apiVersion: 1, name: 'a',
      config: { type: 'object', properties: { n: { type: 'integer', default: 7 } } },
      setup: ({ n }) => ({ interceptor: { request: () => ({ headers: { 'x-n': String(n) } }) } }) };`);
    expect(await host.call('request', { texts: [] }, (result) => readRequestChange(result, 0))).toEqual({
      headers: { 'x-n': '7' },
    });
  });

  test.each([
    ['throws', 'throw new Error("at the top");', /at the top/],
    ['exits', 'process.exit(1);', /ended with code 1/],
    ['loops', 'for (;;);', /did not load within/],
  ])('a module that %s is started again later', async (_, source, message) => {
    const { outcome, host } = await load(source, { loadTimeoutMs: 1_500 });
    expect(outcome.kind).toBe('failed');
    expect('message' in outcome && outcome.message).toMatch(message);
    expect(host.status.status).toBe('restarting');
  });
});
