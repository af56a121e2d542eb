// JSON schemas of Kubernetes and of custom resources, from packages: nothing is downloaded when a manifest is checked.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { documentsOf, KUBERNETES_VERSIONS, kubeconform } from './kubernetes-tools.mjs';
import { CommandFailed, run } from './process.mjs';
import { ToolUnavailable } from './tools.mjs';

/** Go modules with the definitions of custom resources, and the files that have them. */
const DEFINITIONS = [
  ['istio.io/api@v1.32.0', 'kubernetes/customresourcedefinitions.gen.yaml'],
  ['sigs.k8s.io/gateway-api@v1.4.1', 'config/crd/standard/gateway.networking.k8s.io_httproutes.yaml'],
  ['sigs.k8s.io/gateway-api@v1.4.1', 'config/crd/standard/gateway.networking.k8s.io_gateways.yaml'],
  [
    'github.com/external-secrets/external-secrets@v1.3.2',
    'config/crds/bases/external-secrets.io_externalsecrets.yaml',
  ],
  [
    'github.com/external-secrets/external-secrets@v1.3.2',
    'config/crds/bases/external-secrets.io_secretstores.yaml',
  ],
  [
    'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml',
  ],
  [
    'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml',
  ],
  ['github.com/argoproj/argo-cd/v3@v3.1.1', 'manifests/crds/application-crd.yaml'],
  ['github.com/argoproj/argo-cd/v3@v3.1.1', 'manifests/crds/applicationset-crd.yaml'],
  ['github.com/argoproj/argo-cd/v3@v3.1.1', 'manifests/crds/appproject-crd.yaml'],
  ['k8s.io/autoscaler/vertical-pod-autoscaler@v1.4.1', 'deploy/vpa-v1-crd-gen.yaml'],
];

/**
 * Converts a structural schema of a definition to a JSON schema that rejects members that the API server would drop.
 * @param {unknown} schema
 */
export function strictSchema(schema) {
  if (Array.isArray(schema)) return schema.map(strictSchema);
  if (schema === null || typeof schema !== 'object') return schema;
  const {
    nullable,
    'x-kubernetes-int-or-string': intOrString,
    'x-kubernetes-preserve-unknown-fields': open,
    format: _format,
    ...rest
  } = schema;
  const strict = {};
  for (const [name, value] of Object.entries(rest)) {
    if (name === 'properties') {
      strict.properties = Object.fromEntries(
        Object.entries(value).map(([member, inner]) => [member, strictSchema(inner)]),
      );
    } else if (['items', 'additionalProperties', 'not'].includes(name)) strict[name] = strictSchema(value);
    // Alternatives restrict members that the same schema describes: they stay open.
    else if (!name.startsWith('x-kubernetes-')) strict[name] = value;
  }
  if (strict.properties && strict.additionalProperties === undefined && !open) {
    strict.additionalProperties = false;
  }
  if (intOrString) strict.type = ['integer', 'string'];
  if (nullable && typeof strict.type === 'string') strict.type = [strict.type, 'null'];
  return strict;
}

async function moduleFolder(spec) {
  try {
    const { stdout } = await run(['go', 'mod', 'download', '-json', spec], {
      env: { GOFLAGS: '-mod=mod' },
      cwd: '/',
    });
    return JSON.parse(stdout).Dir;
  } catch (error) {
    if (error instanceof CommandFailed) throw new ToolUnavailable(spec, error.message.split('\n').at(-1));
    throw error;
  }
}

async function writeDefinitions(folder) {
  for (const [spec, file] of DEFINITIONS) {
    const text = readFileSync(join(await moduleFolder(spec), file), 'utf8');
    for (const { kind, spec: definition } of await documentsOf(text)) {
      if (kind !== 'CustomResourceDefinition') continue;
      for (const { name, schema } of definition.versions) {
        const json = strictSchema(schema.openAPIV3Schema);
        // The API server describes these members of every resource.
        const own = {
          apiVersion: { type: 'string' },
          kind: { type: 'string' },
          metadata: { type: 'object' },
        };
        Object.assign(json.properties, own);
        const path = join(folder, definition.group, `${definition.names.kind.toLowerCase()}_${name}.json`);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, JSON.stringify(json));
      }
    }
  }
}

/** Schemas of Kubernetes with references to files: their `$id` lets kubeconform search definitions on a host. */
async function writeKubernetes(tools, version, folder) {
  const python = await tools.pip('kubernetes-validate==1.37.0', 'python');
  const script = 'import kubernetes_validate, os; print(os.path.dirname(kubernetes_validate.__file__))';
  const installed = (await run([python, '-c', script])).stdout.trim();
  const source = join(installed, 'kubernetes-json-schema', `v${version}-local-strict`);
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(source)) {
    const { $id: _id, ...schema } = JSON.parse(readFileSync(join(source, name), 'utf8'));
    const text = JSON.stringify(schema);
    writeFileSync(
      join(folder, name),
      text.replaceAll('/api/_definitions.json', `${folder}/_definitions.json`),
    );
  }
}

const BROKEN = [
  'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\nspec: { replica: 2 }\n',
  'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: a }\nspec: { http: [{ retry: {} }] }\n',
  'apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: { name: a }\nspec: { refreshIntervall: 1m }\n',
];

/**
 * Validates manifests with the schemas of the oldest and the newest version. A resource without a schema is an error.
 * @param {{ tools: object, temporary: () => string }} context
 * @param {string[]} paths files of manifests
 * @returns {Promise<string>} what was validated
 */
export async function validate({ tools, temporary }, paths) {
  const program = await kubeconform(tools);
  const folder = temporary();
  await writeDefinitions(folder);
  const counts = [];
  for (const version of KUBERNETES_VERSIONS) {
    const kubernetes = join(folder, version);
    await writeKubernetes(tools, version, kubernetes);
    const command = [
      ...[program, '-strict', '-summary', '-output', 'json'],
      ...['-schema-location', `${kubernetes}/{{.ResourceKind}}{{.KindSuffix}}.json`],
      ...['-schema-location', `${folder}/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json`],
    ];
    for (const input of BROKEN) {
      const { code, stdout } = await run(command, { input, ok: [0, 1] });
      if (code !== 1 || !/additional/i.test(stdout))
        throw new Error(`kubeconform accepts:\n${input}\n${stdout}`);
    }
    const { code, stdout } = await run([...command, ...paths], { ok: [0, 1] });
    const { resources, summary } = JSON.parse(stdout);
    const wrong = (resources ?? []).map(
      ({ filename, kind, name, msg }) => `${filename}: ${kind} ${name}: ${msg}`,
    );
    if (code !== 0 || wrong.length > 0) throw new Error(`Kubernetes ${version}:\n${wrong.join('\n')}`);
    if (summary.valid === 0 || summary.skipped > 0)
      throw new Error(`nothing validated: ${JSON.stringify(summary)}`);
    counts.push(`${summary.valid} resources for ${version.replace(/\.0$/, '')}`);
  }
  return counts.join(', ');
}
