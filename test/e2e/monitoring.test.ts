import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { allAlerts } from '../../deploy/monitoring/src/alerts.ts';
import { DASHBOARDS } from '../../deploy/monitoring/src/dashboards/index.ts';
import { isRecord } from '../../src/core/json.ts';
import { freePort } from '../support/free-port.ts';
import {
  hasAlertmanager,
  hasPrometheus,
  type Sample,
  startAlertmanager,
  startPrometheus,
  type TestPrometheus,
  type TestService,
} from '../support/services/prometheus.ts';
import { eventually } from './harness.ts';
import { compressRules } from './helpers/compressed-rules.ts';
import { MonitoredPlatform } from './helpers/monitored-platform.ts';

/**
 * A real Prometheus scrapes gateways under traffic, and evaluates the shipped rules with windows of seconds. Each fault
 * makes its own alerts fire, and no other; they clear when the fault ends. A real Alertmanager delivers them.
 */

const FOLDER = join(import.meta.dirname, '../../deploy/monitoring');
const read = (path: string) => readFileSync(join(FOLDER, path), 'utf8');
/** For faults under the load of other tests. */
const PATIENCE_MS = 60_000;

/** Receives what Alertmanager delivers. */
class WebhookReceiver {
  readonly received: {
    readonly path: string;
    readonly status: unknown;
    readonly alert: Record<string, unknown>;
  }[] = [];
  readonly #server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
      const alerts = isRecord(body) && Array.isArray(body.alerts) ? body.alerts.filter(isRecord) : [];
      for (const alert of alerts)
        this.received.push({ path: request.url ?? '', status: alert.status, alert });
      response.end();
    });
  });

  async start(): Promise<string> {
    const port = await freePort();
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return `http://127.0.0.1:${port}`;
  }

  /** @returns the delivery of an alert; undefined before it */
  find(name: string, status: 'firing' | 'resolved') {
    return this.received.find(
      (one) => one.status === status && isRecord(one.alert.labels) && one.alert.labels.alertname === name,
    );
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** The shipped configuration with the address of the test's receiver, and without waiting for more alerts. */
function alertmanagerConfig(receiver: string): string {
  const quick = (route: unknown): unknown =>
    isRecord(route)
      ? {
          ...route,
          ...{ group_wait: '0s', group_interval: '1s' },
          ...(Array.isArray(route.routes) && { routes: route.routes.map(quick) }),
        }
      : route;
  const config: unknown = parse(
    read('alertmanager/alertmanager.yml').replaceAll('http://alert-log:8080', receiver),
  );
  if (!isRecord(config)) throw new Error('alertmanager.yml is not a map');
  return stringify({ ...config, route: quick(config.route) });
}

function prometheusConfig(platform: MonitoredPlatform, alertmanager: string): string {
  const { first, second } = platform.gatewayTargets;
  const job = (name: string, targets: readonly string[], path = '/metrics') => ({
    job_name: name,
    metrics_path: path,
    static_configs: [{ targets }],
  });
  const exporters = new URL(platform.exporters.url).host;
  return stringify({
    global: { scrape_interval: '800ms', scrape_timeout: '800ms', evaluation_interval: '250ms' },
    rule_files: ['weir.yml', 'slo.yml'],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [new URL(alertmanager).host] }] }] },
    scrape_configs: [
      job('weir', [first, second]),
      ...platform.exporters.exporters.map((name) => job(name, [exporters], `/${name}/metrics`)),
    ],
  });
}

