import { describe, expect, test } from 'bun:test';
import { faultOf, faultsOf, loadText } from '../../test/support/config-source.ts';

describe('environment', () => {
  test('wins over the file', () => {
    const text =
      'server: { host: a, port: 1, metrics_port: 2 }\nstorage: { database_url: "sqlite:a" }\nlog: { level: warn, format: json }';
    const { config } = loadText(text, {
      SERVER_HOST: '::1',
      SERVER_PORT: '81',
      METRICS_PORT: '91',
      DATABASE_URL: 'sqlite:b',
      LOG_LEVEL: 'DEBUG',
      LOG_FORMAT: 'text',
    });
    expect(config.server).toMatchObject({ host: '::1', port: 81, metrics_port: 91 });
    expect(config.storage.database_url).toBe('sqlite:b');
    expect(config.log).toMatchObject({ level: 'debug', format: 'text' });
  });

  test('sets a key of an inner section, together with keys of the file or alone', () => {
    const env = { SERVER_TLS_CERT: '/c', SERVER_TLS_KEY: '/k' };
    expect(loadText('', env).config.server.tls).toEqual({ cert: '/c', key: '/k', client_ca: null });
    const text = 'server: { tls: { cert: /a, key: /b } }';
    expect(loadText(text, { SERVER_TLS_KEY: '/k' }).config.server.tls).toEqual({
      cert: '/a',
      key: '/k',
      client_ca: null,
    });
    expect(loadText(text).config.server.tls).toEqual({ cert: '/a', key: '/b', client_ca: null });
  });

  test('half of a section is an error that names the variable', () => {
    expect(faultsOf('', { SERVER_TLS_CERT: '/c' })).toEqual(['SERVER_TLS_CERT server.tls.key: is required']);
  });

  test('wins over a value of the file that is wrong', () => {
    expect(loadText('server: { port: x }', { SERVER_PORT: '81' }).config.server.port).toBe(81);
  });

  test('log levels in any case, `warning`, and RUST_LOG where LOG_LEVEL is not set', () => {
    const level = (text: string, env = {}): string => loadText(text, env).config.log.level;
    expect(level('log: { level: WARNING }')).toBe('warn');
    expect(level('', { LOG_LEVEL: 'Warning' })).toBe('warn');
    for (const one of ['debug', 'info', 'warn', 'error', 'DEBUG', 'Info', 'WARN', 'ERROR']) {
      expect(level('', { LOG_LEVEL: one })).toBe(one.toLowerCase());
      expect(level('', { RUST_LOG: one })).toBe(one.toLowerCase());
    }
    expect(level('', { RUST_LOG: 'hyper=trace, warn' })).toBe('warn');
    expect(level('log: { level: error }', { RUST_LOG: 'hyper=trace' })).toBe('error');
    expect(level('', { RUST_LOG: 'off' })).toBe('silent');
    expect(level('', { RUST_LOG: 'debug', LOG_LEVEL: 'error' })).toBe('error');
  });

  test('times in seconds', () => {
    const env = { QUEUE_TIMEOUT_SECS: '3', MAX_REQUEST_SECS: '60', STREAM_IDLE_TIMEOUT_SECS: '9' };
    expect(loadText('limits: { queue_timeout: 1s }', env).config.limits).toMatchObject({
      // The file takes precedence over names that other platforms use.
      queue_timeout: 1_000,
      max_request: 60_000,
      stream_idle: 9_000,
    });
    expect(faultsOf('', { MAX_REQUEST_SECS: 'soon' })).toEqual([
      expect.stringContaining('MAX_REQUEST_SECS limits.max_request: expected'),
    ]);
  });

  test('quotas of every tenant, unless the file has one of the same kind', () => {
    const env = {
      ORG_DAILY_TOKEN_LIMIT: '10000000',
      ORG_DAILY_REQUEST_LIMIT: '100000',
      ORG_MONTHLY_TOKEN_LIMIT: '300000000',
    };
    const read = (text: string, some: Record<string, string>) =>
      loadText(text, some).config.limits.per_tenant.map(({ of, per, max }) => `${of} ${per} ${max}`);
    expect(read('', env)).toEqual(['tokens day 10000000', 'requests day 100000', 'tokens month 300000000']);
    const file =
      'limits: { per_tenant: [{ of: tokens, per: day, max: 5 }, { of: cost, per: month, max: "9" }] }';
    expect(read(file, { ORG_DAILY_TOKEN_LIMIT: '7' })).toEqual(['tokens day 5', 'cost month 9']);
    expect(read(file, { ORG_DAILY_REQUEST_LIMIT: '7' })).toEqual([
      'requests day 7',
      'tokens day 5',
      'cost month 9',
    ]);
    expect(faultsOf('', { ORG_DAILY_TOKEN_LIMIT: 'many' })).toContain(
      'ORG_DAILY_TOKEN_LIMIT limits.per_tenant[0].max: must be a whole number',
    );
  });

  test('METRICS_PORT=off switches the metrics off', () => {
    expect(loadText('', { METRICS_PORT: 'off' }).config.server.metrics_port).toBeNull();
  });

  test('an empty variable counts as not set', () => {
    const env = { WEIR_CONFIG: '', WEIR_DATA_DIR: '', SERVER_PORT: '', METRICS_PORT: '', REDIS_URL: '' };
    expect(loadText('server: { port: 81 }', env).config).toEqual(loadText('server: { port: 81 }').config);
  });

  test('WEIR_DATA_DIR moves the default database only', () => {
    const env = { WEIR_DATA_DIR: '/srv/weir' };
    const url = (text: string, more = {}) => loadText(text, { ...env, ...more }).config.storage.database_url;
    expect(url('storage:')).toBe('sqlite:/srv/weir');
    expect(url('storage: { database_url: "sqlite:a" }')).toBe('sqlite:a');
    expect(url('', { DATABASE_URL: 'sqlite:b' })).toBe('sqlite:b');
  });

  test('faults name the variable', () => {
    const env = {
      SERVER_HOST: 'http://h',
      SERVER_PORT: '8o80',
      METRICS_PORT: '-1',
      DATABASE_URL: 'mysql://u:hunter2@h/db',
      REDIS_URL: 'http://:hunter2@h',
      LOG_LEVEL: 'inof',
    };
    const error = faultOf('', env);
    expect(faultsOf('', env)).toEqual([
      'SERVER_HOST server.host: expected an IP address or a host name, without a scheme or port',
      'SERVER_PORT server.port: expected a number but found text',
      'METRICS_PORT server.metrics_port: must be at least 0',
      'DATABASE_URL storage.database_url: "mysql:" is not supported: expected sqlite:<directory> or postgres://user:password@host/database',
      'REDIS_URL storage.redis_url: expected redis://host:port, rediss://host:port, redis+sentinel://host:port,host:port/name or redis+cluster://host:port,host:port',
      'LOG_LEVEL log.level: unknown value "inof"; allowed: trace, debug, info, warn, error, silent (did you mean "info"?)',
    ]);
    expect(error.message).toContain('\n  SERVER_PORT  server.port: expected');
    expect(error.message).not.toContain('hunter2');
    expect(error.issues[0]).toMatchObject({ file: null, variable: 'SERVER_HOST', line: null, column: null });
  });

  test('a section of the wrong kind stays an error of the file', () => {
    expect(faultsOf('server: [1]', { SERVER_PORT: '1' })).toEqual([
      '1:9 server: expected a map but found a list',
    ]);
  });
});
