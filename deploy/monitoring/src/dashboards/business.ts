import { type Dashboard, graph, stat, table } from '../panel.ts';
import {
  increase,
  matching,
  max,
  observations,
  observed,
  rate,
  ratio,
  select,
  share,
  sum,
} from '../promql.ts';

const billed = { direction: matching('input|output') };

export const business: Dashboard = {
  id: 'business',
  title: 'Business',
  description: 'Adoption, volume and growth, for people who do not operate the gateways.',
  variables: [],
  rows: [
    {
      title: 'Last 24 hours',
      panels: [
        stat('Active tenants', {
          description: 'Tenants that sent a request. A tenant that uses several gateways counts once.',
          unit: 'none',
          runbook: 'unusual-token-usage',
          queries: [
            [
              `count(${sum(increase('llm_tenant_requests_total', '24h'), 'tenant')} > 0) or vector(0)`,
              'tenants',
            ],
          ],
        }),
        stat('Requests', {
          description: 'Inference requests.',
          unit: 'short',
          runbook: 'unusual-token-usage',
          queries: [[sum(increase('llm_requests_total', '24h')), 'requests']],
        }),
        stat('Tokens', {
          description: 'Input and output tokens.',
          unit: 'short',
          runbook: 'unusual-token-usage',
          queries: [[sum(increase('llm_tokens_total', '24h', billed)), 'tokens']],
        }),
        stat('Cost', {
          description: 'US dollars.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          queries: [[sum(increase('llm_cost_usd_total', '24h')), 'cost']],
        }),
        stat('Availability', {
          description: 'Share of requests that did not fail. The objective is 99.9 %.',
          unit: 'percentunit',
          runbook: 'slo-burn-rate-fast',
          queries: [
            [
              `1 - ${share(
                sum(increase('llm_requests_total', '24h', { status: matching('5..') })),
                sum(increase('llm_requests_total', '24h')),
              )}`,
              'available',
            ],
          ],
        }),
        stat('Hours saved by the cache', {
          description: 'Time that clients did not wait, because the cache had the response.',
          unit: 's',
          runbook: 'high-latency',
          queries: [[sum(increase('llm_cache_saved_seconds_total', '24h')), 'saved']],
        }),
      ],
    },
    {
      title: 'Volume',
      panels: [
        graph('Requests per hour by model', {
          description: 'Which models are used.',
          unit: 'short',
          runbook: 'unusual-token-usage',
          stacked: true,
          queries: [[`${sum(rate('llm_requests_total'), 'model')} * 3600`, '{{model}}']],
        }),
        graph('Tokens per hour by model', {
          description: 'Input and output tokens.',
          unit: 'short',
          runbook: 'unusual-token-usage',
          stacked: true,
          queries: [[`${sum(rate('llm_tokens_total', billed), 'model')} * 3600`, '{{model}}']],
        }),
        graph('Requests per hour by tier', {
          description: 'Which tiers of tenants use the platform.',
          unit: 'short',
          runbook: 'rate-limit-rejections',
          stacked: true,
          queries: [[`${sum(rate('llm_requests_total'), 'tier')} * 3600`, '{{tier}}']],
        }),
        graph('Tokens against last week', {
          description: 'Tokens per second of the last hour, and in the same hour last week.',
          unit: 'short',
          runbook: 'unusual-token-usage',
          queries: [
            ['sum(weir:tokens:rate1h)', 'now'],
            ['sum(weir:tokens:rate1h offset 1w) or vector(0)', 'last week'],
          ],
        }),
        graph('Active users', {
          description: 'Members and service accounts that sent a request, of the busiest gateway.',
          unit: 'none',
          runbook: 'unusual-token-usage',
          queries: [[max(select('llm_active_users'), 'window'), 'within {{window}}']],
        }),
        graph('Output tokens per second by model', {
          description: 'Tokens that models generate.',
          unit: 'short',
          runbook: 'high-latency',
          queries: [[sum(rate('llm_tokens_generated_total'), 'model'), '{{model}}']],
        }),
        table('Models', {
          description: 'Configured models and their providers.',
          unit: 'none',
          runbook: 'provider-unhealthy',
          width: 8,
          queries: [[sum(select('llm_model_info'), 'model', 'provider'), '{{model}} at {{provider}}']],
        }),
      ],
    },
    {
      title: 'Experiments',
      panels: [
        graph('Requests by variant', {
          description: 'Requests of models with a split or a canary.',
          unit: 'reqps',
          runbook: 'error-rate-spike',
          width: 12,
          queries: [[sum(rate('weir_variant_requests_total'), 'model', 'variant'), '{{model}}: {{variant}}']],
        }),
        graph('Duration by variant', {
          description: 'Average time to the end of the response.',
          unit: 's',
          runbook: 'high-latency',
          width: 12,
          queries: [
            [
              ratio(observed('weir_variant_duration_seconds'), observations('weir_variant_duration_seconds')),
              '{{model}}: {{variant}}',
            ],
          ],
        }),
      ],
    },
  ],
};
