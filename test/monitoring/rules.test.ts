import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { allAlerts } from '../../deploy/monitoring/src/alerts.ts';
import { hasPrometheus, runPromtool } from '../support/services/prometheus.ts';

/**
 * Each alert with its real durations, in the time of promtool: pending before `for` has passed, firing after it, silent after
 * the fault.
 */

const RULES = join(import.meta.dirname, '../../deploy/monitoring/prometheus/rules');
const folder = mkdtempSync(join(tmpdir(), 'weir-promtool-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Values of a series at each step: so many steps with this rise; `_` for no value. */
type Rises = readonly (readonly [steps: number, rise: number | '_'])[];

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

interface Case {
  readonly alert: string;
  readonly name?: string;
  readonly rules?: string;
  /** Seconds between two values. */
  readonly step: number;
  /** Counters by their rises; gauges by their values. */
  readonly counters?: Readonly<Record<string, Rises>>;
  readonly gauges?: Readonly<Record<string, readonly (readonly [steps: number, value: number | '_'])[]>>;
  /** Seconds at which it does not fire. */
  readonly silent: readonly number[];
  /** Seconds at which it fires. */
  readonly firing: readonly number[];
}

/** PromQL's test notation: `1x3` repeats a value. */
const counterValues = (rises: Rises): string => {
  let value = 0;
  const parts: string[] = ['0'];
  for (const [steps, rise] of rises) {
    if (rise === '_') {
      parts.push(`_x${steps}`);
      continue;
    }
    parts.push(`${value + rise}+${rise}x${steps - 1}`);
    value += rise * steps;
  }
  return parts.join(' ');
};
const gaugeValues = (values: readonly (readonly [number, number | '_'])[]): string =>
  values.map(([steps, value]) => (value === '_' ? `_x${steps}` : `${value}x${steps - 1}`)).join(' ');

const OK = 'llm_requests_total{model="m",provider="p",status="200",tier="pro",stream="false"}';
const FAILED = 'llm_requests_total{model="m",provider="p",status="502",tier="pro",stream="false"}';
const bucket = (le: string) =>
  `llm_request_duration_seconds_bucket{model="m",provider="p",stream="false",le="${le}"}`;
const quota = (name: string) => `llm_quota_used_ratio{tenant="acme",quota="${name}"}`;
const TOKENS = 'llm_tokens_total{model="m",direction="output"}';

const gaugeCase = (
  alert: string,
  series: string,
  { healthy, faulty, pending, fires }: { healthy: number; faulty: number; pending: number; fires: number },
  more: Case['gauges'] = {},
): Case => ({
  alert,
  step: 15,
  gauges: {
    [series]: [
      [40, healthy],
      [80, faulty],
      [80, healthy],
    ],
    ...more,
  },
  // The fault begins after 10 minutes, and ends after 30.
  silent: [9 * MINUTE, 10 * MINUTE + pending, 40 * MINUTE],
  firing: [10 * MINUTE + fires, 29 * MINUTE],
});

const CASES: readonly Case[] = [
  {
    alert: 'HighErrorRate',
    step: MINUTE,
    counters: {
      [OK]: [[60, 940]],
      [FAILED]: [
        [20, 0],
        [20, 60],
        [20, 0],
      ],
    },
    silent: [19 * MINUTE, 24 * MINUTE, 46 * MINUTE],
    firing: [31 * MINUTE, 39 * MINUTE],
  },
  {
    alert: 'HighErrorRate',
    name: 'not at 4 %, nor for errors of clients',
    step: MINUTE,
    counters: {
      [OK]: [[60, 900]],
      [FAILED]: [[60, 40]],
      [OK.replace('200', '429')]: [[60, 60]],
    },
    silent: [20 * MINUTE, 40 * MINUTE, 59 * MINUTE],
    firing: [],
  },
  {
    alert: 'ErrorRateSpike',
    step: 30,
    counters: {
      [OK]: [[120, 90]],
      [FAILED]: [
        [40, 0],
        [40, 10],
        [40, 0],
      ],
    },
    silent: [19 * MINUTE, 21 * MINUTE, 44 * MINUTE],
    firing: [25 * MINUTE, 39 * MINUTE],
  },
  {
    alert: 'HighLatency',
    step: MINUTE,
    counters: {
      [bucket('5')]: [[80, 950]],
      [bucket('10')]: [
        [20, 1000],
        [30, 950],
        [30, 1000],
      ],
      [bucket('30')]: [[80, 1000]],
      [bucket('+Inf')]: [[80, 1000]],
    },
    silent: [19 * MINUTE, 29 * MINUTE, 58 * MINUTE],
    firing: [36 * MINUTE, 49 * MINUTE],
  },
  {
    alert: 'UnusualTokenUsage',
    name: 'four times as many',
    step: 10 * MINUTE,
    counters: {
      [TOKENS]: [
        [6 * 170, 60_000],
        [24, 240_000],
        [60, 60_000],
      ],
    },
    silent: [3 * DAY, 170 * HOUR, 170 * HOUR + 20 * MINUTE, 179 * HOUR],
    firing: [172 * HOUR, 174 * HOUR],
  },
  {
    alert: 'UnusualTokenUsage',
    name: 'a model without requests since a restart',
    step: 10 * MINUTE,
    counters: {
      [TOKENS]: [
        [6 * 170, 60_000],
        [24, '_'],
      ],
    },
    silent: [3 * DAY, 170 * HOUR],
    firing: [172 * HOUR],
  },
  {
    alert: 'UnusualTokenUsage',
    name: 'not for a model with few tokens',
    step: 10 * MINUTE,
    counters: {
      [TOKENS]: [
        [6 * 170, 600],
        [24, 2_400],
        [60, 600],
      ],
    },
    silent: [172 * HOUR, 174 * HOUR],
    firing: [],
  },
  gaugeCase('ProviderUnhealthy', 'llm_provider_healthy{provider="chat0"}', {
    ...{ healthy: 1, faulty: 0, pending: 30, fires: 90 },
  }),
  gaugeCase('BackendUnhealthy', 'llm_target_healthy{provider="chat0",upstream_model="u"}', {
    ...{ healthy: 1, faulty: 0, pending: 90, fires: 150 },
  }),
  {
    alert: 'BackendUnhealthy',
    name: 'a breaker that is half-open now and then',
    step: 15,
    gauges: {
      'llm_circuit_breaker_state{provider="chat0",upstream_model="u"}': [
        ...[[40, 0] as const],
        ...Array.from({ length: 20 }, () => [[2, 2] as const, [1, 1] as const]).flat(),
        ...[[40, 0] as const],
      ],
    },
    silent: [9 * MINUTE, 11 * MINUTE, 26 * MINUTE],
    firing: [13 * MINUTE, 24 * MINUTE],
  },
  gaugeCase(
    'GpuMemoryHigh',
    'llm_gpu_memory_used_bytes{gpu="0",node="n"}',
    { healthy: 80, faulty: 91, pending: 4 * MINUTE, fires: 6 * MINUTE },
    { 'llm_gpu_memory_total_bytes{gpu="0",node="n"}': [[200, 100]] },
  ),
  gaugeCase('QueueDepthHigh', 'llm_queue_depth{instance="a"}', {
    ...{ healthy: 100, faulty: 101, pending: 30, fires: 90 },
  }),
  {
    alert: 'RateLimitRejections',
    step: 15,
    // 100 a minute is the limit itself.
    counters: {
      'llm_rate_limit_exceeded_total{scope="key"}': [
        [40, 25],
        [80, 30],
        [40, 0],
      ],
    },
    silent: [9 * MINUTE, 10 * MINUTE + 45, 33 * MINUTE],
    firing: [13 * MINUTE, 29 * MINUTE],
  },
  gaugeCase('QuotaExceeded', quota('tokens_per_day'), { healthy: 0.99, faulty: 1, pending: 30, fires: 90 }),
  {
    alert: 'BudgetBurn',
    step: 5 * MINUTE,
    counters: {
      [quota('cost_per_month')]: [
        [12 * 12, 0.0005],
        [60, 0.005],
        [12 * 12, 0.0001],
      ],
    },
    silent: [11 * HOUR, 12 * HOUR + 5 * MINUTE, 27 * HOUR],
    firing: [16 * HOUR, 17 * HOUR - 5 * MINUTE],
  },
  {
    alert: 'BudgetBurn',
    name: 'a daily budget, within two hours',
    step: MINUTE,
    counters: {
      [quota('cost_per_day')]: [
        [120, 0.0005],
        [90, 0.008],
        [120, 0.0001],
      ],
    },
    silent: [2 * HOUR, 2 * HOUR + 10 * MINUTE, 5 * HOUR],
    firing: [3 * HOUR],
  },
  gaugeCase('PodDown', 'up{job="weir",instance="a"}', { healthy: 1, faulty: 0, pending: 90, fires: 150 }),
  {
    alert: 'PodDown',
    name: 'no gateway is known at all',
    step: 15,
    gauges: {
      'up{job="weir",instance="a"}': [
        [40, 1],
        [80, '_'],
      ],
    },
    silent: [9 * MINUTE],
    firing: [20 * MINUTE],
  },
  gaugeCase('PodNotReady', 'kube_pod_status_ready{namespace="weir",pod="weir-0",condition="true"}', {
    ...{ healthy: 1, faulty: 0, pending: 4 * MINUTE, fires: 6 * MINUTE },
  }),
  gaugeCase('RedisDown', 'redis_up{instance="r"}', { healthy: 1, faulty: 0, pending: 30, fires: 90 }),
  {
    ...gaugeCase('RedisDown', 'llm_limit_store_lost{instance="a"}', {
      healthy: 0,
      faulty: 1,
      pending: 30,
      fires: 90,
    }),
    name: 'a gateway cannot reach it',
  },
  gaugeCase('RegionDown', 'weir_region_up{region="eu"}', { healthy: 1, faulty: 0, pending: 30, fires: 90 }),
  gaugeCase(
    'BackupOverdue',
    'weir_backup_age_seconds{instance="a"}',
    { healthy: 590, faulty: 601, pending: 4 * MINUTE, fires: 6 * MINUTE },
    { 'weir_backup_interval_seconds{instance="a"}': [[200, 300]] },
  ),
  {
    alert: 'BackupOverdue',
    name: 'no backup is found',
    step: 15,
    gauges: { 'weir_backup_interval_seconds{instance="a"}': [[80, 300]] },
    silent: [4 * MINUTE],
    firing: [6 * MINUTE, 19 * MINUTE],
  },
  {
    alert: 'BackupOverdue',
    name: 'not while one gateway sees a recent one',
    step: 15,
    gauges: {
      'weir_backup_interval_seconds{instance="a"}': [[80, 300]],
      'weir_backup_interval_seconds{instance="b"}': [[80, 300]],
      'weir_backup_age_seconds{instance="a"}': [[80, 10_000]],
      'weir_backup_age_seconds{instance="b"}': [[80, 100]],
    },
    silent: [10 * MINUTE, 19 * MINUTE],
    firing: [],
  },
  gaugeCase('PostgresqlDown', 'pg_up{instance="p"}', { healthy: 1, faulty: 0, pending: 30, fires: 90 }),
  gaugeCase(
    'HighMemoryUsage',
    'container_memory_working_set_bytes{name="weir",container="weir",pod="weir-0"}',
    { healthy: 90, faulty: 91, pending: 4 * MINUTE, fires: 6 * MINUTE },
    { 'container_spec_memory_limit_bytes{name="weir",container="weir",pod="weir-0"}': [[200, 100]] },
  ),
  {
    ...gaugeCase(
      'HighMemoryUsage',
      'container_memory_working_set_bytes{name="free",container="free",pod="free-0"}',
      { healthy: 90, faulty: 91, pending: 4 * MINUTE, fires: 6 * MINUTE },
      { 'container_spec_memory_limit_bytes{name="free",container="free",pod="free-0"}': [[200, 0]] },
    ),
    name: 'not for a container without a limit',
    silent: [20 * MINUTE, 29 * MINUTE],
    firing: [],
  },
  {
    ...gaugeCase(
      'HighMemoryUsage',
      'process_resident_memory_bytes{job="weir",instance="a"}',
      { healthy: 50, faulty: 95, pending: 4 * MINUTE, fires: 6 * MINUTE },
      { 'process_memory_limit_bytes{job="weir",instance="a"}': [[200, 100]] },
    ),
    name: 'of a gateway',
  },
  {
    alert: 'HighCpuUsage',
    step: 30,
    counters: {
      'node_cpu_seconds_total{instance="n",cpu="0",mode="idle"}': [
        [40, 20],
        [60, 1],
        [60, 20],
      ],
      'node_cpu_seconds_total{instance="n",cpu="1",mode="idle"}': [
        [40, 20],
        [60, 1],
        [60, 20],
      ],
    },
    silent: [19 * MINUTE, 29 * MINUTE, 57 * MINUTE],
    firing: [37 * MINUTE, 49 * MINUTE],
  },
  gaugeCase('StorageWriteFailing', 'weir_storage_write_failing{instance="a",area="database"}', {
    ...{ healthy: 0, faulty: 1, pending: 30, fires: 90 },
  }),
  {
    alert: 'TelemetryLoss',
    step: 30,
    counters: {
      'weir_usage_events_lost_total{instance="a"}': [
        [40, 0],
        [60, 5],
        [60, 0],
      ],
    },
    silent: [19 * MINUTE, 24 * MINUTE, 57 * MINUTE],
    firing: [27 * MINUTE, 49 * MINUTE],
  },
  {
    alert: 'SloBurnRateFast',
    step: MINUTE,
    counters: {
      [OK]: [[420, 975]],
      [FAILED]: [
        [180, 0],
        [120, 25],
        [120, 0],
      ],
    },
    silent: [179 * MINUTE, 190 * MINUTE, 360 * MINUTE],
    firing: [230 * MINUTE, 299 * MINUTE],
  },
  {
    alert: 'SloBurnRateFast',
    name: 'not at 0.5 % of failures',
    step: MINUTE,
    counters: { [OK]: [[420, 995]], [FAILED]: [[420, 5]] },
    silent: [100 * MINUTE, 400 * MINUTE],
    firing: [],
  },
  {
    alert: 'SloBurnRateFast',
    name: 'with an objective of 99.99 %',
    rules: 'slo/slo-99.99.yml',
    step: MINUTE,
    counters: {
      [OK]: [[420, 9975]],
      [FAILED]: [
        [180, 0],
        [120, 25],
        [120, 0],
      ],
    },
    silent: [179 * MINUTE, 190 * MINUTE, 360 * MINUTE],
    firing: [230 * MINUTE, 299 * MINUTE],
  },
  {
    alert: 'SloBurnRateSlow',
    step: 10 * MINUTE,
    counters: {
      [OK]: [[1_200, 996]],
      [FAILED]: [
        [432, 0],
        [432, 4],
        [336, 0],
      ],
    },
    silent: [3 * DAY, 3 * DAY + 6 * HOUR, 6 * DAY + 8 * HOUR],
    firing: [4 * DAY + 6 * HOUR, 6 * DAY],
  },
  {
    alert: 'SloBurnRateSlow',
    name: 'not at 0.05 % of failures',
    step: 10 * MINUTE,
    counters: { [OK]: [[1_200, 9_995]], [FAILED]: [[1_200, 5]] },
    silent: [4 * DAY, 8 * DAY],
    firing: [],
  },
];

/** The alert with the recording rules: evaluating all others at each step takes most of the time. */
function onlyRule(file: string, alert: string): string {
  const document = parse(readFileSync(join(RULES, file), 'utf8'));
  const groups = document.groups.map((group: { rules: { alert?: string }[] }) => ({
    ...group,
    rules: group.rules.filter((rule) => rule.alert === undefined || rule.alert === alert),
  }));
  return stringify({ groups });
}

function testFile({ alert, rules, step, counters = {}, gauges = {}, silent, firing }: Case): string {
  const file = rules ?? (alert.startsWith('Slo') ? 'slo/slo-99.9.yml' : 'weir.yml');
  const rulesPath = join(folder, `${alert}-${file.replace('/', '-')}`);
  writeFileSync(rulesPath, onlyRule(file, alert));
  const expression = `count(ALERTS{alertname="${alert}", alertstate="firing"}) or vector(0)`;
  const at = (seconds: number, value: number) => ({
    expr: expression,
    eval_time: `${seconds}s`,
    exp_samples: [{ labels: '{}', value }],
  });
  return stringify({
    rule_files: [rulesPath],
    evaluation_interval: `${step}s`,
    // In any order, an alert would miss the series that are recorded at the same time.
    group_eval_order: alert.startsWith('Slo')
      ? ['weir-slo-recordings', 'weir-slo']
      : ['weir-recordings', 'weir-alerts'],
    tests: [
      {
        interval: `${step}s`,
        input_series: [
          ...Object.entries(counters).map(([series, rises]) => ({ series, values: counterValues(rises) })),
          ...Object.entries(gauges).map(([series, values]) => ({ series, values: gaugeValues(values) })),
        ],
        promql_expr_test: [
          ...silent.map((seconds) => at(seconds, 0)),
          ...firing.map((seconds) => at(seconds, 1)),
        ],
      },
    ],
  });
}

describe.skipIf(!hasPrometheus)('rules', () => {
  test.each(
    CASES.map((one, index) => [`${one.alert}${one.name ? `: ${one.name}` : ''}`, one, index] as const),
  )('%s', (_name, one, index) => {
    const path = join(folder, `${index}.yml`);
    writeFileSync(path, testFile(one));
    const { code, output } = runPromtool('test', 'rules', path);
    expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
  });

  test('every alert has a case', () => {
    const tested = new Set(CASES.filter(({ firing }) => firing.length > 0).map(({ alert }) => alert));
    expect(
      allAlerts()
        .filter(({ name }) => !tested.has(name))
        .map(({ name }) => name),
    ).toEqual([]);
  });
});
