import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { allAlerts, LOSSES, OBJECTIVES } from '../../deploy/monitoring/src/alerts.ts';
import { DASHBOARDS } from '../../deploy/monitoring/src/dashboards/index.ts';
import { EXPORTER_METRICS } from '../../deploy/monitoring/src/exporters.ts';
import { generatedFiles } from '../../deploy/monitoring/src/generate.ts';
import { exposedMetrics } from '../../deploy/monitoring/src/metric-names.ts';
import { hasAlertmanager, hasPrometheus, runAmtool, runPromtool } from '../support/services/prometheus.ts';

const FOLDER = join(import.meta.dirname, '../../deploy/monitoring');
const files = generatedFiles();
const panels = DASHBOARDS.flatMap((dashboard) =>
  dashboard.rows.flatMap((row) =>
    row.panels.map((panel) => [`${dashboard.title} / ${panel.title}`, panel] as const),
  ),
);
const alerts = OBJECTIVES.flatMap((objective) => [...allAlerts(objective)]);

describe('the files of deploy/monitoring', () => {
  test.each([...files])('%s is what the generator writes: npm run monitoring', (path, text) => {
    expect(readFileSync(join(FOLDER, path), 'utf8')).toBe(text);
  });

  test('include no dashboard and no rules that the description lacks', () => {
    const present = ['grafana/dashboards', 'prometheus/rules'].flatMap((folder) =>
      readdirSync(join(FOLDER, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(json|yml)$/.test(name))
        .map((name) => `${folder}/${name}`),
    );
    expect(present.sort()).toEqual([...files.keys()].sort());
  });

  test('links are those of the options', () => {
    const links = { runbooks: 'https://runbooks.example.com', grafana: 'https://grafana.example.com' };
    const text = [...generatedFiles(links).values()].join('');
    expect(text).toContain('https://runbooks.example.com/high-error-rate.md');
    expect(text).toContain('https://grafana.example.com/d/weir-cost');
    expect(text).not.toContain('localhost');
  });
});

describe('dashboards', () => {
  test('there are ten, and their names are unique', () => {
    expect(DASHBOARDS.map(({ title }) => title).sort()).toEqual([
      ...['Business', 'Cost', 'GPU', 'Gateway overview', 'Infrastructure', 'Operations', 'Per-tenant usage'],
      ...['Provider and backend health', 'Queue and limits', 'Redis and cache'],
    ]);
    expect(new Set(panels.map(([name]) => name)).size).toBe(panels.length);
  });

  test.each(panels)('%s has a description, a legend for each query, and a runbook', (_name, panel) => {
    expect(panel.description.length).toBeGreaterThan(10);
    expect(panel.description.endsWith('.')).toBe(true);
    expect(panel.queries.length).toBeGreaterThan(0);
    for (const { expression, legend } of panel.queries) {
      expect(legend).not.toBe('');
      expect(expression).not.toContain('undefined');
    }
    const starts = panel.thresholds.map(({ from }) => from);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
  });

  test.each(DASHBOARDS.map((dashboard) => [dashboard.title, dashboard] as const))(
    'panels of %s do not overlap, and ids are unique',
    (_title, { id, variables, rows }) => {
      const text = files.get(`grafana/dashboards/${id}.json`) ?? '';
      const { panels: placed, uid } = JSON.parse(text);
      expect(uid.length).toBeLessThanOrEqual(40);
      const cells = new Set<string>();
      const ids = new Set<number>();
      for (const { id: panel, gridPos } of placed) {
        expect(ids.has(panel)).toBe(false);
        ids.add(panel);
        expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
            expect(cells.has(`${x},${y}`)).toBe(false);
            cells.add(`${x},${y}`);
          }
        }
      }
      const used = rows.flatMap((row) =>
        row.panels.flatMap(({ queries }) =>
          queries.flatMap(({ expression }) =>
            [...expression.matchAll(/\$(tenant|model|provider|instance)\b/g)].map(([, name]) => name),
          ),
        ),
      );
      expect([...new Set(used)].filter((name) => !variables.some((variable) => variable === name))).toEqual(
        [],
      );
    },
  );
});

