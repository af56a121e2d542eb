import { describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultOf, faultsOf, loadText } from '../../test/support/config-source.ts';
import { testCatalog as catalog } from '../../test/support/provider-catalog.ts';
import { loadConfig } from './load.ts';
import { DEFAULT_TIERS } from './tier-schema.ts';

const ref = (inside: string): string => `$${`{${inside}}`}`;

const missing = (): never => {
  throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
};

describe('finding the file', () => {
  test('a file that has not changed is not read again', () => {
    let text = 'default_model: a\n';
    const options = { env: {}, cwd: '/cwd', catalog, readFile: () => new TextEncoder().encode(text) };
    const loaded = loadConfig(options);
    expect(loadConfig(options, loaded)).toBe(loaded);
    text = 'default_model: b\n';
    expect(loadConfig(options, loaded).config.default_model).toBe('b');
  });

  test('no file: defaults, and no providers key', () => {
    const loaded = loadConfig({ env: {}, cwd: '/cwd', catalog, readFile: missing });
    expect(loaded).toMatchObject({ file: null, warnings: [] });
    expect(loaded.config).toEqual({
      server: {
        host: '0.0.0.0',
        port: 8080,
        metrics_port: 9090,
        grpc_port: null,
        workers: null,
        tls: null,
        trusted_proxies: [],
        body_limit: 20_000_000,
        drain_timeout: 30_000,
        cors: { origins: [], allow_credentials: false, max_age: 600_000 },
        docs: true,
        console: true,
      },
      region: null,
      regions: [],
      region_routing: {
        ...{ interval: 5_000, timeout: 2_000, failures: 3, successes: 6 },
        ...{ failover_share: 0.1, connect_timeout: 3_000, max_forwarded: 1_000, tls: null },
      },
      storage: {
        data_dir: null,
        database_url: 'sqlite:./data',
        region: null,
        replica_url: null,
        ...{ database_ca: null, database_cert: null, database_key: null },
        servers: [],
        connect_timeout: 60_000,
        max_connections: 50,
        redis_url: null,
        redis_replica_url: null,
        ...{ redis_ca: null, redis_cert: null, redis_key: null },
        redis_prefix: 'weir',
        redis_event_streams: null,
        usage_archive: null,
        backups: null,
        report_files: null,
        keep_usage: true,
        retention: {
          ...{ usage: 400 * 86_400_000, audit: 400 * 86_400_000 },
          ...{ responses: 30 * 86_400_000, events: 7 * 86_400_000 },
        },
        redis_timeout: 500,
      },
      auth: { session: 43_200_000, token: 900_000, public_url: null, oidc: [], jwt: [] },
      metrics: {
        max_series: 100,
        otlp: {
          enabled: null,
          endpoint: null,
          protocol: null,
          headers: null,
          interval: 60_000,
          include: 'gen_ai',
        },
        gpus: { interval: 15_000, nvidia_smi: 'nvidia-smi', dcgm: [], engines: true },
      },
      tracing: {
        endpoint: null,
        protocol: 'http/protobuf',
        headers: {},
        service_name: 'weir',
        sampler: 'parentbased_always_on',
        ratio: 1,
        keep: { errors: true, slower_than: 30_000, costlier_than: null },
        propagate: true,
      },
      secrets: {
        refresh: 300_000,
        timeout: 5_000,
        start_timeout: 30_000,
        admin_references: ['vault://', 'aws-sm://', 'gcp-sm://', 'azure-kv://', 'k8s://'],
        vault: {
          ...{ address: null, namespace: null, kv: 'auto', ca: null, auth: 'token', auth_mount: null },
          ...{ token: null, role_id: null, secret_id: null, role: null },
          jwt_file: '/var/run/secrets/kubernetes.io/serviceaccount/token',
        },
        aws: {
          ...{ region: null, endpoint: null },
          ...{ access_key_id: null, secret_access_key: null, session_token: null },
        },
        gcp: { endpoint: null, service_account: null, metadata: 'http://metadata.google.internal' },
        azure: {
          ...{ tenant_id: null, client_id: null, client_secret: null, authority: null, endpoint: null },
          metadata: 'http://169.254.169.254',
        },
        kubernetes: { address: null, folder: '/var/run/secrets/kubernetes.io/serviceaccount' },
      },
      log: { level: 'info', format: 'auto', requests: true, files: null },
      streams: { keep_alive: 10_000, head_after: null },
      guardrails: [],
      moderation: { model: null, words: {} },
      plugins: [],
      prices: [],
      providers: null,
      environment_providers: null,
      upstream: {
        max_connections: 20_000,
        keepalive: 800,
        keepalive_expiry: 30_000,
        rate_limit_headers: true,
        max_response: 256_000_000,
      },
      engines: {
        max_loaded: null,
        idle_timeout: 900_000,
        swap_after: 30_000,
        health: { interval: 5_000, failures: 3 },
        commands: [],
      },
      models: [],
      simulator: null,
      default_model: null,
      media: { max_size: 20_000_000, timeout: 15_000, allowed_hosts: [] },
      routing: {
        retry: { attempts: 3, base: 1000, max: 4000, budget: 0.2 },
        breaker: { failures: 5, error_rate: 0.5, min_requests: 20, open: 30_000 },
        cool_down: { default: 2000, max: 300_000 },
        health: { interval: 10_000, timeout: 3000, failures: 3, successes: 2, load_interval: 2000 },
        admission: { max_concurrency: null, max_queued: 1000 },
        outliers: { max_ejected: 0.34, min_requests: 20, eject: 30_000 },
        slow_start: 30_000,
      },
      interceptors: {},
      cache: null,
      prompt_caching: { breakpoints: true, keys: true, sticky: 600_000 },
      limits: {
        per_ip: { rps: 50, burst: 100, inflight: 120 },
        per_ip_exempt: ['127.0.0.0/8', '::1/128'],
        per_tenant: [],
        tiers: DEFAULT_TIERS,
        default_tier: 'free',
        queue_timeout: 2000,
        max_request: 5_400_000,
        first_token: 300_000,
        answer: null,
        stream_idle: 180_000,
        head_timeout: 30_000,
        body_timeout: 300_000,
        min_rate: 500,
        write_idle: 60_000,
        max_connections: 10_000,
        max_connections_per_ip: 1_000,
        grpc_streams: 100,
        grpc_frames: 1_000,
        grpc_idle: 300_000,
        grpc_connection_age: null,
        request_memory: 256_000_000,
      },
      files: {
        location: null,
        max_size: 200_000_000,
        max_count: 10_000,
        max_total: 20_000_000_000,
        expire_after: 2_592_000_000,
      },
      batches: { concurrency: 16, max_lines: 100_000, max_active: 100 },
      async: {
        ...{ concurrency: 32, max_active: 1_000, max_stored: 10_000, max_size: 4_000_000 },
        ...{ run_within: 86_400_000, keep: 86_400_000 },
      },
      mail: null,
      exports: [],
      alerts: {
        enabled: true,
        rules: [],
        receivers: [],
        group_wait: 30_000,
        group_interval: 300_000,
        repeat_interval: 14_400_000,
        history: 24 * 86_400_000,
        runbooks_url: null,
      },
      billing: {
        issuer: null,
        close: 'off',
        close_after: 86_400_000,
        time_zone: 'UTC',
        invoice_number: 'INV-{year}-{seq}',
        credit_note_number: 'CN-{year}-{seq}',
        due_days: 15,
        taxes: {},
        reverse_charge_note:
          'Reverse charge: the recipient of the service is liable for the VAT (Article 196, Council Directive 2006/112/EC).',
        fonts: null,
        notes: [],
        exchange_rates: {},
        gpu_hours: { A10G: '1.20', 'A100-40GB': '3.50', 'A100-80GB': '5.00' },
      },
    });
  });

  test('WEIR_CONFIG names another file, which must exist', () => {
    const env = { WEIR_CONFIG: 'etc/a.yaml' };
    const paths: string[] = [];
    const readFile = (path: string): Uint8Array => {
      paths.push(path);
      return new TextEncoder().encode('log: { level: oops }');
    };
    expect(() => loadConfig({ env, cwd: '/cwd', catalog, readFile })).toThrow(
      'etc/a.yaml:1:15  log.level: unknown value "oops"; allowed: trace, debug,',
    );
    expect(paths).toEqual(['/cwd/etc/a.yaml']);
    expect(() => loadConfig({ env, cwd: '/cwd', catalog, readFile: missing })).toThrow(
      'etc/a.yaml  there is no such file (WEIR_CONFIG names it)',
    );
  });

  test('reads a real file, up to the limit', () => {
    const cwd = mkdtempSync(join(tmpdir(), 'weir-config-'));
    try {
      const file = join(cwd, 'weir.yaml');
      writeFileSync(file, 'server: { port: 1234 }\n');
      expect(loadConfig({ env: {}, cwd, catalog })).toMatchObject({
        file,
        config: { server: { port: 1234 } },
      });
      writeFileSync(file, ' '.repeat(10_000_000));
      expect(() => loadConfig({ env: {}, cwd, catalog })).toThrow('weir.yaml  is larger than 1 MiB');
      expect(() => loadConfig({ env: { WEIR_CONFIG: cwd }, cwd, catalog })).toThrow(
        'cannot be read (EISDIR)',
      );
    } finally {
      rmSync(cwd, { recursive: true });
    }
  });
});

