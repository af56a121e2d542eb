import { OBJECTIVES } from './alerts.ts';
import { DASHBOARDS } from './dashboards/index.ts';
import { dashboardJson } from './grafana.ts';
import { assertKnownMetrics } from './metric-names.ts';
import { type Links, prometheusRule, sloRules, weirRules } from './prometheus.ts';
import { DEFAULT_RUNBOOK_URL } from './runbooks.ts';

/** The addresses of `docker-compose.monitoring.yml`. */
export const DEFAULT_LINKS: Links = { runbooks: DEFAULT_RUNBOOK_URL, grafana: 'http://localhost:3000' };

/**
 * Generates the dashboards and rules.
 *
 * @returns the text of each file, by its path below deploy/monitoring
 * @throws Error when a metric of the description is not exposed by the gateway
 */
export function generatedFiles(links: Links = DEFAULT_LINKS): ReadonlyMap<string, string> {
  assertKnownMetrics();
  const files = new Map<string, string>();
  for (const dashboard of DASHBOARDS) {
    const json = dashboardJson(dashboard, DASHBOARDS, links.runbooks);
    files.set(`grafana/dashboards/${dashboard.id}.json`, `${JSON.stringify(json, undefined, 2)}\n`);
  }
  files.set('prometheus/rules/weir.yml', weirRules(links));
  for (const objective of OBJECTIVES) {
    files.set(`prometheus/rules/slo/slo-${objective}.yml`, sloRules(objective, links));
  }
  return files;
}

/**
 * Generates the copies of the rules for Kubernetes.
 *
 * @returns the text of each file, by its path below deploy
 */
export function kubernetesFiles(links: Links = DEFAULT_LINKS): ReadonlyMap<string, string> {
  return new Map([
    ['kubernetes/components/monitoring/prometheus-rule.yaml', prometheusRule(links)],
    ['helm/weir/files/weir.yml', weirRules(links)],
    ...OBJECTIVES.map(
      (objective) => [`helm/weir/files/slo-${objective}.yml`, sloRules(objective, links)] as const,
    ),
  ]);
}
