import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadText } from '../../test/support/config-source.ts';
import { temporaryFolder } from '../../test/support/secret-stores/fixture.ts';
import { vaultFixture } from '../../test/support/secret-stores/vault.ts';
import { ConfigError } from '../config/errors.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { ConfigSecrets, SecretsUnreadableError } from './config-secrets.ts';

const folder = temporaryFolder();
const vault = vaultFixture({ kv: 2, auth: 'token' });
afterAll(() => {
  vault.close();
  folder.remove();
});
beforeEach(() => {
  vault.mode = 'works';
  vault.put('weir', { openai: 'sk-first', secret: 'a-secret-of-the-installation' });
});

/** Real time for requests; refreshes are due when a test says so. */
function movable(): Clock & { ahead: number } {
  const clock = {
    ahead: 0,
    now: () => systemClock.now() + clock.ahead,
    wallTime: () => systemClock.wallTime() + clock.ahead,
    sleep: systemClock.sleep,
  };
  return clock;
}

const text = (more = '') => `
secrets: ${JSON.stringify({ ...vault.settings, timeout: '2s', start_timeout: '1ms' })}
providers:
  - { id: one, kind: mistral, api_key: "vault://team/secret/weir#openai" }
${more}`;

test('a configuration without references is returned as it is, and reads nothing', async () => {
  const loaded = loadText('providers: []');
  const secrets = new ConfigSecrets({ env: {}, clock: systemClock });
  expect(await secrets.resolve(loaded)).toBe(loaded.config);
  expect(secrets.isDue).toBe(false);
});

test('resolves references of the file and of the environment', async () => {
  const env = {
    WEIR_SECRET: 'vault://team/secret/weir#secret',
    MISTRAL_API_KEY: 'plain',
    OTHER: 'vault://x/y#z',
  };
  const loaded = loadText(text());
  const secrets = new ConfigSecrets({ env, clock: systemClock });
  const config = await secrets.resolve(loaded, 'start');
  expect(config.providers?.[0]?.api_key).toBe('sk-first');
  expect(secrets.env).toEqual({ ...env, WEIR_SECRET: 'a-secret-of-the-installation' });
  expect([...secrets.placesOf(loaded)]).toEqual([
    ['vault://team/secret/weir#openai', ['providers[0].api_key']],
    ['vault://team/secret/weir#secret', ['WEIR_SECRET']],
  ]);
  secrets.close();
});

test('an unreadable secret is an error that names key, reference and what the store said', async () => {
  vault.mode = 'denied';
  const secrets = new ConfigSecrets({ env: {}, clock: systemClock });
  const error = await secrets.resolve(loadText(text()), 'start').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SecretsUnreadableError);
  expect(String(error)).toMatch(
    /weir\.yaml:4:\d+ {2}providers\[0\]\.api_key: cannot read the secret "vault:\/\/team\/secret\/weir#openai": 127\.0\.0\.1:\d+ responded with HTTP 403: 1 error occurred: \* permission denied/,
  );
  secrets.close();
});

test('a malformed reference in a variable, and a secret that is too short, are errors', async () => {
  const malformed = () => new ConfigSecrets({ env: { WEIR_SECRET: 'vault://x#y' }, clock: systemClock });
  expect(malformed).toThrow(/WEIR_SECRET {2}the secret reference needs a mount/);
  vault.put('weir', { openai: 'sk-first', secret: 'short' });
  const env = { WEIR_SECRET: 'vault://team/secret/weir#secret' };
  const secrets = new ConfigSecrets({ env, clock: systemClock });
  expect(secrets.resolve(loadText(text()))).rejects.toThrow(ConfigError);
  secrets.close();
});

describe('refresh', () => {
  async function started(more = '') {
    const clock = movable();
    const loaded = loadText(text(more));
    const secrets = new ConfigSecrets({ env: {}, clock, random: () => 0.5 });
    await secrets.resolve(loaded, 'start');
    secrets.activated(loaded);
    return {
      clock,
      loaded,
      secrets,
      key: async () => (await secrets.resolve(loaded)).providers?.[0]?.api_key,
    };
  }

  test('a changed secret is used after the interval, without a restart', async () => {
    const { clock, secrets, key } = await started();
    vault.put('weir', { openai: 'sk-second' });
    expect(secrets.isDue).toBe(false);
    clock.ahead += 300_001;
    expect(secrets.isDue).toBe(true);
    const { changed } = await secrets.refresh();
    expect(changed.map((reference) => reference.text)).toEqual(['vault://team/secret/weir#openai']);
    expect(await key()).toBe('sk-second');
    expect(secrets.isDue).toBe(false);
    secrets.close();
  });

  test('an outage keeps the last value, is reported once, and is tried again sooner', async () => {
    const { clock, secrets, key } = await started();
    vault.mode = 'broken';
    clock.ahead += 300_001;
    expect((await secrets.refresh()).failed.length).toBe(1);
    expect(await key()).toBe('sk-first');
    expect(secrets.status()).toMatchObject([{ error: expect.anything(), failingSince: expect.any(Number) }]);
    clock.ahead += 30_001;
    expect(secrets.isDue).toBe(true);
    expect((await secrets.refresh()).failed).toEqual([]);
    vault.mode = 'works';
    expect((await secrets.refresh()).recovered.length).toBe(1);
    expect(secrets.status()).toMatchObject([{ error: undefined }]);
    secrets.close();
  });

  test('a new configuration reads only references that are not known', async () => {
    const { secrets } = await started();
    const { reads } = vault;
    vault.put('other', { key: 'sk-other' });
    const next = loadText(text('  - { id: two, kind: mistral, api_key: "vault://team/secret/other#key" }'));
    expect((await secrets.resolve(next)).providers?.[1]?.api_key).toBe('sk-other');
    expect(vault.reads - reads).toBe(1);
    secrets.activated(loadText(text()));
    expect(secrets.status().map(({ reference }) => reference.text)).toEqual([
      'vault://team/secret/weir#openai',
    ]);
    secrets.close();
  });

  test('a credential of a store in a file is read again', async () => {
    const file = join(folder.path, 'token');
    writeFileSync(file, `${vault.credentials[0]}\n`);
    const settings = { vault: { ...(vault.settings.vault ?? {}), token: `file://${file}` } };
    const loaded = loadText(`
secrets: ${JSON.stringify({ ...settings, start_timeout: '1ms' })}
providers: [{ id: one, kind: mistral, api_key: "vault://team/secret/weir#openai" }]`);
    const secrets = new ConfigSecrets({ env: {}, clock: systemClock });
    await secrets.resolve(loaded, 'start');
    secrets.activated(loaded);
    writeFileSync(file, 'hvs.unknown-token');
    expect((await secrets.refresh()).failed.length).toBe(1);
    writeFileSync(file, `${vault.credentials[0]}`);
    expect((await secrets.refresh()).recovered.length).toBe(1);
    secrets.close();
  });
});
