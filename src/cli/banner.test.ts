import { describe, expect, test } from 'bun:test';
import { loadText } from '../../test/support/config-source.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { FakeTransport } from '../../test/support/fake-transport.ts';
import { buildSnapshot } from '../app/snapshot.ts';
import { createRoutingState } from '../routing/router.ts';
import { type BannerInput, banner } from './banner.ts';

const snapshot = await buildSnapshot(loadText('{}').config, {
  env: {},
  clock: new FakeClock(),
  routing: createRoutingState(),
  random: () => 0,
  discovered: () => new Map(),
  simulator: new FakeTransport(),
  createTransport: () => new FakeTransport(),
  engines: [],
});

const show = (more: Partial<BannerInput> = {}, secret?: string) =>
  banner({
    gateway: {
      snapshot,
      createdAdminKey: secret === undefined ? undefined : { secret },
    },
    servers: {
      api: { host: '0.0.0.0', port: 8080, secure: false },
      metrics: { host: '0.0.0.0', port: 9090, secure: false },
    },
    env: {},
    file: null,
    version: '1.2.3',
    output: { out: () => undefined, err: () => undefined, colour: false },
    ...more,
  });

describe('banner', () => {
  test('tells where everything is, by addresses that can be called', () => {
    const text = show();
    expect(text).toContain('http://localhost:8080/v1');
    expect(text).toContain('Console    http://localhost:8080/console');
    expect(text).toContain('http://localhost:9090/metrics');
    expect(text).not.toContain('0.0.0.0');
    expect(show({ servers: { api: { host: '::1', port: 1, secure: false }, metrics: undefined } })).toContain(
      'http://[::1]:1/metrics',
    );
  });

  test('names the command as its user called it', () => {
    for (const [script, command] of [
      [undefined, 'weir'],
      ['npx', 'npx weir'],
      ['start', 'npm run weir --'],
    ]) {
      const text = show({ env: script === undefined ? {} : { npm_lifecycle_event: script } });
      expect(text).toContain(`If it is lost: \`${command} keys create --admin\``);
    }
  });

  test('says https where the API has TLS', () => {
    const text = show({
      servers: {
        api: { host: '0.0.0.0', port: 8443, secure: true },
        metrics: { host: '0.0.0.0', port: 9090, secure: false },
      },
    });
    expect(text).toContain('curl https://localhost:8443/v1/chat/completions');
    expect(text).not.toContain('http://localhost:8443');
    expect(text).toContain('http://localhost:9090/metrics');
  });

  test('shows a new admin key with a call that works unchanged', () => {
    const text = show({}, 'wr-admin-new');
    expect(text).toContain('only this once');
    expect(text).toContain('-H "Authorization: Bearer wr-admin-new"');
    expect(text).toContain('"model":"simulator"');
  });

  test('never shows the key of the environment', () => {
    const text = show({ env: { WEIR_ADMIN_KEY: 'wr-admin-env' } });
    expect(text).not.toContain('wr-admin-env');
    expect(text).toContain('Bearer $WEIR_ADMIN_KEY');
    expect(show()).toContain('Bearer $WEIR_API_KEY');
  });
});
