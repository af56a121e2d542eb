// Istio and Kong in front of Weir and its engines, by schema.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kongErrors } from './lib/kong-schema.mjs';
import { CUSTOM_GAP, validate } from './lib/kubernetes-schemas.mjs';
import { documentsOf, kustomize } from './lib/kubernetes-tools.mjs';
import { run } from './lib/process.mjs';

const ISTIO = 'deploy/istio';
const KONG = 'deploy/kong/kong.yaml';

/** References that Istio resolves at run time. @returns {string[]} what is wrong */
function unresolved(documents) {
  const wrong = [];
  const rules = new Map();
  for (const { kind, spec } of documents) {
    if (kind === 'DestinationRule')
      rules.set(
        spec.host,
        (spec.subsets ?? []).map(({ name }) => name),
      );
  }
  for (const { kind, metadata, spec } of documents) {
    if (kind !== 'VirtualService') continue;
    for (const { name, route } of spec.http) {
      if (route === undefined) continue;
      const total = route.reduce((sum, { weight }) => sum + (weight ?? 100), 0);
      if (total !== 100) wrong.push(`${metadata.name} ${name}: weights are ${total} together`);
      for (const { destination } of route) {
        const subsets = rules.get(destination.host);
        if (subsets === undefined) wrong.push(`${metadata.name}: no DestinationRule for ${destination.host}`);
        else if (destination.subset && !subsets.includes(destination.subset)) {
          wrong.push(`${metadata.name}: no subset ${destination.subset} of ${destination.host}`);
        }
      }
    }
  }
  return wrong;
}

export const checks = [
  {
    artefact: ISTIO,
    tool: 'kustomize, kubeconform',
    async run(context) {
      const { root, tools, temporary } = context;
      const program = await kustomize(tools);
      const folder = temporary();
      const paths = [];
      for (const name of ['', '/canary']) {
        const { stdout } = await run([program, 'build', `${ISTIO}${name}`], { cwd: root });
        if (name === '') {
          const wrong = unresolved(await documentsOf(stdout));
          if (wrong.length > 0) throw new Error(wrong.join('\n'));
          if (unresolved(await documentsOf(stdout.replaceAll('name: canary', 'name: other'))).length === 0) {
            throw new Error('a missing subset is not found');
          }
        }
        const path = join(folder, `istio${name.replace('/', '-')}.yaml`);
        writeFileSync(path, stdout);
        paths.push(path);
      }
      const detail = await validate(context, paths);
      return { result: 'proved', detail, gap: `no Istio runs here: no request was routed; ${CUSTOM_GAP}` };
    },
  },
  {
    artefact: KONG,
    tool: 'own schema',
    async run({ root }) {
      const [config] = await documentsOf(readFileSync(join(root, KONG), 'utf8'));
      const broken = structuredClone(config);
      broken.services[0].retry = 1;
      broken.plugins[1].config.per_minute = 1;
      const found = await kongErrors(broken);
      if (found.length < 2) throw new Error(`the schema accepts unknown members: ${found}`);
      const errors = await kongErrors(config);
      if (errors.length > 0) throw new Error(errors.join('\n'));
      return {
        result: 'proved',
        detail: 'members and references by a schema of this project, not compared with Kong’s',
        gap: 'no Kong in the registries: it did not read the file, and no request was routed',
      };
    },
  },
];
