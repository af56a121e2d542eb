import { type Dashboard, graph, stat } from '../panel.ts';
import { matching, max, observations, quantile, rate, select, sum } from '../promql.ts';
import { chosenTenant } from './filters.ts';

export const queueLimits: Dashboard = {
  id: 'queue-limits',
  title: 'Queue and limits',
  description: 'Requests that wait or are rejected, and the limits that reject them.',
  variables: ['tenant'],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Queue depth', {
          description: 'Requests that wait for a concurrency slot. Healthy: below 50.',
          unit: 'none',
          runbook: 'queue-depth-high',
          width: 6,
          queries: [[sum(select('llm_queue_depth')), 'waiting']],
          thresholds: [
            [50, 'yellow'],
            [100, 'red'],
          ],
        }),
        stat('Wait p95', {
          description: 'Time in the queue, of requests that left it for a target.',
          unit: 's',
          runbook: 'queue-depth-high',
          width: 6,
          queries: [[quantile(0.95, 'llm_queue_wait_seconds'), 'wait']],
          thresholds: [[1, 'yellow']],
        }),
        stat('Queue rejections per minute', {
          description: 'Requests that found no slot in time: 503 `model_busy`.',
          unit: 'none',
          runbook: 'queue-depth-high',
          width: 6,
          queries: [[`(${sum(rate('llm_queue_rejected_total'))} or vector(0)) * 60`, 'rejected']],
          thresholds: [[1, 'red']],
        }),
        stat('Limit rejections per minute', {
          description: 'Requests rejected by a limit: 429.',
          unit: 'none',
          runbook: 'rate-limit-rejections',
          width: 6,
          queries: [[`(${sum(rate('llm_rate_limit_exceeded_total'))} or vector(0)) * 60`, 'rejected']],
          thresholds: [[100, 'red']],
        }),
      ],
    },
    {
      title: 'Queue',
      panels: [
        graph('Depth by gateway', {
          description: 'Requests that wait.',
          unit: 'none',
          runbook: 'queue-depth-high',
          queries: [[select('llm_queue_depth'), '{{instance}}']],
          thresholds: [[100, 'red']],
        }),
        graph('Wait', {
          description: 'Time in the queue.',
          unit: 's',
          runbook: 'queue-depth-high',
          queries: [0.5, 0.95, 0.99].map((part) => [
            quantile(part, 'llm_queue_wait_seconds'),
            `p${part * 100}`,
          ]),
        }),
        graph('Queued requests', {
          description:
            'Requests per second that waited and left for a target, and rejected ones by priority.',
          unit: 'reqps',
          runbook: 'queue-depth-high',
          queries: [
            [sum(observations('llm_queue_wait_seconds')), 'waited'],
            [sum(rate('llm_queue_rejected_total'), 'priority'), 'rejected: {{priority}}'],
          ],
        }),
      ],
    },
    {
      title: 'Limits',
      panels: [
        graph('Rejections by owner of the limit', {
          description:
            'Requests rejected by a limit: of an address, a key, a member, a tenant, a tag, a model or a target.',
          unit: 'reqps',
          runbook: 'rate-limit-rejections',
          queries: [[sum(rate('llm_rate_limit_exceeded_total'), 'scope'), '{{scope}}']],
        }),
        graph('Requests over a limit that does not reject', {
          description: 'Requests over limits of mode `warn` or `shadow`.',
          unit: 'reqps',
          runbook: 'rate-limit-rejections',
          queries: [[sum(rate('llm_limit_passed_total'), 'scope', 'mode'), '{{scope}}, {{mode}}']],
        }),
        graph('Used part of quotas and budgets', {
          description: 'In the present period; 100 % is all of it.',
          unit: 'percentunit',
          runbook: 'quota-exceeded',
          queries: [
            [max(select('llm_quota_used_ratio', chosenTenant), 'tenant', 'quota'), '{{tenant}} {{quota}}'],
          ],
          thresholds: [[1, 'red']],
        }),
        graph('Used part of bursts', {
          description: 'How near tenants are to their rate limits; at 100 %, further requests get 429.',
          unit: 'percentunit',
          runbook: 'rate-limit-rejections',
          queries: [
            [max(select('llm_burst_used_ratio', chosenTenant), 'tenant', 'quota'), '{{tenant}} {{quota}}'],
          ],
          thresholds: [[1, 'red']],
        }),
        graph('Limit store lost', {
          description: '1 while a gateway cannot reach Redis.',
          unit: 'none',
          runbook: 'redis-down',
          queries: [[select('llm_limit_store_lost'), '{{instance}}']],
          thresholds: [[1, 'red']],
        }),
        graph('Lost reservations', {
          description: 'Reservations of crashed gateways that another released.',
          unit: 'ops',
          runbook: 'pod-down',
          queries: [[sum(rate('llm_reservations_lost_total')), 'lost']],
        }),
        graph('Rate-limited by providers', {
          description:
            'Attempts that a provider rejected with a rate limit: the limit of your account there.',
          unit: 'reqps',
          runbook: 'backend-failure',
          queries: [
            [
              `${sum(rate('llm_provider_errors_total', { code: matching('upstream_rate_limited.*') }), 'provider')} or vector(0)`,
              '{{provider}}',
            ],
          ],
        }),
      ],
    },
  ],
};
