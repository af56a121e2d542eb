import { afterAll, beforeAll, expect, test } from 'bun:test';
import { loadText } from '../../../test/support/config-source.ts';
import { type MockUpstream, refusedUrl, startMockUpstream } from '../../../test/support/mock-upstream.ts';
import { MISBEHAVING, pluginFile } from '../../../test/support/plugins.ts';
import { hang, html, json, status } from '../../../test/support/scripts.ts';
import { checkGuardrailServers } from './guardrails.ts';
import { checkPlugins } from './plugins.ts';

let mock: MockUpstream;
beforeAll(async () => {
  mock = await startMockUpstream();
});
afterAll(() => mock.close());

const check = async (url: string, more = '') => {
  const text = `guardrails: [{ id: outside, kind: http, action: block, server: { url: "${url}" }${more} }]`;
  const [finding] = await checkGuardrailServers(loadText(text).config, {});
  return finding;
};

test('a guardrail server that responds is reported with its time', async () => {
  mock.respondAlways(json({ findings: [] }));
  expect(await check(mock.url)).toMatchObject({ check: 'guardrail outside', level: 'ok' });
  mock.respondAlways(json({ findings: [{ kind: 'everything' }] }));
  const strict = await check(mock.url);
  expect(strict?.level).toBe('warning');
  expect(strict?.message).toContain('finds everything in "Hello');
});

test.each([
  ['hangs', hang(), ', timeout: 50ms', 'no verdict in time', 'raise "timeout"'],
  ['responds with HTML', html(200), '', 'other than JSON', 'no web page'],
  ['rejects the key', status(401, 'no'), '', 'HTTP 401', 'api_key'],
  ['has no such path', status(404, 'no'), '', 'HTTP 404', 'Check the path'],
  ['fails', status(500, 'no'), '', 'HTTP 500', 'Start the server'],
  [
    'responds with something else',
    json({ ok: true }),
    '',
    'no list "findings"',
    'docs/guardrail-providers.md',
  ],
])('a guardrail server that %s is a problem with what to do', async (_, script, more, message, advice) => {
  mock.respondAlways(script);
  const finding = await check(mock.url, more);
  expect(finding?.level).toBe('problem');
  expect(finding?.message).toContain(message);
  expect(finding?.advice).toContain(advice);
});

test('a guardrail server that is not there is a warning where requests pass without it', async () => {
  const url = await refusedUrl();
  expect(await check(url)).toMatchObject({ level: 'problem' });
  const open = await check(url, ', fail: open');
  expect(open?.level).toBe('warning');
  expect(open?.message).toContain('pass unchecked');
});

test('plugins are loaded, and each fault has its remedy', async () => {
  const plain = pluginFile(
    "export default { apiVersion: 1, name: 'plain', setup: () => ({ interceptor: { request() {} } }) };",
  );
  const plugins = [
    `{ id: plain, module: "${plain.path}" }`,
    `{ id: good, module: "${MISBEHAVING}", config: { do: mark } }`,
    '{ id: gone, module: ./nowhere.ts }',
    `{ id: off, module: ./nowhere.ts, enabled: false }`,
    `{ id: checks, module: "${MISBEHAVING}", config: { do: fine, at: check } }`,
  ];
  const guardrails = ['plain', 'checks'].map(
    (plugin) => `{ id: by-${plugin}, kind: plugin, plugin: ${plugin}, action: block }`,
  );
  const text = `plugins: [${plugins.join(', ')}]\nguardrails: [${guardrails.join(', ')}]`;
  const { config } = loadText(text);
  const findings = await checkPlugins({ config, file: null }, { env: process.env, cwd: '/' });
  plain.remove();
  const shown = findings.map((finding) => `${finding.check} ${finding.level}`);
  expect(shown).toContain('plugin good ok');
  expect(shown).toContain('plugin gone problem');
  expect(shown).toContain('plugin off ok');
  expect(shown).toContain('guardrail by-plain problem');
  expect(shown).not.toContain('guardrail by-checks problem');
  expect(findings.find((finding) => finding.check === 'plugin gone')?.advice).toContain('Correct "module"');
  expect(await checkPlugins({ config: loadText('{}').config, file: null }, { env: {}, cwd: '/' })).toEqual(
    [],
  );
});
