// Manifests of Kubernetes and Argo CD: built, validated against schemas, and checked against policies.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CUSTOM_GAP, validate } from './lib/kubernetes-schemas.mjs';
import {
  buildOverlays,
  checkov,
  checkovFindings,
  copyManifests,
  documentsOf,
  kubeScore,
  kustomize,
  NO_CLUSTER,
  overlays,
  scoreFindings,
  writeManifests,
} from './lib/kubernetes-tools.mjs';
import { run } from './lib/process.mjs';

const OVERLAYS = 'deploy/kubernetes/overlays';
const PRIVILEGED = `apiVersion: v1
kind: Pod
metadata: { name: a }
spec:
  hostNetwork: true
  containers:
    - { name: a, image: "a:latest", securityContext: { privileged: true } }
`;

const find = (documents, kind, name) =>
  documents.find((one) => one.kind === kind && one.metadata.name === name);

/** What an overlay must have beyond a valid form. @returns {string[]} what is wrong */
function contradictions(overlay, documents) {
  const wrong = [];
  const configs = documents.filter(({ kind, data }) => kind === 'ConfigMap' && data['weir.yaml']);
  if (configs.length !== 1) wrong.push(`${configs.length} configurations`);
  const pods = documents.flatMap(({ kind, metadata, spec }) =>
    spec?.template?.spec?.containers ? [{ kind, metadata, pod: spec.template.spec }] : [],
  );
  const namespaces = new Set(
    documents.map(({ kind, metadata }) => (kind === 'Namespace' ? metadata.name : metadata.namespace)),
  );
  if (namespaces.size !== 1) wrong.push(`namespaces ${[...namespaces].join(', ')}`);
  const accounts = documents
    .filter(({ kind }) => kind === 'ServiceAccount')
    .map(({ metadata }) => metadata.name);
  for (const { kind, metadata, pod } of pods) {
    const where = `${kind} ${metadata.name}`;
    for (const { image } of pod.containers) {
      if (!/:[\w.-]+$/.test(image) || image.endsWith(':latest')) wrong.push(`${where}: image ${image}`);
    }
    if (pod.serviceAccountName && !accounts.includes(pod.serviceAccountName)) {
      wrong.push(`${where}: no ServiceAccount ${pod.serviceAccountName}`);
    }
    for (const { configMap } of pod.volumes ?? []) {
      if (configMap && configMap.name !== configs[0]?.metadata.name) {
        wrong.push(
          `${where}: mounts ${configMap.name}, and the configuration is ${configs[0]?.metadata.name}`,
        );
      }
    }
  }
  const hpa = find(documents, 'HorizontalPodAutoscaler', 'weir');
  const gateway = find(documents, 'Deployment', 'weir');
  if ((hpa === undefined) === (gateway?.spec.replicas === undefined)) {
    wrong.push('either the autoscaler or the Deployment must set the number of replicas');
  }
  if (overlay === 'production' && (hpa?.spec.minReplicas !== 2 || hpa.spec.maxReplicas !== 10)) {
    wrong.push('the autoscaler of production is not 2 to 10');
  }
  return wrong;
}

export const checks = [
  {
    artefact: OVERLAYS,
    tool: 'kustomize build',
    async run({ root, tools, temporary }) {
      const program = await kustomize(tools);
      const copy = copyManifests(root, temporary());
      const path = join(copy, 'base/kustomization.yaml');
      writeFileSync(path, readFileSync(path, 'utf8').replace('pdb.yaml', 'absent.yaml'));
      const { code } = await run([program, 'build', join(copy, 'overlays/dev')], { ok: [0, 1] });
      if (code !== 1) throw new Error('kustomize accepts a manifest that does not exist');
      const built = await buildOverlays(root, tools);
      let count = 0;
      for (const [overlay, text] of built) {
        const documents = await documentsOf(text);
        const wrong = contradictions(overlay, documents);
        if (wrong.length > 0) throw new Error(`${overlay}: ${wrong.join('; ')}`);
        count += documents.length;
      }
      return { result: 'proved', detail: `${built.size} overlays, ${count} resources`, gap: NO_CLUSTER };
    },
  },
  {
    artefact: OVERLAYS,
    tool: 'kubeconform',
    async run(context) {
      const built = await buildOverlays(context.root, context.tools);
      const detail = await validate(context, writeManifests(context.temporary(), built));
      return { result: 'proved', detail, gap: `rules in CEL of custom resources; ${CUSTOM_GAP}` };
    },
  },
  {
    artefact: OVERLAYS,
    tool: 'kube-score',
    async run({ root, tools, temporary }) {
      const program = await kubeScore(tools);
      const broken = join(temporary(), 'broken.yaml');
      writeFileSync(broken, PRIVILEGED);
      if ((await scoreFindings(program, broken)).length === 0)
        throw new Error('kube-score accepts a privileged pod');
      const built = await buildOverlays(root, tools);
      for (const path of writeManifests(temporary(), built)) {
        const findings = await scoreFindings(program, path);
        if (findings.length > 0) throw new Error(findings.join('\n'));
      }
      return { result: 'proved', detail: 'no critical finding', gap: NO_CLUSTER };
    },
  },
  {
    artefact: OVERLAYS,
    tool: 'checkov',
    async run({ root, tools, temporary }) {
      const program = await checkov(tools);
      const broken = temporary();
      writeFileSync(join(broken, 'broken.yaml'), PRIVILEGED);
      if ((await checkovFindings(program, broken)).failed.length === 0) {
        throw new Error('checkov accepts a privileged pod');
      }
      const folder = temporary();
      writeManifests(folder, await buildOverlays(root, tools));
      const { failed, passed } = await checkovFindings(program, folder);
      if (failed.length > 0) throw new Error(failed.join('\n'));
      return { result: 'proved', detail: `${passed} checks of ${overlays(root).length} overlays` };
    },
  },
  {
    artefact: 'deploy/argocd',
    tool: 'kubeconform',
    async run(context) {
      const folder = join(context.root, 'deploy/argocd');
      const paths = readdirSync(folder).map((name) => join(folder, name));
      const known = overlays(context.root);
      for (const path of paths) {
        for (const [, overlay] of readFileSync(path, 'utf8').matchAll(/overlays\/([\w-]+)$/gm)) {
          if (!known.includes(overlay)) throw new Error(`${path} names the overlay ${overlay}`);
        }
      }
      const detail = await validate(context, paths);
      return { result: 'proved', detail, gap: `no Argo CD runs here: nothing was synced; ${CUSTOM_GAP}` };
    },
  },
];
