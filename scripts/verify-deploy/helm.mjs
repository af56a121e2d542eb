// The Helm chart: linted, rendered for several sets of values, and its messages for wrong ones.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CUSTOM_GAP, validate } from './lib/kubernetes-schemas.mjs';
import {
  checkov,
  checkovFindings,
  documentsOf,
  helm,
  kubeScore,
  NO_CLUSTER,
  scoreFindings,
  writeManifests,
} from './lib/kubernetes-tools.mjs';
import { CommandFailed, run } from './lib/process.mjs';

const CHART = 'deploy/helm/weir';
const VERSION = ['--kube-version', '1.34.0'];

/** Values of installations, by name. */
const INSTALLATIONS = {
  smallest: { secrets: { existingSecret: 'weir-secrets' } },
  sqlite: {
    secrets: { values: { WEIR_ADMIN_KEY: 'a-key-for-a-test-only' } },
    storage: { backend: 'sqlite' },
    autoscaling: { enabled: false },
    replicas: 1,
  },
  mutualTls: {
    secrets: { existingSecret: 'weir-secrets' },
    config: {
      server: { tls: { cert: '/certs/tls.crt', key: '/certs/tls.key', client_ca: '/certs/clients.pem' } },
    },
  },
  full: {
    size: 'large',
    secrets: { external: { enabled: true } },
    backup: { enabled: true, location: 's3://backups/weir' },
    autoscaling: { queueDepth: { enabled: true } },
    scheduledScaling: { enabled: true },
    verticalPodAutoscaler: { enabled: true },
    zoneSpread: 'DoNotSchedule',
    ingress: { enabled: true, host: 'ai.example.com' },
    gatewayApi: { enabled: true, host: 'ai.example.com', parentRefs: [{ name: 'gateway' }] },
    monitoring: {
      serviceMonitor: { enabled: true },
      rules: { enabled: true, objective: '99.99', runbooks: 'https://runbooks.test/' },
    },
    certificateAuthorities: { configMap: 'authorities' },
    podLabels: { 'weir.dev/track': 'stable' },
    engines: {
      tokenSecret: 'engine-secrets',
      deployments: [
        { name: 'chat0', model: 'Qwen/Qwen2.5-7B-Instruct', gpuType: 'l4', maxModelLen: 16_384 },
        { name: 'llama', model: 'meta-llama/Llama-2-7b-chat-hf', gpuType: 'a10g', replicas: 3 },
      ],
    },
  },
};

/** Values that the chart rejects, with a part of the message. */
const REJECTED = [
  [{}, 'Set exactly one of secrets.existingSecret'],
  [{ secrets: { existingSecret: 'a', values: { A: 'b' } } }, '2 sources are set'],
  [{ replicaCount: 3 }, 'replicaCount'],
  [{ size: 'huge' }, 'size'],
  [{ ...INSTALLATIONS.smallest, terminationGracePeriodSeconds: 60 }, 'Requests in flight would be cut'],
  [{ ...INSTALLATIONS.smallest, config: { server: { drain_timeout: 'long' } } }, 'no duration such as 120s'],
  [{ ...INSTALLATIONS.smallest, storage: { backend: 'sqlite' } }, 'gateways with SQLite do not share data'],
  [{ ...INSTALLATIONS.smallest, autoscaling: { minReplicas: 11 } }, 'minReplicas is above maxReplicas'],
  [{ ...INSTALLATIONS.smallest, ingress: { enabled: true } }, 'ingress.host'],
  [{ ...INSTALLATIONS.smallest, backup: { enabled: true } }, 'backup.location'],
  [{ ...INSTALLATIONS.smallest, gatewayApi: { enabled: true } }, 'gatewayApi.parentRefs'],
];

/** Renders the chart. @returns {Promise<string>} manifests */
async function render(context, values, flags = []) {
  const program = await helm(context.tools);
  const path = join(context.temporary(), 'values.json');
  writeFileSync(path, JSON.stringify(values));
  const command = [program, 'template', 'weir', CHART, '--namespace', 'weir', ...VERSION, ...flags];
  return (await run([...command, '--values', path], { cwd: context.root })).stdout;
}

async function renderAll(context) {
  const rendered = new Map();
  for (const [name, values] of Object.entries(INSTALLATIONS))
    rendered.set(name, await render(context, values));
  return rendered;
}

const equal = (name, actual, wanted) => {
  const [a, b] = [actual, wanted].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`${name} is ${a}, not ${b}`);
};

