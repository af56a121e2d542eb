import { type Dashboard, graph, stat, table } from '../panel.ts';
import { max, min, quantile, rate, select, share, sum } from '../promql.ts';
import { chosenProvider } from './filters.ts';

export const providerHealth: Dashboard = {
  id: 'provider-health',
  title: 'Provider and backend health',
  description: 'Which provider, engine or target fails, and how.',
  variables: ['provider'],
  rows: [
    {
      title: 'State',
      panels: [
        stat('Unhealthy providers', {
          description:
            'Providers that get no requests: their health check fails, or no target of them is available.',
          unit: 'none',
          runbook: 'provider-unhealthy',
          queries: [
            [
              `sum(${min(select('llm_provider_healthy', chosenProvider), 'provider')} == bool 0)`,
              'unhealthy',
            ],
          ],
          thresholds: [[1, 'red']],
        }),
        stat('Unhealthy targets', {
          description: 'Targets that get no requests: down, ejected, or with an open circuit breaker.',
          unit: 'none',
          runbook: 'backend-unhealthy',
          queries: [
            [
              `sum(${min(select('llm_target_healthy', chosenProvider), 'provider', 'upstream_model')} == bool 0)`,
              'unhealthy',
            ],
          ],
          thresholds: [[1, 'red']],
        }),
        table('Providers', {
          description: 'Health of each provider, as its worst gateway sees it.',
          unit: 'none',
          runbook: 'provider-unhealthy',
          width: 8,
          queries: [[min(select('llm_provider_healthy', chosenProvider), 'provider'), '{{provider}}']],
          mappings: { 0: 'unhealthy', 1: 'healthy' },
        }),
        table('Circuit breakers', {
          description: 'State of each target, as its worst gateway sees it.',
          unit: 'none',
          runbook: 'backend-unhealthy',
          width: 8,
          queries: [
            [
              max(select('llm_circuit_breaker_state', chosenProvider), 'provider', 'upstream_model'),
              '{{provider}}/{{upstream_model}}',
            ],
          ],
          mappings: { 0: 'closed', 1: 'half-open', 2: 'open' },
        }),
      ],
    },
    {
      title: 'Attempts',
      panels: [
        graph('Attempts by provider', {
          description: 'Attempts sent to providers. More than the requests: retries, fallbacks and hedges.',
          unit: 'reqps',
          runbook: 'backend-failure',
          queries: [[sum(rate('llm_provider_requests_total', chosenProvider), 'provider'), '{{provider}}']],
        }),
        graph('Failed attempts by code', {
          description:
            '`upstream_auth_failed`: the key. `upstream_rate_limited`: the account’s limit. `upstream_timeout`, `upstream_unreachable`: the provider or the network.',
          unit: 'reqps',
          runbook: 'backend-failure',
          queries: [
            [
              sum(rate('llm_provider_errors_total', chosenProvider), 'provider', 'code'),
              '{{provider}}: {{code}}',
            ],
          ],
        }),
        graph('Failed share of attempts', {
          description: 'Share of a provider’s attempts that failed, before retries and fallbacks.',
          unit: 'percentunit',
          runbook: 'backend-failure',
          queries: [
            [
              share(
                sum(rate('llm_provider_errors_total', chosenProvider), 'provider'),
                sum(rate('llm_provider_requests_total', chosenProvider), 'provider'),
              ),
              '{{provider}}',
            ],
          ],
          thresholds: [[0.05, 'red']],
        }),
        graph('Latency p50', {
          description: 'Time from sending an attempt to its first event, or to the end of a plain response.',
          unit: 's',
          runbook: 'high-latency',
          queries: [
            [quantile(0.5, 'llm_provider_latency_seconds', ['provider'], chosenProvider), '{{provider}}'],
          ],
        }),
        graph('Latency p99', {
          description: 'The same, for the slowest 1 %.',
          unit: 's',
          runbook: 'high-latency',
          queries: [
            [quantile(0.99, 'llm_provider_latency_seconds', ['provider'], chosenProvider), '{{provider}}'],
          ],
          thresholds: [[10, 'red']],
        }),
        graph('Circuit breakers over time', {
          description: '0 closed, 1 half-open, 2 open.',
          unit: 'none',
          runbook: 'backend-unhealthy',
          queries: [
            [
              max(select('llm_circuit_breaker_state', chosenProvider), 'provider', 'upstream_model'),
              '{{provider}}/{{upstream_model}}',
            ],
          ],
          thresholds: [[2, 'red']],
        }),
      ],
    },
    {
      title: 'Self-hosted engines',
      panels: [
        graph('Engines loaded', {
          description: '1 while an engine that Weir starts on demand is ready.',
          unit: 'none',
          runbook: 'backend-failure',
          queries: [[max(select('weir_engine_loaded'), 'engine'), '{{engine}}']],
        }),
        graph('Engine failures per hour', {
          description: 'Times an engine did not start, exited or had to be killed.',
          unit: 'none',
          runbook: 'gpu-out-of-memory',
          queries: [[`${sum(rate('weir_engine_failures_total'), 'engine')} * 3600`, '{{engine}}']],
          thresholds: [[1, 'red']],
        }),
        graph('Requests waiting in engines', {
          description:
            'Requests that engines queue. Rising: add engines, or lower `max_concurrency` of their targets.',
          unit: 'none',
          runbook: 'queue-depth-high',
          queries: [[max(select('llm_engine_requests_waiting', chosenProvider), 'provider'), '{{provider}}']],
        }),
      ],
    },
  ],
};
