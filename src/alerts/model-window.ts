import { QuantileSketch } from '../storage/quantile-sketch.ts';
import type { FailureCount, MinuteUse } from '../storage/sql/alert-usage.ts';
import { amountText, type Condition, durationText } from './condition.ts';
import type { AlertRule } from './rule.ts';

/** What the requests to one model did in a window. */
export interface ModelWindow {
  /** Those that reached a target, and those that Weir rejected. */
  requests: number;
  rejected: number;
  /** With a status of 500 or higher. */
  failures: number;
  readonly latency: QuantileSketch;
  readonly firstEvent: QuantileSketch;
}

export type ModelWindows = ReadonlyMap<string, ModelWindow>;

const MINUTE_MS = 60_000;

/** @returns the start of a window that ends now: the start of a minute */
export function windowStart(now: number, windowMs: number): number {
  return Math.floor(now / MINUTE_MS) * MINUTE_MS - windowMs;
}

/** Sums what happened since `from`, by model. */
export function modelWindows(
  minutes: readonly MinuteUse[],
  failures: readonly FailureCount[],
  from: number,
): Map<string, ModelWindow> {
  const found = new Map<string, ModelWindow>();
  for (const { start, model, requests, rejected, latency, firstEvent } of minutes) {
    if (start < from) continue;
    const window = windowOf(found, model);
    window.requests += requests + rejected;
    window.rejected += rejected;
    window.latency.merge(latency);
    window.firstEvent.merge(firstEvent);
  }
  for (const { at, model, count } of failures) if (at >= from) windowOf(found, model).failures += count;
  return found;
}

/** Adds the windows of another tenant. */
export function addWindows(to: Map<string, ModelWindow>, from: ModelWindows): void {
  for (const [model, { requests, rejected, failures, latency, firstEvent }] of from) {
    const window = windowOf(to, model);
    window.requests += requests;
    window.rejected += rejected;
    window.failures += failures;
    window.latency.merge(latency);
    window.firstEvent.merge(firstEvent);
  }
}

function windowOf(windows: Map<string, ModelWindow>, model: string): ModelWindow {
  let window = windows.get(model);
  if (!window) {
    window = {
      ...{ requests: 0, rejected: 0, failures: 0 },
      ...{ latency: new QuantileSketch(), firstEvent: new QuantileSketch() },
    };
    windows.set(model, window);
  }
  return window;
}

/** Where no single model has enough requests, all of them together are measured. */
const ALL_MODELS = 'all models';

function subjectsOf(rule: AlertRule, windows: ModelWindows): (readonly [string, ModelWindow])[] {
  const wanted = [...windows].filter(([model]) => rule.model === null || rule.model === model);
  const measured = wanted.filter(([model, { requests }]) => model !== '' && requests >= rule.minRequests);
  if (measured.length > 0 || rule.model !== null || wanted.length < 2) return measured;
  const all = new Map<string, ModelWindow>();
  for (const [, window] of wanted) addWindows(all, new Map([[ALL_MODELS, window]]));
  return [...all].filter(([, { requests }]) => requests >= rule.minRequests);
}

/** Evaluates a rule of the kind `error_rate`. */
export function errorRates(rule: AlertRule, windows: ModelWindows): Condition[] {
  return subjectsOf(rule, windows).map(([model, { requests, failures }]) => {
    // Usage and events of the same requests may be stored a moment apart.
    const value = Math.min(100, (100 * failures) / Math.max(1, requests));
    const part = `${amountText(Math.min(failures, requests))} of ${amountText(requests)}`;
    return {
      ...{ rule, subject: model, value, threshold: rule.above, unit: '%', holds: value > rule.above },
      labels: labelsOf(model),
      summary: `${amountText(value)} % of the requests to ${model} fail (${part} in ${durationText(rule.windowMs)}; limit ${amountText(rule.above)} %).`,
    };
  });
}

/** Names of quantiles for people. */
const QUANTILES = {
  latency_p95: ['latency', 0.95, '95th percentile of the latency'],
  latency_p99: ['latency', 0.99, '99th percentile of the latency'],
  ttft_p95: ['firstEvent', 0.95, '95th percentile of the time to the first token'],
  ttft_p99: ['firstEvent', 0.99, '99th percentile of the time to the first token'],
} as const;

/** Evaluates a rule of the kind `latency`. */
export function latencies(rule: AlertRule, windows: ModelWindows): Condition[] {
  const { metric } = rule;
  if (metric === 'tokens' || metric === 'requests' || metric === 'cost') return [];
  const [of, q, name] = QUANTILES[metric];
  return subjectsOf(rule, windows).flatMap(([model, window]) => {
    const value = window[of].quantile(q);
    if (value === undefined) return [];
    return [
      {
        ...{ rule, subject: model, value: Math.round(value), threshold: rule.above, unit: 'ms' },
        ...{ holds: value > rule.above, labels: labelsOf(model) },
        summary: `The ${name} of ${model} is ${durationText(value)} (limit ${durationText(rule.above)}).`,
      },
    ];
  });
}

/** Evaluates a rule of the kind `rejections`. @param elapsedMs of the window */
export function rejections(rule: AlertRule, windows: ModelWindows, elapsedMs: number): Condition[] {
  let rejected = 0;
  for (const [model, window] of windows) {
    if (rule.model === null || rule.model === model) rejected += window.rejected;
  }
  if (rejected === 0) return [];
  const value = rejected / (elapsedMs / MINUTE_MS);
  return [
    {
      ...{ rule, subject: rule.model ?? 'requests', value, threshold: rule.above, unit: 'requests/min' },
      ...{ holds: value > rule.above, labels: rule.model === null ? {} : labelsOf(rule.model) },
      summary: `${amountText(value)} requests a minute are rejected (limit ${amountText(rule.above)}).`,
    },
  ];
}

function labelsOf(model: string): Condition['labels'] {
  return model === ALL_MODELS ? {} : { model };
}