/** The kinds and members that installations must have. */
const EXPECTATIONS = {
  smallest(of) {
    const deployment = of('Deployment', 'weir');
    equal('replicas', deployment.spec.replicas, undefined);
    equal('strategy', deployment.spec.strategy.rollingUpdate, { maxSurge: 1, maxUnavailable: 0 });
    equal('bounds', [of('HorizontalPodAutoscaler', 'weir').spec.minReplicas, 10], [2, 10]);
    const job = of('Job', 'weir-migrate');
    equal('hook', job.metadata.annotations['helm.sh/hook'], 'pre-install,pre-upgrade');
    const config = of('ConfigMap', 'weir-migrate');
    equal('configuration of the migration', config.data, of('ConfigMap', 'weir').data);
    const weight = (one) => Number(one.metadata.annotations['helm.sh/hook-weight']);
    equal('the configuration precedes the migration', weight(config) < weight(job), true);
  },
  sqlite(of) {
    equal('strategy', of('Deployment', 'weir').spec.strategy, { type: 'Recreate' });
    for (const kind of ['Job', 'HorizontalPodAutoscaler', 'PodDisruptionBudget'])
      equal(kind, of(kind), undefined);
    const annotations = of('PersistentVolumeClaim', 'weir').metadata.annotations;
    equal('data stays', annotations['helm.sh/resource-policy'], 'keep');
  },
  mutualTls(of) {
    const { startupProbe, readinessProbe, livenessProbe } = of('Deployment', 'weir').spec.template.spec
      .containers[0];
    for (const { httpGet } of [startupProbe, readinessProbe, livenessProbe])
      equal('port of probes, which have no certificate', httpGet.port, 'metrics');
    equal('test pod', of('Pod', 'weir-test'), undefined);
  },
  full(of) {
    const [container] = of('Deployment', 'weir').spec.template.spec.containers;
    equal('memory', container.resources.limits.memory, '8Gi');
    equal('workers', container.env.find(({ name }) => name === 'SERVER_WORKERS')?.value, '4');
    const [, , queue] = of('HorizontalPodAutoscaler', 'weir').spec.metrics;
    equal('metric of the queue', queue.pods.metric.name, 'llm_queue_depth');
    const rules = JSON.stringify(of('PrometheusRule', 'weir').spec);
    equal(
      'links of alerts',
      [rules.includes('https://runbooks.test/'), rules.includes('localhost')],
      [true, false],
    );
    equal('templates of alerts stay', rules.includes('{{ $value'), true);
    const backup = of('CronJob', 'weir-backup').spec;
    equal('backups', [backup.schedule, backup.concurrencyPolicy], ['*/5 * * * *', 'Forbid']);
    equal('replicas of llama', of('Deployment', 'llama').spec.replicas, 3);
    const gpu = of('Deployment', 'chat0').spec.template.spec;
    equal('node', gpu.nodeSelector, { 'gpu-type': 'l4' });
    equal('GPU', gpu.containers[0].resources.limits['nvidia.com/gpu'], '1');
  },
};

export const checks = [
  {
    artefact: CHART,
    tool: 'helm lint',
    async run(context) {
      const program = await helm(context.tools);
      const folder = context.temporary();
      for (const [name, values] of Object.entries(INSTALLATIONS)) {
        const path = join(folder, `${name}.json`);
        writeFileSync(path, JSON.stringify(values));
        const command = [program, 'lint', '--strict', CHART, ...VERSION, '--values', path];
        await run(command, { cwd: context.root });
      }
      const { code } = await run([program, 'lint', CHART, '--set', 'size=huge'], {
        cwd: context.root,
        ok: [0, 1],
      });
      if (code !== 1) throw new Error('helm accepts values against the schema');
      await run([program, 'package', CHART, '--destination', folder], { cwd: context.root });
      return { result: 'proved', detail: `${Object.keys(INSTALLATIONS).length} sets of values, packaged` };
    },
  },
  {
    artefact: CHART,
    tool: 'helm template',
    async run(context) {
      for (const [name, text] of await renderAll(context)) {
        const documents = await documentsOf(text);
        const of = (kind, wanted) =>
          documents.find((one) => one.kind === kind && (wanted ?? one.metadata.name) === one.metadata.name);
        try {
          EXPECTATIONS[name](of);
        } catch (error) {
          throw new Error(`${name}: ${error.message}`, { cause: error });
        }
      }
      for (const [values, message] of REJECTED) {
        const output = await render(context, values).then(
          () => 'rendered',
          (error) => {
            if (error instanceof CommandFailed) return error.output.stderr;
            throw error;
          },
        );
        if (!output.includes(message)) throw new Error(`${JSON.stringify(values)}: ${output}`);
      }
      const old = await render(context, INSTALLATIONS.smallest, ['--kube-version', '1.29.0']).catch(
        (error) => error.message,
      );
      if (!old.includes('>=1.30.0')) throw new Error('the chart accepts Kubernetes 1.29');
      const count = Object.keys(INSTALLATIONS).length;
      return {
        result: 'proved',
        detail: `${count} installations, ${REJECTED.length + 1} messages`,
        gap: 'hooks and `helm test` need a cluster',
      };
    },
  },
  {
    artefact: CHART,
    tool: 'kubeconform',
    async run(context) {
      const detail = await validate(context, writeManifests(context.temporary(), await renderAll(context)));
      return { result: 'proved', detail, gap: `${NO_CLUSTER}; ${CUSTOM_GAP}` };
    },
  },
  {
    artefact: CHART,
    tool: 'kube-score, checkov',
    async run(context) {
      const [score, policies] = [await kubeScore(context.tools), await checkov(context.tools)];
      const rendered = await renderAll(context);
      const folder = context.temporary();
      const findings = [];
      for (const path of writeManifests(folder, rendered))
        findings.push(...(await scoreFindings(score, path)));
      const { failed, passed } = await checkovFindings(policies, folder);
      findings.push(...failed);
      if (findings.length > 0) throw new Error(findings.join('\n'));
      return { result: 'proved', detail: `no critical finding, ${passed} checks of checkov` };
    },
  },
];