describe('names of metrics', () => {
  const exposed = exposedMetrics();
  const recorded = [...files].flatMap(([path, text]) =>
    path.endsWith('.yml') ? [...text.matchAll(/record: (\S+)/g)].map(([, name]) => name ?? '') : [],
  );
  const isKnown = (name: string) => {
    const base = name.replace(/_(bucket|sum|count)$/, '');
    return (
      exposed.has(name) ||
      exposed.get(base)?.type === 'histogram' ||
      name in EXPORTER_METRICS ||
      recorded.includes(name)
    );
  };
  /** Words of an expression before `{`, `[`, `)` or its end, without functions and labels. */
  const namesIn = (expression: string) =>
    [
      ...expression
        .replaceAll(/"[^"]*"/g, '""')
        .replaceAll(/\b(by|on|ignoring|without) \([^)]*\)/g, '')
        .replaceAll(/\{[^}]*\}/g, '{}')
        .matchAll(/\b(weir:[\w:]+|[a-zA-Z]\w*_\w+|up|ALERTS)\b(?!\s*\()/g),
    ].map(([, name]) => name ?? '');

  test.each([
    ...panels.map(([name, { queries }]) => [name, queries.map(({ expression }) => expression)] as const),
    ...alerts.map(({ name, expression }) => [name, [expression]] as const),
  ])('every metric of %s exists', (_name, expressions) => {
    const names = expressions
      .flatMap(namesIn)
      .filter((name) => name !== '$__rate_interval' && name !== '__rate_interval');
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !isKnown(name))).toEqual([]);
  });
});

describe('alerts', () => {
  test('have the names and thresholds that users expect', () => {
    const line = ({ name, for: duration, severity }: (typeof alerts)[number]) =>
      `${name} ${duration} ${severity}`;
    expect(allAlerts().map(line)).toEqual([
      'HighErrorRate 5m critical',
      'ErrorRateSpike 2m warning',
      'HighLatency 10m warning',
      'UnusualTokenUsage 15m info',
      'ProviderUnhealthy 1m critical',
      'BackendUnhealthy 2m warning',
      'GpuMemoryHigh 5m warning',
      'QueueDepthHigh 1m warning',
      'RateLimitRejections 1m warning',
      'QuotaExceeded 1m warning',
      'BudgetBurn 15m warning',
      'PodDown 2m critical',
      'PodNotReady 5m warning',
      'RedisDown 1m critical',
      'PostgresqlDown 1m critical',
      'RegionDown 1m critical',
      'HighMemoryUsage 5m warning',
      'HighCpuUsage 10m warning',
      'StorageWriteFailing 1m critical',
      'BackupOverdue 5m warning',
      'TelemetryLoss 5m warning',
      'SloBurnRateFast 2m critical',
      'SloBurnRateSlow 15m warning',
    ]);
  });

  test('notice every kind of loss', () => {
    // Reservations are released, and the next export of metrics contains what one did not.
    const harmless = ['llm_reservations_lost_total', 'weir_metric_points_lost_total'];
    const losses = [...exposedMetrics().keys()].filter((name) => name.endsWith('_lost_total'));
    expect(losses.filter((name) => !harmless.includes(name)).sort()).toEqual([...LOSSES].sort());
  });

  test('lead to dashboards that exist', () => {
    const ids = DASHBOARDS.map(({ id }) => id);
    expect(alerts.filter(({ dashboard }) => !ids.includes(dashboard))).toEqual([]);
  });
});

describe.skipIf(!hasPrometheus)('promtool', () => {
  test('accepts the rules and the configuration', () => {
    const rules = [...files.keys()].filter((path) => path.endsWith('.yml')).map((path) => join(FOLDER, path));
    expect(runPromtool('check', 'rules', ...rules)).toMatchObject({ code: 0 });
    const config = join(FOLDER, 'prometheus/prometheus.yml');
    expect(runPromtool('check', 'config', '--syntax-only', config)).toMatchObject({ code: 0 });
  });
});

describe.skipIf(!hasAlertmanager)('amtool', () => {
  const config = join(FOLDER, 'alertmanager/alertmanager.yml');

  test('accepts the configuration', () => {
    expect(runAmtool('check-config', config)).toMatchObject({ code: 0 });
  });

  test.each(['critical', 'warning', 'info'])(
    'routes severity %s to the receiver of this name',
    (severity) => {
      const { code, output } = runAmtool(
        'config',
        'routes',
        'test',
        `--config.file=${config}`,
        `severity=${severity}`,
      );
      expect({ code, output: output.split('\n')[0] }).toEqual({ code: 0, output: severity });
    },
  );
});

test('rules are valid YAML with one group for recordings and one for alerts', () => {
  for (const [path, text] of files) {
    if (!path.endsWith('.yml')) continue;
    const document = parse(text);
    expect(document.groups).toHaveLength(2);
  }
});
