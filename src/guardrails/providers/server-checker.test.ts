import { describe, expect, test } from 'bun:test';
import {
  countsOf,
  input,
  output,
  type Settings,
  useGuardrailServer,
} from '../../../test/support/guardrail-server.ts';
import {
  closeBeforeResponse,
  garbage,
  halfBody,
  hang,
  html,
  json,
  redirect,
  type Script,
  status,
} from '../../../test/support/scripts.ts';
import { guardrail as guardrailSchema } from '../../config/guardrail-schema.ts';
import { GuardrailFailure } from '../guardrail.ts';

const server = useGuardrailServer();

describe('a server', () => {
  const failures: readonly (readonly [string, Script, string])[] = [
    ['hangs', hang(), 'unavailable'],
    ['closes the connection', closeBeforeResponse(), 'unavailable'],
    ['speaks no HTTP', garbage(), 'unavailable'],
    ['sends half a body', halfBody('{"findings":'), 'unavailable'],
    ['sends HTML', html(200), 'invalid_response'],
    ['fails', status(500, { error: 'no' }), 'unavailable'],
    ['refuses', status(401, { error: 'no' }), 'unavailable'],
    [
      'redirects to a private address',
      redirect('http://169.254.169.254/latest/meta-data'),
      'invalid_response',
    ],
    ['sends a huge body', json({ findings: [], padding: 'x'.repeat(5_000_000) }), 'unavailable'],
    ['sends deep JSON', json(JSON.parse(`${'['.repeat(3_000)}${']'.repeat(3_000)}`)), 'invalid_response'],
    ['sends a list', json([]), 'invalid_response'],
    ['sends no findings', json({ ok: true }), 'invalid_response'],
    ['sends a finding without a kind', json({ findings: [{}] }), 'invalid_response'],
    ['sends a score above 1', json({ findings: [{ kind: 'a', score: 7 }] }), 'invalid_response'],
    ['sends fewer texts', json({ findings: [{ kind: 'a' }], texts: [] }), 'invalid_response'],
    ['sends texts that are none', json({ findings: [{ kind: 'a' }], texts: [7] }), 'invalid_response'],
  ];
  test.each(failures)('that %s fails the check', async (_, script, reason) => {
    server().mock.respond(script);
    const failed = await server()
      .checker(
        'http',
        {},
        { timeout: '300ms' },
      )([input('a')])
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(GuardrailFailure);
    expect(failed instanceof GuardrailFailure && String(failed.reason)).toBe(reason);
  });

  test('that fails five times is not asked for a while', async () => {
    server().mock.respondAlways(status(500, {}));
    const check = server().checker('http', {});
    const before = server().mock.requests.length;
    for (let call = 0; call < 8; call += 1) await check([input(`${call}`)]).catch(() => undefined);
    expect(server().mock.requests.length - before).toBe(5);
    server().clock.advance(1_000);
    server().mock.respondAlways(json({ findings: [] }));
    await check([input('again')]);
    await check([input('and again')]);
    expect(server().mock.requests.length - before).toBe(7);
  });

  test('is not blamed for clients that disconnect', async () => {
    server().mock.respondAlways(hang());
    const check = server().checker('http', {});
    const before = server().mock.requests.length;
    for (let call = 1; call <= 7; call += 1) {
      const client = new AbortController();
      const running = check([input(`${call}`)], {}, client.signal).catch(() => undefined);
      await server().mock.waitForRequest(before + call);
      client.abort(new Error('gone'));
      await running;
    }
    expect(server().mock.requests.length - before).toBe(7);
  });

  test('is asked once about the same text of a tenant, for a while', async () => {
    server().mock.respondAlways(json([{ start: 0, end: 4, entity_type: 'PERSON', score: 1 }]));
    const check = server().checker('presidio', { cache: '60s' }, { action: 'redact' });
    const before = server().mock.requests.length;
    const asked = () => server().mock.requests.length - before;
    await check([input('Anna')]);
    expect((await check([input('Anna'), input('Anna')])).texts).toEqual(['[PERSON]', '[PERSON]']);
    expect(asked()).toBe(1);
    await check([input('Anna')], { tenant: 'other' });
    await check([output('Anna')]);
    await check([input('Bert')]);
    expect(asked()).toBe(4);
    server().clock.advance(61_000);
    await check([input('Anna')]);
    expect(asked()).toBe(5);
    const without = server().checker('presidio', { cache: '0s' });
    await without([input('Anna')]);
    await without([input('Anna')]);
    expect(asked()).toBe(7);
  });

  test('whose check failed is asked again about the same text', async () => {
    server().mock.respond(status(500, {}));
    server().mock.respond(json({ findings: [] }));
    const check = server().checker('http', {});
    await check([input('a')]).catch(() => undefined);
    expect(countsOf(await check([input('a')]))).toEqual({});
  });
});

test('tenants and keys cannot name servers and plugins', () => {
  for (const more of [
    { kind: 'http', server: { url: 'http://10.0.0.1' } },
    { kind: 'plugin', plugin: 'p' },
  ]) {
    const given = { id: 'g', action: 'block', ...more };
    expect(guardrailSchema('gateway').safeParse(given).success).toBe(true);
    expect(
      guardrailSchema()
        .safeParse(given)
        .error?.issues.map(({ path }) => path.join('.')),
    ).toEqual(['kind']);
  }
});

test('keys that a kind does not take, and those that it lacks, are named', () => {
  const faults = (more: Settings) =>
    guardrailSchema('gateway')
      .safeParse({ id: 'g', action: 'block', ...more })
      .error?.issues.map(({ path }) => path.join('.'));
  expect(faults({ kind: 'lakera', server: { guardrail: 'g', api_key: 'k' } })).toEqual(['server.guardrail']);
  expect(faults({ kind: 'bedrock-guardrail', server: {} })).toEqual(['server.region', 'server.guardrail']);
  expect(faults({ kind: 'pii', server: { url: 'http://a' } })).toEqual(['server']);
  expect(faults({ kind: 'openai-moderation', server: { api_key: 'k' }, action: 'redact' })).toEqual([
    'action',
  ]);
});
