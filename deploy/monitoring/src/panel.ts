import type { Vector } from './promql.ts';
import type { Runbook } from './runbooks.ts';

/** Units, as Grafana names them. */
export type Unit =
  | 'reqps'
  | 'ops'
  | 'percentunit'
  | 'percent'
  | 's'
  | 'short'
  | 'none'
  | 'currencyUSD'
  | 'bytes'
  | 'Bps'
  | 'celsius'
  | 'watt'
  | 'dateTimeFromNow';

export interface Query {
  readonly expression: string;
  /** The text of the legend; `{{label}}` is replaced with the label's value. */
  readonly legend: string;
}

/** From `from` on, values have the color. */
export interface Threshold {
  readonly from: number;
  readonly color: 'green' | 'yellow' | 'orange' | 'red';
}

export interface Panel {
  readonly title: string;
  /** What the panel shows, and when the value needs an action. */
  readonly description: string;
  readonly type: 'timeseries' | 'stat' | 'gauge' | 'table';
  readonly unit: Unit;
  readonly runbook: Runbook;
  readonly queries: readonly Query[];
  /** Ascending; green below the first. */
  readonly thresholds: readonly Threshold[];
  /** Of 24 columns. */
  readonly width: number;
  readonly height: number;
  /** Texts of values, such as 1 for `healthy`. */
  readonly mappings: Readonly<Record<string, string>>;
  /** Draws the series on top of each other. */
  readonly stacked: boolean;
}

export type VariableName = 'tenant' | 'model' | 'provider' | 'instance';

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  /** Of its file and its address, without the prefix `weir-`. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly VariableName[];
  readonly rows: readonly Row[];
}

type QueryEntry = readonly [expression: string | Vector<string>, legend: string];

interface PanelOptions {
  readonly description: string;
  readonly unit: Unit;
  readonly runbook: Runbook;
  readonly queries: readonly QueryEntry[];
  readonly thresholds?: readonly (readonly [from: number, color: Threshold['color']])[];
  readonly width?: number;
  readonly mappings?: Readonly<Record<string, string>>;
  readonly stacked?: boolean;
}

function panel(type: Panel['type'], size: { width: number; height: number }) {
  return (title: string, options: PanelOptions): Panel => ({
    title,
    type,
    description: options.description,
    unit: options.unit,
    runbook: options.runbook,
    queries: options.queries.map(([expression, legend]) => ({ expression: String(expression), legend })),
    thresholds: (options.thresholds ?? []).map(([from, color]) => ({ from, color })),
    width: options.width ?? size.width,
    height: size.height,
    mappings: options.mappings ?? {},
    stacked: options.stacked ?? false,
  });
}

/** One number, colored by the thresholds. */
export const stat = panel('stat', { width: 4, height: 4 });
/** Lines over time; thresholds are dashed lines. */
export const graph = panel('timeseries', { width: 8, height: 8 });
/** The last values of many series. */
export const table = panel('table', { width: 12, height: 8 });
