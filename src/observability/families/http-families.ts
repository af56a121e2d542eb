import type { MetricFamilies } from '../metric-families.ts';
import { DURATION_BUCKETS } from './buckets.ts';

const LABELS = ['method', 'route', 'status'] as const;

/** Every HTTP request, whatever became of it, and what the servers hold and carry. */
export function httpFamilies(families: MetricFamilies) {
  families.section('HTTP');
  return {
    requests: families.counter('http_requests_total', 'HTTP requests.', LABELS),
    duration: families.histogram(
      'http_request_duration_seconds',
      'Time from a request to the end of its response, streams included.',
      LABELS,
      DURATION_BUCKETS,
    ),
    connections: families.gauge('weir_http_connections', 'Open connections of clients.', []),
    requestMemory: families.gauge(
      'weir_http_request_memory_bytes',
      'Memory that requests take: bodies until their response ends, incomplete heads, pipelined requests.',
      [],
    ),
    unsentMemory: families.gauge(
      'weir_http_unsent_bytes',
      'Bytes of responses that wait for slow clients.',
      [],
    ),
    limitReached: families.counter(
      'weir_http_limit_reached_total',
      'Connections and requests that a limit of the HTTP servers ended, by the key of `limits`.',
      ['limit'],
    ),
    authFailures: families.counter(
      'weir_auth_failures_total',
      'Wrong credentials; `throttled` is true for those that got 429, after too many from one address.',
      ['credential', 'throttled'],
    ),
  };
}
