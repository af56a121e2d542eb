// Validates manifests: Kubernetes' own by JSON schemas, custom resources by published models. Both come from packages.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { documentsOf, KUBERNETES_VERSIONS, kubeconform } from './kubernetes-tools.mjs';
import { run } from './process.mjs';

/** npm packages with models of custom resources, by the end of their API group. */
const MODELS = {
  'argoproj.io': '@kubernetes-models/argo-cd@4.0.0',
  'autoscaling.k8s.io': '@kubernetes-models/autoscaler@5.0.0',
  'external-secrets.io': '@kubernetes-models/external-secrets@2.0.0',
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api@2.0.0',
  'istio.io': '@kubernetes-models/istio@3.0.1',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator@6.0.0',
};
export const CUSTOM_GAP = 'models of custom resources do not report unknown members';

/** @returns {string | undefined} the package with the model of a document; undefined for resources of Kubernetes itself */
function packageOf({ apiVersion = '' }) {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
  const found = Object.entries(MODELS).find(([end]) => group === end || group.endsWith(`.${end}`));
  return found?.[1];
}

/**
 * Validates a custom resource: required members, types, enumerations.
 * @throws {Error} it is not valid, or its package has no model of its kind
 */
async function validateCustom(tools, document, spec) {
  const { apiVersion, kind } = document;
  const folder = join(await tools.npmModules(spec), spec.slice(0, spec.lastIndexOf('@')));
  const path = join(folder, apiVersion, `${kind}.js`);
  if (!existsSync(path)) throw new Error(`${spec} has no model of ${kind} ${apiVersion}`);
  const models = await import(pathToFileURL(path).href);
  new models[kind](document).validate();
}

const BROKEN_CUSTOM = [
  'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: a }\nspec: { http: 3 }\n',
  'apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: { name: a }\nspec: { refreshInterval: 5 }\n',
  'apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: { name: a }\nspec: { project: 1 }\n',
];

/** @returns {Promise<Set<string>>} kinds of the custom resources, all of which are valid */
async function validateAllCustom(tools, paths) {
  for (const text of BROKEN_CUSTOM) {
    const [document] = await documentsOf(text);
    const accepted = await validateCustom(tools, document, packageOf(document)).then(
      () => true,
      () => false,
    );
    if (accepted) throw new Error(`the model accepts:\n${text}`);
  }
  const kinds = new Set();
  for (const path of paths) {
    for (const document of await documentsOf(readFileSync(path, 'utf8'))) {
      const spec = packageOf(document);
      if (spec === undefined) continue;
      try {
        await validateCustom(tools, document, spec);
      } catch (error) {
        throw new Error(`${path}: ${document.kind} ${document.metadata?.name}: ${error.message}`, {
          cause: error,
        });
      }
      kinds.add(`${document.apiVersion}/${document.kind}`);
    }
  }
  return kinds;
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

const BROKEN = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\nspec: { replica: 2 }\n';

/**
 * Validates manifests with the schemas of the oldest and the newest version, and custom resources with their models. A resource
 * without either is an error.
 * @param {{ tools: object, temporary: () => string }} context
 * @param {string[]} paths files of manifests
 * @returns {Promise<string>} what was validated
 */
export async function validate({ tools, temporary }, paths) {
  const program = await kubeconform(tools);
  const folder = temporary();
  const custom = await validateAllCustom(tools, paths);
  const counts = [];
  for (const version of KUBERNETES_VERSIONS) {
    const kubernetes = join(folder, version);
    await writeKubernetes(tools, version, kubernetes);
    const command = [
      ...[program, '-strict', '-summary', '-output', 'json'],
      ...['-schema-location', `${kubernetes}/{{.ResourceKind}}{{.KindSuffix}}.json`],
      ...(custom.size > 0 ? ['-skip', [...custom].join(',')] : []),
    ];
    const broken = await run(command, { input: BROKEN, ok: [0, 1] });
    if (broken.code !== 1 || !/additional/i.test(broken.stdout)) {
      throw new Error(`kubeconform accepts:\n${BROKEN}\n${broken.stdout}`);
    }
    const { code, stdout } = await run([...command, ...paths], { ok: [0, 1] });
    const { resources, summary } = JSON.parse(stdout);
    const wrong = (resources ?? []).map(
      ({ filename, kind, name, msg }) => `${filename}: ${kind} ${name}: ${msg}`,
    );
    if (code !== 0 || wrong.length > 0) throw new Error(`Kubernetes ${version}:\n${wrong.join('\n')}`);
    if (summary.valid + summary.skipped === 0 || (summary.skipped > 0 && custom.size === 0))
      throw new Error(`nothing validated: ${JSON.stringify(summary)}`);
    counts.push(`${summary.valid} resources for ${version.replace(/\.0$/, '')}`);
  }
  const models = custom.size > 0 ? `; ${custom.size} kinds of custom resources by their models` : '';
  return counts.join(', ') + models;
}
