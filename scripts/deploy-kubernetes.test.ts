// Manifests, chart and configurations of meshes, as far as a parser shows: `npm run verify:deploy` has the tools for the rest.
import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import Ajv from 'ajv';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { z } from 'zod';
import { kubernetesFiles } from '../deploy/monitoring/src/generate.ts';
import { CONFIG_CATALOG } from '../src/app/config-catalog.ts';
import { loadConfig } from '../src/config/load.ts';

const DEPLOY = join(import.meta.dirname, '../deploy');
const KUBERNETES = join(DEPLOY, 'kubernetes');
const read = (...path: string[]) => readFileSync(join(DEPLOY, ...path), 'utf8');
const below = (folder: string) =>
  readdirSync(join(DEPLOY, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
const yamlFiles = ['kubernetes', 'argocd', 'istio', 'kong']
  .flatMap(below)
  .filter((name) => /\.ya?ml$/.test(name));

/** The environment that the Secret of production gives. */
const SECRETS = {
  DATABASE_URL: 'postgres://weir:secret@postgres/weir',
  REDIS_URL: 'redis://redis:6379',
  WEIR_DATA_DIR: '/var/lib/weir',
};
/** What regions have in addition, from `region.env` and the common secrets of Terraform. */
const REGION = {
  ...Object.fromEntries(
    read('kubernetes/components/region/region.env')
      .trim()
      .split('\n')
      .map((line) => line.split('=', 2)),
  ),
  DATABASE_URL_US_EAST_1: 'postgres://weir:secret@us/weir',
  DATABASE_URL_AP_SOUTHEAST_1: 'postgres://weir:secret@ap/weir',
};
const load = (text: string, env: Record<string, string>) =>
  loadConfig({
    env: { WEIR_CONFIG: '/etc/weir/weir.yaml', ...env },
    cwd: '/',
    catalog: CONFIG_CATALOG,
    readFile: () => new TextEncoder().encode(text),
  }).config;
const seconds = (text: string) => z.coerce.number().parse(/^(\d+)s$/.exec(text)?.[1]);

const Probe = z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) });
const Deployment = z.object({
  spec: z.object({
    strategy: z.unknown(),
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: z.object({
        terminationGracePeriodSeconds: z.number(),
        containers: z.tuple([
          z.object({
            ports: z.array(z.object({ name: z.string(), containerPort: z.number() })),
            startupProbe: Probe,
            readinessProbe: Probe,
            livenessProbe: Probe,
            lifecycle: z.object({ preStop: z.object({ sleep: z.object({ seconds: z.number() }) }) }),
            resources: z.object({
              requests: z.record(z.string(), z.string()),
              limits: z.record(z.string(), z.string()),
            }),
          }),
        ]),
      }),
    }),
  }),
});
const Services = z.array(
  z.object({
    spec: z.object({
      selector: z.record(z.string(), z.string()),
      ports: z.array(z.object({ targetPort: z.string() })),
    }),
  }),
);
const Kustomization = z.object({
  resources: z.array(z.string()).default([]),
  components: z.array(z.string()).default([]),
  configMapGenerator: z
    .array(z.object({ files: z.array(z.string()).default([]), envs: z.array(z.string()).default([]) }))
    .default([]),
});
const documents = (...path: string[]) => parseAllDocuments(read(...path)).map((document) => document.toJS());
const deployment = Deployment.parse(parse(read('kubernetes/base/deployment.yaml')));
const [container] = deployment.spec.template.spec.containers;

