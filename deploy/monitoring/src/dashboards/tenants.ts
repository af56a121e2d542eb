import { type Dashboard, graph, stat, table } from '../panel.ts';
import { increase, matching, max, rate, select, share, sum, topk } from '../promql.ts';
import { chosenModel, chosenTenant } from './filters.ts';

const quotas = max(select('llm_quota_used_ratio', chosenTenant), 'tenant', 'quota');

export const tenants: Dashboard = {
  id: 'tenant-usage',
  title: 'Per-tenant usage',
  description: 'Which tenant uses, spends and exhausts what.',
  variables: ['tenant', 'model'],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Cost of the last 24 hours', {
          description: 'US dollars, of the chosen tenants and models.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          width: 6,
          queries: [
            [sum(increase('llm_cost_usd_total', '24h', { ...chosenTenant, ...chosenModel })), 'cost'],
          ],
        }),
        stat('Tenants over their quota', {
          description: 'Quotas and budgets that are exhausted: their requests get 429 `quota_exceeded`.',
          unit: 'none',
          runbook: 'quota-exceeded',
          width: 6,
          queries: [[`sum(${quotas} >= bool 1)`, 'exhausted']],
          thresholds: [[1, 'orange']],
        }),
        stat('Highest use of a quota', {
          description: 'Used part of the quota or budget with the least left.',
          unit: 'percentunit',
          runbook: 'quota-exceeded',
          width: 6,
          queries: [[`max(${quotas})`, 'used']],
          thresholds: [
            [0.8, 'yellow'],
            [1, 'red'],
          ],
        }),
        stat('Rejections per minute', {
          description: 'Requests rejected by a limit, over all tenants.',
          unit: 'none',
          runbook: 'rate-limit-rejections',
          width: 6,
          queries: [[`(${sum(rate('llm_rate_limit_exceeded_total'))} or vector(0)) * 60`, 'rejected']],
          thresholds: [[100, 'red']],
        }),
      ],
    },
    {
      title: 'Usage',
      panels: [
        graph('Cost per hour by tenant', {
          description: 'US dollars per hour; the ten most expensive tenants.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          queries: [
            [
              topk(10, sum(rate('llm_cost_usd_total', { ...chosenTenant, ...chosenModel }), 'tenant')) +
                ' * 3600',
              '{{tenant}}',
            ],
          ],
        }),
        graph('Share of the cost', {
          description: 'Share of each tenant in the cost of all.',
          unit: 'percentunit',
          runbook: 'budget-burn',
          stacked: true,
          queries: [
            [
              `${sum(rate('llm_cost_usd_total', chosenTenant), 'tenant')} / scalar(${sum(rate('llm_cost_usd_total'))})`,
              '{{tenant}}',
            ],
          ],
        }),
        graph('Cost per hour by tenant and model', {
          description: 'US dollars per hour.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          queries: [
            [
              sum(rate('llm_cost_usd_total', { ...chosenTenant, ...chosenModel }), 'tenant', 'model') +
                ' * 3600',
              '{{tenant}}: {{model}}',
            ],
          ],
        }),
        graph('Requests by tenant', {
          description: 'Inference requests per second; the ten tenants with the most.',
          unit: 'reqps',
          runbook: 'rate-limit-rejections',
          queries: [[topk(10, sum(rate('llm_tenant_requests_total', chosenTenant), 'tenant')), '{{tenant}}']],
        }),
        graph('Failed requests by tenant', {
          description: 'Inference requests with a status of 400 and above.',
          unit: 'reqps',
          runbook: 'error-rate-spike',
          queries: [
            [
              sum(
                rate('llm_tenant_requests_total', { ...chosenTenant, status: matching('[45]..') }),
                'tenant',
                'status',
              ),
              '{{tenant}} {{status}}',
            ],
          ],
        }),
        graph('Tokens by tenant', {
          description: 'Input and output tokens per second.',
          unit: 'short',
          runbook: 'unusual-token-usage',
          queries: [
            [
              sum(
                rate('llm_tenant_tokens_total', { ...chosenTenant, direction: matching('input|output') }),
                'tenant',
                'direction',
              ),
              '{{tenant}} {{direction}}',
            ],
          ],
        }),
        graph('Requests by tier', {
          description: 'Inference requests by the tier of their tenant.',
          unit: 'reqps',
          runbook: 'rate-limit-rejections',
          queries: [[sum(rate('llm_requests_total', chosenModel), 'tier'), '{{tier}}']],
        }),
        graph('Cache hits by tenant', {
          description: 'Share of lookups that the response cache served.',
          unit: 'percentunit',
          runbook: 'high-latency',
          queries: [
            [
              share(
                sum(rate('llm_cache_requests_total', { ...chosenTenant, result: 'hit' }), 'tenant'),
                sum(rate('llm_cache_requests_total', chosenTenant), 'tenant'),
              ),
              '{{tenant}}',
            ],
          ],
        }),
        graph('Saved by the cache per hour', {
          description: 'US dollars per hour that cached responses would have cost.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          queries: [
            [`${sum(rate('llm_cache_saved_usd_total', chosenTenant), 'tenant')} * 3600`, '{{tenant}}'],
          ],
        }),
      ],
    },
    {
      title: 'Quotas and budgets',
      panels: [
        graph('Used part of quotas', {
          description: 'Used part of each quota in its present period; 100 % is all of it.',
          unit: 'percentunit',
          runbook: 'quota-exceeded',
          queries: [
            [
              max(
                select('llm_quota_used_ratio', {
                  ...chosenTenant,
                  quota: matching('(requests|tokens)_per_.*'),
                }),
                'tenant',
                'quota',
              ),
              '{{tenant}} {{quota}}',
            ],
          ],
          thresholds: [[1, 'red']],
        }),
        graph('Used part of budgets', {
          description: 'Used part of each budget in its present period; 100 % is all of it.',
          unit: 'percentunit',
          runbook: 'budget-burn',
          queries: [
            [
              max(
                select('llm_quota_used_ratio', { ...chosenTenant, quota: matching('cost_per_.*') }),
                'tenant',
                'quota',
              ),
              '{{tenant}} {{quota}}',
            ],
          ],
          thresholds: [[1, 'red']],
        }),
        table('Cost of the last 7 days', {
          description: 'US dollars by tenant.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          width: 8,
          queries: [[sum(increase('llm_cost_usd_total', '7d', chosenTenant), 'tenant'), '{{tenant}}']],
        }),
      ],
    },
  ],
};