describe('values', () => {
  test('the result is frozen all the way down', () => {
    const { config } = loadText('providers: [{ id: a, kind: openai, headers: { X-A: b } }]');
    expect(Object.isFrozen(config.providers?.[0]?.headers)).toBe(true);
    expect(config.providers?.[0]?.headers).toEqual({ 'x-a': 'b' });
  });

  test('no providers is not the same as an empty list', () => {
    expect(loadText('providers: []').config.providers).toEqual([]);
    expect(loadText('providers:').config.providers).toBeNull();
  });

  test('null sections and lists have their defaults', () => {
    const text = 'server:\nstorage:\nlog:\nmodels:\nlimits:\n  per_ip_exempt:\n  per_tenant:\n';
    expect(loadText(text).config).toEqual(loadText('').config);
  });

  test('limits of addresses: by default not for loopback, then as they are set, null for none', () => {
    const read = (text: string, env = {}) => {
      const { per_ip, per_ip_exempt } = loadText(text, env).config.limits;
      return [per_ip, per_ip_exempt];
    };
    const loopback = ['127.0.0.0/8', '::1/128'];
    expect(read('')).toEqual([{ rps: 50, burst: 100, inflight: 120 }, loopback]);
    expect(read('limits: { per_ip: null }')[0]).toBeNull();
    expect(read('limits: { per_ip: { rps: 0.2, burst: 10 } }')).toEqual([
      { rps: 0.2, burst: 10, inflight: null },
      [],
    ]);
    expect(read('limits: { per_ip_exempt: [10.0.0.0/8] }')).toEqual([
      { rps: 50, burst: 100, inflight: 120 },
      ['10.0.0.0/8'],
    ]);
    expect(
      read('limits: { per_ip: { rps: 1 }, per_ip_exempt: ["::1"] }', {
        MAX_RPS_PER_IP: '5',
        RPS_BURST: '7',
        MAX_INFLIGHT_PER_IP: '9',
      }),
    ).toEqual([{ rps: 1, burst: 7, inflight: 9 }, ['::1']]);
    expect(read('limits: { per_ip: null }', { MAX_RPS_PER_IP: '5', RPS_BURST: '7' })[0]).toBeNull();
    expect(read('limits: { per_ip: { rps: 3 } }', { MAX_RPS_PER_IP: 'off' })[0]).toMatchObject({ rps: 3 });
    expect(read('', { MAX_INFLIGHT_PER_IP: '9' })[0]).toEqual({ rps: 50, burst: 50, inflight: 9 });
    for (const off of ['0', 'off', 'OFF']) {
      expect(read('', { MAX_RPS_PER_IP: off, RPS_BURST: '7' })[0]).toBeNull();
    }
  });

  test('variables stay text, and are read as what the field needs', () => {
    const text = `
server: { port: "${ref('PORT')}", docs: "${ref('DOCS:-false')}", metrics_port: "${ref('NONE:-')}" }
limits: { per_ip: { rps: "${ref('RPS')}" } }
providers: [{ id: "${ref('ID')}", kind: openai, api_key: "${ref('NONE:-')}" }]
`;
    const { config } = loadText(text, { PORT: '81', ID: '123', RPS: '1.5' });
    expect(config.server).toMatchObject({ port: 81, docs: false, metrics_port: null });
    expect(config.limits.per_ip).toEqual({ rps: 1.5, burst: 2, inflight: null });
    expect(config.providers?.[0]).toMatchObject({ id: '123', api_key: null });
  });

  test('a variable cannot bring YAML in', () => {
    const { config } = loadText(
      `models: [{ id: m, targets: [{ provider: simulator, model: "${ref('M')}" }] }]`,
      {
        M: 'x, weight: 7 } #',
      },
    );
    expect(config.models[0]?.targets).toEqual([
      {
        provider: 'simulator',
        model: 'x, weight: 7 } #',
        weight: 1,
        tier: 0,
        region: null,
        limits: [],
        max_concurrency: null,
      },
    ]);
  });

  test('base URLs lose the slash at their end', () => {
    const { config } = loadText('providers: [{ id: a, kind: openai, base_url: "http://h:1/v1/" }]');
    expect(config.providers?.[0]?.base_url).toBe('http://h:1/v1');
  });

  test('a few aliases are fine', () => {
    const text =
      'providers:\n- { id: a, kind: openai, headers: &h { x: y } }\n- { id: b, kind: openai, headers: *h }';
    expect(loadText(text).config.providers?.[1]?.headers).toEqual({ x: 'y' });
  });
});

