import type * as schema from '@grafana/schema';
import type { Dashboard, Panel, VariableName } from './panel.ts';
import { runbookUrl } from './runbooks.ts';

/** A type of Grafana's schema as JSON: its enums are their values. */
type Json<Type> = unknown extends Type
  ? Type
  : Type extends string
    ? `${Type}`
    : Type extends number
      ? `${Type}` extends `${infer Value extends number}`
        ? Value
        : never
      : Type extends readonly (infer Item)[]
        ? readonly Json<Item>[]
        : Type extends object
          ? { readonly [Key in keyof Type]: Json<Type[Key]> }
          : Type;
type GrafanaDashboard = Json<schema.Dashboard>;
type GrafanaPanel = Json<schema.Panel | schema.RowPanel>;

/** The id under which deploy/monitoring/grafana/provisioning defines Prometheus. */
const DATASOURCE = { type: 'prometheus', uid: 'weir-prometheus' } as const;
const COLUMNS = 24;

const VARIABLES: Readonly<Record<VariableName, { readonly label: string; readonly query: string }>> = {
  tenant: { label: 'Tenant', query: 'label_values(llm_cost_usd_total, tenant)' },
  model: { label: 'Model', query: 'label_values(llm_requests_total, model)' },
  provider: { label: 'Provider', query: 'label_values(llm_provider_healthy, provider)' },
  instance: { label: 'Gateway', query: 'label_values(llm_requests_in_flight, instance)' },
};

function variable(name: VariableName): Json<schema.VariableModel> {
  const { label, query } = VARIABLES[name];
  return {
    name,
    label,
    type: 'query',
    datasource: DATASOURCE,
    query: { query, refId: `variable-${name}` },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { selected: true, text: ['All'], value: ['$__all'] },
    options: [],
    regex: '',
    hide: 0,
    skipUrlSync: false,
  };
}

function thresholds({ thresholds: list }: Panel): Json<schema.ThresholdsConfig> {
  const steps = list.map(({ from, color }) => ({ color, value: from }));
  return { mode: 'absolute', steps: [{ color: 'green', value: null }, ...steps] };
}

function mappings({ mappings: texts }: Panel): Json<schema.ValueMapping>[] {
  const entries = Object.entries(texts).map(([value, text], index) => [value, { text, index }] as const);
  return entries.length === 0 ? [] : [{ type: 'value', options: Object.fromEntries(entries) }];
}

function targets({ queries, type }: Panel) {
  const instant = type !== 'timeseries';
  return queries.map(({ expression, legend }, index) => ({
    refId: String.fromCharCode('A'.charCodeAt(0) + index),
    datasource: DATASOURCE,
    editorMode: 'code',
    expr: expression,
    legendFormat: legend,
    instant,
    range: !instant,
    ...(type === 'table' && { format: 'table' }),
  }));
}

function optionsOf(panel: Panel) {
  switch (panel.type) {
    case 'timeseries':
      return {
        legend: {
          displayMode: 'table',
          placement: 'bottom',
          showLegend: true,
          calcs: ['lastNotNull', 'max'],
        },
        tooltip: { mode: 'multi', sort: 'desc' },
      };
    case 'table':
      return { showHeader: true, cellHeight: 'sm', footer: { show: false, reducer: ['sum'], fields: '' } };
    default:
      return {
        reduceOptions: { values: false, calcs: ['lastNotNull'], fields: '' },
        colorMode: panel.thresholds.length > 0 ? 'background' : 'value',
        graphMode: 'area',
        justifyMode: 'auto',
        orientation: 'auto',
        textMode: 'auto',
      };
  }
}

function customOptions(panel: Panel) {
  if (panel.type !== 'timeseries') return {};
  return {
    custom: {
      drawStyle: 'line',
      lineInterpolation: 'linear',
      lineWidth: 1,
      fillOpacity: panel.stacked ? 30 : 8,
      showPoints: 'never',
      spanNulls: false,
      stacking: { group: 'A', mode: panel.stacked ? 'normal' : 'none' },
      thresholdsStyle: { mode: panel.thresholds.length > 0 ? 'dashed' : 'off' },
    },
  };
}