describe.skipIf(!hasPrometheus || !hasAlertmanager)('monitoring', () => {
  let platform: MonitoredPlatform;
  let prometheus: TestPrometheus;
  let alertmanager: TestService;
  const receiver = new WebhookReceiver();

  beforeAll(async () => {
    platform = await MonitoredPlatform.start();
    alertmanager = await startAlertmanager(alertmanagerConfig(await receiver.start()));
    prometheus = await startPrometheus(
      new Map([
        ['weir.yml', compressRules(read('prometheus/rules/weir.yml'))],
        ['slo.yml', compressRules(read('prometheus/rules/slo/slo-99.9.yml'))],
        ['prometheus.yml', prometheusConfig(platform, alertmanager.url)],
      ]),
    );
    await platform.startTraffic();
  }, 120_000);
  afterAll(async () => {
    await platform?.close();
    await prometheus?.dispose();
    await alertmanager?.dispose();
    receiver.close();
  }, 60_000);

  const firing = () => prometheus.query('ALERTS{alertstate="firing"}');
  const matches = ({ labels }: Sample, name: string, wanted: Readonly<Record<string, string>>) =>
    labels.alertname === name && Object.entries(wanted).every(([label, value]) => labels[label] === value);

  /** Alerts that a fault made fire: others than these must not fire. */
  const seen: { readonly name: string; readonly labels: Readonly<Record<string, string>> }[] = [];
  type Expected = readonly (readonly [name: string, labels?: Readonly<Record<string, string>>])[];
  async function fireAndClear(expected: Expected, begin: () => unknown, end: () => unknown): Promise<void> {
    await begin();
    for (const [name, labels = {}] of expected) {
      await eventually(
        `${name} fires`,
        async () => (await firing()).some((sample) => matches(sample, name, labels)),
        PATIENCE_MS,
      );
      seen.push({ name, labels });
    }
    await end();
    for (const [name, labels = {}] of expected) {
      await eventually(
        `${name} clears`,
        async () => !(await firing()).some((sample) => matches(sample, name, labels)),
        PATIENCE_MS,
      );
    }
  }

  test('no alert fires under healthy traffic', async () => {
    await eventually(
      'both gateways and all exporters are scraped',
      async () => (await prometheus.query('sum(up)'))[0]?.value === 2 + platform.exporters.exporters.length,
      PATIENCE_MS,
    );
    // The offset of a week is 9 s here; before that, nothing can deviate from last week.
    await eventually(
      'a week has passed',
      async () => (await prometheus.query('weir:tokens:rate1h{model="tokens"} offset 13s')).length > 0,
      PATIENCE_MS,
    );
    expect(await firing()).toEqual([]);
  }, 120_000);

  test('every alert fires and clears under its own fault', async () => {
    const { exporters, collector } = platform;
    const startedAt = performance.now();
    const instance = platform.gatewayTargets;
    const exporterFault = (expected: Expected, series: string, value: number) =>
      fireAndClear(
        expected,
        () => exporters.set(series, value),
        () => exporters.set(series, null),
      );
    const stops: (() => void)[] = [];
    const stop = () => {
      for (const one of stops.splice(0)) one();
    };

    const failing = fireAndClear(
      [
        ['HighErrorRate'],
        ['ErrorRateSpike', { model: 'failing', provider: 'failing' }],
        ['SloBurnRateFast'],
        ['SloBurnRateSlow'],
      ],
      () => {
        platform.isFailing = true;
      },
      () => {
        platform.isFailing = false;
      },
    );
    const dead = fireAndClear(
      [
        ['ProviderUnhealthy', { provider: 'dead' }],
        ['BackendUnhealthy', { provider: 'dead', upstream_model: 'dead' }],
      ],
      () => platform.setDead(true),
      () => platform.setDead(false),
    );
    const slowStop = platform.repeat(250, 'slow');
    const slow = fireAndClear([['HighLatency', { model: 'slow' }]], () => undefined, slowStop);
    let stopBusy: () => void = () => undefined;
    const queue = fireAndClear(
      [['QueueDepthHigh']],
      () => {
        platform.isHolding = true;
        platform.burst(150, 'busy');
        stopBusy = platform.repeat(50, 'busy');
      },
      () => {
        stopBusy();
        platform.isHolding = false;
        platform.release();
      },
    );
    const fullStop = platform.repeat(300, 'full');
    const full = fireAndClear([['ErrorRateSpike', { model: 'full' }]], () => undefined, fullStop);
    const limited = platform.repeat(100, 'chat', { tenant: 'limited' });
    const rejected = fireAndClear([['RateLimitRejections', { scope: 'key' }]], () => undefined, limited);
    const quota = fireAndClear(
      [['QuotaExceeded', { tenant: 'burner', quota: 'requests_per_day' }]],
      async () => {
        await platform.send('other', { tenant: 'burner' });
        await platform.send('other', { tenant: 'burner' });
      },
      async () => {
        await platform.setLimits('burner', [{ of: 'requests', per: 'day', max: 1_000 }]);
        await eventually(
          'the limit is raised',
          async () => (await platform.send('other', { tenant: 'burner' })) === 200,
        );
      },
    );
    const budget = fireAndClear(
      [['BudgetBurn', { tenant: 'spender', quota: 'cost_per_month' }]],
      () => stops.push(platform.repeat(400, 'spender', { tenant: 'spender' })),
      stop,
    );
    const tokenStop = platform.repeat(60, 'tokens');
    const tokens = fireAndClear([['UnusualTokenUsage', { model: 'tokens' }]], () => undefined, tokenStop);
    const spans = fireAndClear(
      [['TelemetryLoss', { instance: instance.first }]],
      () => {
        collector.status = 400;
      },
      () => {
        collector.status = 200;
      },
    );
    const cpu = fireAndClear(
      [['HighCpuUsage', { instance: new URL(exporters.url).host }]],
      () => exporters.setRate('node_cpu_seconds_total{cpu="0",mode="idle"}', 0.01),
      () => exporters.setRate('node_cpu_seconds_total{cpu="0",mode="idle"}', 0.9),
    );
    const second = async () => {
      if (platform.hasDisk) {
        await fireAndClear(
          [['StorageWriteFailing', { instance: instance.second }]],
          () => platform.fillDisk(),
          () => platform.freeDisk(),
        );
      }
      await fireAndClear(
        [['PodDown', { instance: instance.second }]],
        () => platform.killSecond(),
        () => platform.restartSecond(),
      );
    };
    const results = await Promise.allSettled([
      ...[failing, dead, slow, queue, rejected, quota, budget, tokens, spans, cpu, full, second()],
      exporterFault([['RedisDown', { job: 'redis' }]], 'redis_up', 0),
      exporterFault([['PostgresqlDown', { job: 'postgres' }]], 'pg_up', 0),
      exporterFault([['RegionDown', { region: 'us' }]], 'weir_region_up{region="us"}', 0),
      exporterFault([['BackupOverdue', {}]], 'weir_backup_age_seconds', 601),
      exporterFault(
        [['PodNotReady', { pod: 'weir-0' }]],
        'kube_pod_status_ready{namespace="weir",pod="weir-0",uid="7d0c",condition="true"}',
        0,
      ),
      exporterFault([['HighMemoryUsage', { job: 'node' }]], 'node_memory_MemAvailable_bytes', 1e9),
      fireAndClear(
        [['GpuMemoryHigh', { gpu: '0', node: 'gpu-node-1' }]],
        () => {
          exporters.set('DCGM_FI_DEV_FB_USED', 22_000);
          exporters.set('DCGM_FI_DEV_FB_FREE', 500);
        },
        () => {
          exporters.set('DCGM_FI_DEV_FB_USED', null);
          exporters.set('DCGM_FI_DEV_FB_FREE', null);
        },
      ),
    ]);
    expect(
      results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : [])),
    ).toEqual([]);

    const seconds = Math.floor((performance.now() - startedAt) / 1000);
    const history = await prometheus.query(`max_over_time(ALERTS{alertstate="firing"}[${seconds}s])`);
    // On a busy machine, requests of these take more than 10 s, or leave the queue without a slot.
    const possible = ['full', 'busy'].flatMap((model) =>
      ['HighLatency', 'ErrorRateSpike'].map((name) => ({ name, labels: { model } })),
    );
    const unexpected = history.filter(
      (sample) => ![...seen, ...possible].some(({ name, labels }) => matches(sample, name, labels)),
    );
    expect(unexpected.map(({ labels }) => labels)).toEqual([]);
    const untested = allAlerts().filter(({ name }) => !seen.some((one) => one.name === name));
    expect(untested.map(({ name }) => name)).toEqual(platform.hasDisk ? [] : ['StorageWriteFailing']);
    await eventually('all alerts clear', async () => (await firing()).length === 0, PATIENCE_MS);
  }, 300_000);

  const panels = DASHBOARDS.flatMap(({ title, rows }) =>
    rows.flatMap((row) =>
      row.panels.flatMap((panel) =>
        panel.queries.map(
          ({ expression }, index) => [`${title} / ${panel.title} ${index + 1}`, expression] as const,
        ),
      ),
    ),
  );
  test('every query of every panel returns data', async () => {
    const empty: string[] = [];
    for (const [name, expression] of panels) {
      const query = expression
        .replaceAll('$__rate_interval', '2m')
        .replaceAll(/\$(tenant|model|provider|instance)\b/g, '.*');
      expect(query).not.toContain('$');
      if ((await prometheus.query(query)).length === 0) empty.push(`${name}: ${query}`);
    }
    expect(empty).toEqual([]);
    expect(panels.length).toBeGreaterThan(100);
  }, 60_000);

  test('Alertmanager delivers alerts by severity, with their runbook, and their end', async () => {
    for (const name of ['HighErrorRate', 'QueueDepthHigh', 'UnusualTokenUsage']) {
      const alert = allAlerts().find((one) => one.name === name);
      await eventually(
        `${name} is delivered`,
        () => receiver.find(name, 'firing') !== undefined,
        PATIENCE_MS,
      );
      await eventually(
        `the end of ${name} is delivered`,
        () => receiver.find(name, 'resolved') !== undefined,
        PATIENCE_MS,
      );
      const delivery = receiver.find(name, 'firing');
      expect(delivery?.path).toBe(`/${alert?.severity}`);
      expect(delivery?.alert.annotations).toMatchObject({
        runbook_url: `http://localhost:8090/${alert?.runbook}.md`,
        dashboard_url: `http://localhost:3000/d/weir-${alert?.dashboard}`,
      });
    }
  }, 180_000);
});
