import type { CounterChild, HistogramChild } from './metric-children.ts';
import type { Metrics } from './metrics.ts';

/** The series of the last request of a route, which are nearly always those of the next. */
interface RouteSeries {
  readonly method: string;
  readonly status: number;
  readonly requests: CounterChild;
  readonly duration: HistogramChild;
}

/** The metrics of HTTP requests. Routes are few: Weir defines them. */
export class HttpHandles {
  readonly #routes = new Map<string, RouteSeries>();

  constructor(private readonly metrics: Pick<Metrics, 'http'>) {}

  /** @param traceId of an exported trace */
  finished(method: string, route: string, status: number, seconds: number, traceId?: string): void {
    let series = this.#routes.get(route);
    if (series?.method !== method || series.status !== status) {
      const { requests, duration } = this.metrics.http;
      const labels = [method, route, String(status)] as const;
      series = { method, status, requests: requests.labels(...labels), duration: duration.labels(...labels) };
      this.#routes.set(route, series);
    }
    series.requests.inc();
    series.duration.observe(seconds, traceId);
  }
}