describe('manifests', () => {
  test.each(yamlFiles)('%s is YAML without an error or a repeated key', (path) => {
    for (const document of parseAllDocuments(read(path))) {
      expect([...document.errors, ...document.warnings]).toEqual([]);
    }
  });

  test('every file of a kustomization exists, and every manifest belongs to one', () => {
    const used = new Set<string>();
    for (const path of yamlFiles.filter((name) => name.endsWith('kustomization.yaml'))) {
      const { resources, components, configMapGenerator } = Kustomization.parse(parse(read(path)));
      const files = configMapGenerator.flatMap((one) => [...one.files, ...one.envs]);
      for (const name of [...resources, ...components, ...files]) {
        const target = normalize(join(dirname(path), name));
        expect({ path, name, exists: existsSync(join(DEPLOY, target)) }).toEqual({
          path,
          name,
          exists: true,
        });
        used.add(target);
      }
    }
    const manifests = below('kubernetes').filter(
      (name) => /\.ya?ml$/.test(name) && !/(kustomization|-values)\.yaml$/.test(name),
    );
    expect(manifests.filter((name) => !used.has(name))).toEqual([]);
    const components = readdirSync(join(KUBERNETES, 'components')).map(
      (name) => `kubernetes/components/${name}`,
    );
    expect(components.filter((name) => !used.has(name))).toEqual([]);
  });

  test.each(yamlFiles.filter((name) => name.endsWith('/weir.yaml') && name.startsWith('kubernetes')))(
    '%s is a valid configuration, and drains within the grace period',
    (path) => {
      const isDevelopment = path.includes('overlays/dev');
      const config = load(
        read(path),
        isDevelopment
          ? { WEIR_DATA_DIR: '/var/lib/weir' }
          : { ...SECRETS, ...(path.includes('enterprise') && REGION) },
      );
      const ports = new Map(container.ports.map(({ name, containerPort }) => [name, containerPort]));
      expect(config.server.port).toBe(ports.get('http') ?? 0);
      expect(config.server.metrics_port).toBe(ports.get('metrics') ?? 0);
      expect(config.server.host).toBe('0.0.0.0');
      const { spec } = deployment.spec.template;
      const before = container.lifecycle.preStop.sleep.seconds;
      expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(before + config.server.drain_timeout / 1000);
    },
  );

  test('the regions are those of Terraform, with the servers and variables that it makes', () => {
    const config = load(read('kubernetes/overlays/enterprise/weir.yaml'), { ...SECRETS, ...REGION });
    const terraform = read('terraform/environments/enterprise/main.tf');
    const made = [...terraform.matchAll(/^ {2}region {17}= "([a-z0-9-]+)"/gm)].map(([, id]) => id ?? '');
    expect(config.regions.map(({ id }) => id)).toEqual(made);
    expect([config.storage.region, ...config.storage.servers.map(({ region }) => region)]).toEqual(made);
    for (const name of Object.keys(REGION).filter((one) => one.startsWith('DATABASE_URL'))) {
      expect(terraform).toMatch(new RegExp(`^ {4}${name} +=`, 'm'));
    }
  });

  test.each(['small', 'production', 'enterprise'])(
    'machines of Terraform and gateways of the overlay %s have the same bounds',
    (name) => {
      const [, min, max] =
        /^ +general_size +=[^\n]*min = (\d+), max = (\d+)/m.exec(
          read('terraform/environments', name, 'main.tf'),
        ) ?? [];
      const base = read('kubernetes/base/hpa.yaml');
      const overlay = read('kubernetes/overlays', name, 'kustomization.yaml');
      const bound = (key: string) =>
        (new RegExp(`path: /spec/${key}, value: (\\d+)`).exec(overlay) ??
          new RegExp(`^  ${key}: (\\d+)`, 'm').exec(base))?.[1];
      expect([min, max]).toEqual([bound('minReplicas'), bound('maxReplicas')]);
    },
  );

  test('Services select the gateways, and name their ports', () => {
    const services = Services.parse(documents('kubernetes/base/service.yaml'));
    expect(services).toHaveLength(2);
    const { labels } = deployment.spec.template.metadata;
    for (const { spec } of services) {
      expect(labels).toMatchObject(spec.selector);
      for (const { targetPort } of spec.ports) {
        expect(container.ports.map(({ name }) => name)).toContain(targetPort);
      }
    }
  });

  test('probes ask the health endpoints, and readiness alone depends on more than the process', () => {
    expect(container.startupProbe.httpGet).toEqual({ path: '/health/live', port: 'http' });
    expect(container.livenessProbe.httpGet).toEqual({ path: '/health/live', port: 'http' });
    expect(container.readinessProbe.httpGet).toEqual({ path: '/health/ready', port: 'http' });
  });

  test('engines of a configuration exist, under the model that they serve', () => {
    for (const component of ['engines-l4', 'engines-a10g']) {
      const folder = `kubernetes/components/${component}`;
      const { providers, models } = load(read(folder, 'weir.yaml'), SECRETS);
      const manifests = below(folder)
        .filter((name) => name.endsWith('.yaml'))
        .flatMap((name) => documents(name));
      const served = new Map<string, string>();
      for (const manifest of manifests) {
        if (manifest?.kind !== 'Deployment') continue;
        const argument = String(manifest.spec.template.spec.containers[0].args[1]);
        served.set(manifest.metadata.name, argument.replace('--served-model-name=', ''));
      }
      const targets = models.flatMap(({ targets }) => targets ?? []);
      expect(targets.length).toBeGreaterThan(1);
      for (const { provider, model } of targets) expect(served.get(provider)).toBe(model);
      for (const { id } of providers ?? [])
        expect(read(folder, 'weir.yaml')).toContain(`http://${id}:8000/v1`);
    }
  });

  test.each([...kubernetesFiles()])('%s equals the rules of Prometheus: npm run monitoring', (path, text) => {
    expect(read(path)).toBe(text);
  });
});

