import { type Dashboard, graph, stat } from '../panel.ts';
import { count, max, observations, quantile, rate, select, share, sum, topk } from '../promql.ts';
import { chosen, chosenModel, SERVER_FAILURE } from './filters.ts';

const failed = { ...chosen, status: SERVER_FAILURE };

export const gatewayOverview: Dashboard = {
  id: 'gateway-overview',
  title: 'Gateway overview',
  description: 'Traffic, errors and latency of all gateways. The first page to open at an alert.',
  variables: ['model', 'provider'],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Gateways up', {
          description: 'Gateways that Prometheus can scrape. Fewer than you run: open the runbook.',
          unit: 'none',
          runbook: 'pod-down',
          queries: [[count(select('process_start_time_seconds', { job: 'weir' })), 'gateways']],
        }),
        stat('Requests per second', {
          description: 'Inference requests, of the chosen models and providers.',
          unit: 'reqps',
          runbook: 'high-error-rate',
          queries: [[sum(rate('llm_requests_total', chosen)), 'requests']],
        }),
        stat('Error ratio', {
          description: 'Share of requests that failed with a status of 500 and above. Healthy: below 1 %.',
          unit: 'percentunit',
          runbook: 'high-error-rate',
          queries: [
            [
              share(sum(rate('llm_requests_total', failed)), sum(rate('llm_requests_total', chosen))),
              'errors',
            ],
          ],
          thresholds: [
            [0.01, 'yellow'],
            [0.05, 'red'],
          ],
        }),
        stat('Latency p99', {
          description:
            'Time to the end of the response that 99 % of the requests stay below, streams included.',
          unit: 's',
          runbook: 'high-latency',
          queries: [[quantile(0.99, 'llm_request_duration_seconds', [], chosen), 'p99']],
          thresholds: [
            [5, 'yellow'],
            [10, 'red'],
          ],
        }),
        stat('Requests in flight', {
          description: 'Requests that are being served.',
          unit: 'none',
          runbook: 'queue-depth-high',
          queries: [[sum(select('llm_requests_in_flight')), 'in flight']],
        }),
        stat('Critical alerts', {
          description: 'Alerts of severity critical that are firing.',
          unit: 'none',
          runbook: 'high-error-rate',
          queries: [
            [
              `${count(select('ALERTS', { alertstate: 'firing', severity: 'critical' }))} or vector(0)`,
              'critical',
            ],
          ],
          thresholds: [[1, 'red']],
        }),
      ],
    },
    {
      title: 'Traffic and errors',
      panels: [
        graph('Requests by status', {
          description:
            'Inference requests by HTTP status. 429: a limit. 5xx: a failure. 499: the client disconnected.',
          unit: 'reqps',
          runbook: 'high-error-rate',
          queries: [[sum(rate('llm_requests_total', chosen), 'status'), '{{status}}']],
          stacked: true,
        }),
        graph('Error ratio by model', {
          description: 'Share of failed requests by model and provider: shows which of them causes an alert.',
          unit: 'percentunit',
          runbook: 'error-rate-spike',
          queries: [
            [
              share(
                sum(rate('llm_requests_total', failed), 'model', 'provider'),
                sum(rate('llm_requests_total', chosen), 'model', 'provider'),
              ),
              '{{model}} at {{provider}}',
            ],
          ],
          thresholds: [[0.05, 'red']],
        }),
        graph('Busiest models', {
          description: 'The ten models with the most requests.',
          unit: 'reqps',
          runbook: 'high-latency',
          queries: [[topk(10, sum(rate('llm_requests_total', chosen), 'model')), '{{model}}']],
        }),
      ],
    },
    {
      title: 'Latency',
      panels: [
        graph('Request duration', {
          description: 'Time from a request to the end of its response.',
          unit: 's',
          runbook: 'high-latency',
          queries: [0.5, 0.95, 0.99].map((part) => [
            quantile(part, 'llm_request_duration_seconds', [], chosen),
            `p${part * 100}`,
          ]),
          thresholds: [[10, 'red']],
        }),
        graph('Duration p99 by model', {
          description: 'Shows which model and provider are slow.',
          unit: 's',
          runbook: 'high-latency',
          queries: [
            [
              quantile(0.99, 'llm_request_duration_seconds', ['model', 'provider'], chosen),
              '{{model}} at {{provider}}',
            ],
          ],
          thresholds: [[10, 'red']],
        }),
        graph('Time to first token', {
          description: 'Time from a streaming request to its first event, p95 by model.',
          unit: 's',
          runbook: 'high-latency',
          queries: [[quantile(0.95, 'llm_time_to_first_token_seconds', ['model'], chosen), '{{model}}']],
        }),
        graph('Time per output token', {
          description:
            'Time per token of a stream after its first one, p95 by model. Rises when engines are saturated.',
          unit: 's',
          runbook: 'high-latency',
          queries: [[quantile(0.95, 'llm_time_per_output_token_seconds', ['model'], chosen), '{{model}}']],
        }),
        graph('Tokens per second', {
          description: 'Output tokens per second of each model: falls when engines are saturated.',
          unit: 'short',
          runbook: 'high-latency',
          queries: [[sum(select('llm_tokens_per_second', chosenModel), 'model'), '{{model}}']],
        }),
        graph('Gateway overhead', {
          description:
            'Time from a request to its first attempt: the time that Weir adds. Includes waiting in the queue.',
          unit: 's',
          runbook: 'high-cpu-usage',
          queries: [0.5, 0.99].map((part) => [
            quantile(part, 'llm_gateway_overhead_seconds'),
            `p${part * 100}`,
          ]),
        }),
        graph('Streams per second', {
          description: 'Streaming requests that received a first event.',
          unit: 'reqps',
          runbook: 'high-latency',
          queries: [[sum(observations('llm_time_to_first_token_seconds', chosen), 'model'), '{{model}}']],
        }),
      ],
    },
    {
      title: 'HTTP',
      panels: [
        graph('HTTP requests by route', {
          description: 'All requests, those to the administration included.',
          unit: 'reqps',
          runbook: 'high-cpu-usage',
          queries: [[sum(rate('http_requests_total'), 'method', 'route'), '{{method}} {{route}}']],
        }),
        graph('HTTP failures by route', {
          description: 'Requests with a status of 400 and above.',
          unit: 'reqps',
          runbook: 'high-error-rate',
          queries: [
            [
              sum(
                rate('http_requests_total', { status: { operator: '=~', value: '[45]..' } }),
                'route',
                'status',
              ),
              '{{route}} {{status}}',
            ],
          ],
        }),
        graph('Longest event-loop delay', {
          description: 'Requests wait this long for the main thread. Above 0.1 s: add replicas or cores.',
          unit: 's',
          runbook: 'high-cpu-usage',
          queries: [[max(select('process_event_loop_delay_max_seconds'), 'instance'), '{{instance}}']],
          thresholds: [[0.1, 'red']],
        }),
      ],
    },
  ],
};