function link(
  title: string,
  url: string,
  options: { targetBlank?: boolean; keepTime?: boolean; includeVars?: boolean },
) {
  return {
    ...{ title, url, type: 'link', icon: 'dashboard', tooltip: '', tags: [], asDropdown: false },
    ...{ targetBlank: false, keepTime: false, includeVars: false, ...options },
  } satisfies Json<schema.DashboardLink>;
}

/** Grafana's Prometheus plugin reads these members; the schema of dashboards does not have them. */
const ALERT_QUERY = { refId: 'alerts', expr: 'ALERTS{alertstate="firing"}' };
const ANNOTATION_TEXTS = {
  titleFormat: '{{alertname}}',
  textFormat: '{{model}} {{provider}} {{tenant}} {{instance}}',
};

interface Position {
  readonly h: number;
  readonly w: number;
  readonly x: number;
  readonly y: number;
}

function panelJson(panel: Panel, id: number, gridPos: Position, runbooks: string): GrafanaPanel {
  return {
    id,
    type: panel.type,
    title: panel.title,
    description: panel.description,
    datasource: DATASOURCE,
    gridPos,
    links: [link(`Runbook: ${panel.runbook}`, runbookUrl(panel.runbook, runbooks), { targetBlank: true })],
    targets: targets(panel),
    fieldConfig: {
      defaults: {
        unit: panel.unit,
        mappings: mappings(panel),
        thresholds: thresholds(panel),
        ...customOptions(panel),
      },
      overrides: [],
    },
    options: optionsOf(panel),
    // A table has one column for each label, and one for the value.
    ...(panel.type === 'table' && {
      transformations: [
        { id: 'organize', options: { excludeByName: { Time: true }, renameByName: { Value: panel.title } } },
      ],
    }),
  };
}

function rowJson(title: string, id: number, y: number): GrafanaPanel {
  return { id, type: 'row', title, collapsed: false, gridPos: { h: 1, w: COLUMNS, x: 0, y }, panels: [] };
}

/** Fills each row from left to right, and continues below. */
function layOut(dashboard: Dashboard, runbooks: string): GrafanaPanel[] {
  const panels: GrafanaPanel[] = [];
  let y = 0;
  for (const row of dashboard.rows) {
    panels.push(rowJson(row.title, panels.length + 1, y));
    y += 1;
    let x = 0;
    let height = 0;
    for (const panel of row.panels) {
      if (x + panel.width > COLUMNS) {
        x = 0;
        y += height;
        height = 0;
      }
      const position = { h: panel.height, w: panel.width, x, y };
      panels.push(panelJson(panel, panels.length + 1, position, runbooks));
      x += panel.width;
      height = Math.max(height, panel.height);
    }
    y += height;
  }
  return panels;
}

/** @returns the dashboard as Grafana 10 and later reads it from a file */
export function dashboardJson(
  dashboard: Dashboard,
  all: readonly Dashboard[],
  runbooks: string,
): GrafanaDashboard {
  return {
    uid: `weir-${dashboard.id}`,
    title: `Weir / ${dashboard.title}`,
    description: dashboard.description,
    tags: ['weir'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    annotations: {
      list: [
        {
          name: 'Firing alerts',
          datasource: DATASOURCE,
          enable: true,
          hide: false,
          iconColor: 'red',
          target: ALERT_QUERY,
          ...ANNOTATION_TEXTS,
        },
      ],
    },
    links: all
      .filter(({ id }) => id !== dashboard.id)
      .map(({ id, title }) => link(title, `/d/weir-${id}`, { keepTime: true, includeVars: true })),
    templating: { list: dashboard.variables.map(variable) },
    panels: layOut(dashboard, runbooks),
  };
}