describe('faults', () => {
  test('all are reported at once, in the order of the file', () => {
    const text = `server:
  prt: 1
  port: 70000
providers:
  - id: 123
    kind: opnai
limits: { queue_timeout: 2, max_request: 0s, per_ip: { rps: 0, burst: 1.5 } }
log: []
`;
    expect(faultsOf(text)).toEqual([
      '2:3 server.prt: unknown key "prt" (did you mean "port"?)',
      '3:9 server.port: must be at most 65535',
      '5:9 providers[0].id: expected text but found a number; put it in quotes',
      '6:11 providers[0].kind: unknown value "opnai"; allowed: openai, mistral, openai-compatible, simulator (did you mean "openai"?)',
      '7:26 limits.queue_timeout: expected a duration such as 500ms, 2s, 3m, 1h or 1d',
      '7:42 limits.max_request: must be more than 0 and at most 24d',
      '7:61 limits.per_ip.rps: must be more than 0',
      '7:71 limits.per_ip.burst: expected a whole number',
      '8:6 log: expected a map but found a list',
    ]);
    expect(faultOf(text).message).toContain('\n  weir.yaml:3:9  server.port: must be at most 65535\n');
  });

  test('a missing key is reported at the map that lacks it', () => {
    expect(faultsOf('models:\n  - aliases: []')).toEqual([
      '2:5 models[0].id: is required',
      '2:5 models[0].targets: is required',
    ]);
  });

  test('a missing variable is one fault, not two', () => {
    expect(faultsOf(`server:\n  port: ${ref('PORT')}`)).toEqual([
      `2:9 server.port: the environment variable PORT is not set (${ref('PORT:-default')} sets a default)`,
    ]);
  });

  test('what may be secret is never printed', () => {
    const text = `
providers:
  - { id: a, kind: "${ref('SECRET')}", api_key: "hunter2 x", headers: { a: "hunter2\\n", hunter: 22222 } }
  - { id: b, kind: openai, base_url: "http://u:hunter2@h/v1?hunter2" }
  - { id: c, kind: openai, api_key: 22222 }
  - { id: d, kind: openai, api_key: [hunter2] }
models: [{ id: m, targets: [{ provider: "${ref('ID')}", model: m }] }]
storage: { database_url: "postgres://u:hunter2@h", redis_url: "http://:hunter2@h" }
`;
    const { message, issues } = faultOf(text, { SECRET: 'hunter2', ID: 'hunter2' });
    expect(issues).toHaveLength(10);
    expect(message).not.toContain('hunter2');
    expect(message).not.toContain('22222');
    expect(message).toContain(`unknown value "${ref('SECRET')}"`);
  });

  test('a syntax error does not quote the file', () => {
    for (const text of [
      'api_key: "hunter2',
      'a: hunter2: b',
      '- hunter2\nb: c',
      'a: "x" hunter2',
      '%hunter2',
      '!hunter2 x',
    ]) {
      expect(faultOf(text).message).not.toContain('hunter2');
    }
  });

  test('long lists are cut short in the message only', () => {
    const error = faultOf(Array.from({ length: 500 }, (_, n) => `key${n}: 1`).join('\n'));
    expect(error.issues).toHaveLength(500);
    expect(error.message).toContain('... and 400 more');
  });
});

