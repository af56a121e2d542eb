// Tools and steps that the checks of manifests share.
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.mjs';

/** Newest version of Kubernetes whose schemas the checks use, and the oldest that the manifests support. */
export const KUBERNETES_VERSIONS = ['1.37.0', '1.30.0'];
export const NO_CLUSTER = 'not applied to a cluster: no pod was scheduled, no admission controller asked';

export const kustomize = (tools) => tools.go('sigs.k8s.io/kustomize/kustomize/v5@v5.7.1', 'kustomize');
export const helm = (tools) => tools.go('helm.sh/helm/v3/cmd/helm@v3.22.0', 'helm');
export const kubeconform = (tools) =>
  tools.go('github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0', 'kubeconform');
export const kubeScore = (tools) =>
  tools.go('github.com/zegl/kube-score/cmd/kube-score@v1.20.0', 'kube-score');
export const checkov = (tools) => tools.pip('checkov==3.3.30', 'checkov');

export const overlays = (root) => readdirSync(join(root, 'deploy/kubernetes/overlays')).sort();

/** @returns {Promise<object[]>} the documents of a YAML text */
export async function documentsOf(text) {
  const { parseAllDocuments } = await import('yaml');
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS() ?? [];
  });
}

/**
 * Builds every overlay.
 * @returns {Promise<Map<string, string>>} manifests by overlay
 */
export async function buildOverlays(root, tools) {
  const program = await kustomize(tools);
  const built = new Map();
  for (const overlay of overlays(root)) {
    const { stdout } = await run([program, 'build', `deploy/kubernetes/overlays/${overlay}`], { cwd: root });
    built.set(overlay, stdout);
  }
  return built;
}

/** Writes manifests to files of a folder. @returns {string[]} their paths */
export function writeManifests(folder, manifests) {
  return [...manifests].map(([name, text]) => {
    const path = join(folder, `${name}.yaml`);
    writeFileSync(path, text);
    return path;
  });
}

/** A copy of deploy/kubernetes without secrets of the user. @returns {string} its path */
export function copyManifests(root, folder) {
  const copy = join(folder, 'kubernetes');
  cpSync(join(root, 'deploy/kubernetes'), copy, { recursive: true });
  rmSync(join(copy, 'secrets.env'), { force: true });
  return copy;
}

/** Rules of kube-score that do not hold here, with the reason. */
const SCORE_EXCEPTIONS = {
  'container-image-pull-policy': 'tags are versions, which the registry does not change',
  'container-security-context-user-group-id': 'the image and its volumes belong to 1000',
};

/**
 * @param {string} program kube-score
 * @param {string} path manifests
 * @returns {Promise<string[]>} critical findings
 */
export async function scoreFindings(program, path) {
  const exceptions = Object.keys(SCORE_EXCEPTIONS).flatMap((name) => ['--ignore-test', name]);
  const command = [program, 'score', '--output-format', 'ci', '--kubernetes-version', 'v1.34', ...exceptions];
  const { stdout } = await run([...command, path], { ok: [0, 1] });
  if (!/^\[/m.test(stdout)) throw new Error(`kube-score read nothing of ${path}`);
  return stdout.split('\n').filter((line) => line.startsWith('[CRITICAL]'));
}

/** Rules of checkov that do not hold here, with the reason. */
const CHECKOV_EXCEPTIONS = {
  CKV_K8S_15: 'pull policy Always: tags are versions, which the registry does not change',
  CKV_K8S_35: 'secrets as files: the gateway reads them from the environment',
  CKV_K8S_40: 'user ids above 10000: the image and its volumes belong to 1000',
  CKV_K8S_43: 'digests: the deployment step of a release sets the digest that it has signed',
};

/**
 * @param {string} program checkov
 * @param {string} folder manifests
 * @returns {Promise<{ failed: string[], passed: number }>}
 */
export async function checkovFindings(program, folder) {
  const { stdout } = await run(
    [
      ...[program, '--directory', folder, '--framework', 'kubernetes', '--skip-download', '--quiet'],
      ...['--output', 'json', '--skip-check', Object.keys(CHECKOV_EXCEPTIONS).join(',')],
    ],
    { ok: [0, 1] },
  );
  const { results, summary } = JSON.parse(stdout);
  if (summary.parsing_errors > 0) throw new Error(`checkov cannot read ${results.parsing_errors}`);
  const failed = results.failed_checks.map(({ check_id, check_name, resource }) =>
    [check_id, check_name, resource].join(' '),
  );
  return { failed, passed: summary.passed };
}