describe('the chart', () => {
  const values = parse(read('helm/weir/values.yaml'));
  const schema = JSON.parse(read('helm/weir/values.schema.json'));
  const validate = new Ajv({ allErrors: true, strict: false }).compile(schema);

  test('accepts its own values, and rejects unknown and wrong ones', () => {
    expect(validate(values) ? [] : validate.errors).toEqual([]);
    for (const wrong of [
      { replicaCount: 3 },
      { size: 'huge' },
      { autoscaling: { ...values.autoscaling, min: 2 } },
      { autoscaling: { ...values.autoscaling, cpu: '70%' } },
      { image: { ...values.image, digest: 'latest' } },
      { secrets: { ...values.secrets, values: { 'lower-case': 'x' } } },
      { engines: { ...values.engines, deployments: [{ name: 'Upper', model: 'm', gpuType: 'l4' }] } },
    ]) {
      expect({ wrong, accepted: validate({ ...values, ...wrong }) }).toEqual({ wrong, accepted: false });
    }
  });

  test('describes every value, with the default that it has', () => {
    const missing: string[] = [];
    const walk = (value: Record<string, unknown>, node: Record<string, unknown>, path: string): void => {
      const properties = z.record(z.string(), z.looseObject({})).catch({}).parse(node.properties);
      for (const [name, member] of Object.entries(value)) {
        const described = properties[name];
        if (described === undefined) missing.push(`${path}${name}`);
        const inner = z.record(z.string(), z.unknown()).safeParse(member);
        if (described?.properties !== undefined && inner.success)
          walk(inner.data, described, `${path}${name}.`);
      }
      for (const name of Object.keys(properties))
        if (!(name in value) && name !== 'global') missing.push(`values: ${path}${name}`);
    };
    walk(values, schema, '');
    expect(missing).toEqual([]);
  });

  test('has the configuration, the bounds and the times of the manifests', () => {
    const base = load(read('kubernetes/base/weir.yaml'), SECRETS);
    expect(load(stringify(values.config), SECRETS)).toEqual(base);
    const { spec } = parse(read('kubernetes/base/hpa.yaml'));
    expect(values.autoscaling).toMatchObject({
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      behavior: spec.behavior,
    });
    expect(spec).toMatchObject({ minReplicas: 2, maxReplicas: 10 });
    const pod = deployment.spec.template.spec;
    expect(values.terminationGracePeriodSeconds).toBe(pod.terminationGracePeriodSeconds);
    expect(values.preStopSeconds).toBe(container.lifecycle.preStop.sleep.seconds);
    expect(seconds(values.config.server.drain_timeout) * 1000).toBe(base.server.drain_timeout);
    const { version } = JSON.parse(readFileSync(join(DEPLOY, '../package.json'), 'utf8'));
    expect(parse(read('helm/weir/Chart.yaml'))).toMatchObject({ appVersion: version });
  });

  test('has the sizes of the manifests', () => {
    const helpers = read('helm/weir/templates/_helpers.tpl');
    for (const size of ['small', 'medium', 'large']) {
      const line = new RegExp(`^${size}: (\\{.*\\})$`, 'm').exec(helpers)?.[1] ?? '';
      const { resources } = parse(line);
      const component = read(`kubernetes/components/size-${size}/kustomization.yaml`);
      const { patches } = parse(component);
      const [changed] = parse(patches[0].patch).spec.template.spec.containers;
      expect(changed.resources).toEqual(resources);
    }
  });
});