describe('storage', () => {
  test.each(['sqlite:./data', 'sqlite:/var/lib/weir', 'sqlite:///var/lib/weir', 'SQLite:data'])(
    '%s',
    (url) => {
      expect(loadText(`storage: { database_url: "${url}" }`).config.storage.database_url).toBe(url);
    },
  );

  test.each([
    ['mysql://h/db', '"mysql:" is not supported'],
    ['postgres://h', 'the database is missing'],
    ['postgres://u:p#a@h/db', 'not a URL'],
    ['./data', 'expected sqlite: and a directory'],
    ['sqlite:', 'the directory is missing'],
    ['sqlite://data', 'expected a directory after sqlite:'],
    ['sqlite::memory:', 'expected a directory after sqlite:'],
  ])('%s is refused', (url, message) => {
    expect(faultsOf(`storage: { database_url: "${url}" }`)).toEqual([expect.stringContaining(message)]);
  });

  test.each([
    'redis://h',
    'rediss://:p@h:6380/1',
    'redis+sentinel://a:1,b:2/main',
    'redis+cluster://a:1,b:2',
  ])('%s', (url) => {
    expect(loadText(`storage: { redis_url: "${url}" }`).config.storage.redis_url).toBe(url);
  });

  test.each([
    ['http://h', 'expected redis://'],
    ['redis+sentinel://a:1', 'the name of the master is missing'],
  ])('%s is refused', (url, message) => {
    expect(faultsOf(`storage: { redis_url: "${url}" }`)).toEqual([expect.stringContaining(message)]);
  });
});
