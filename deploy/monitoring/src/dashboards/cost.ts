import { type Dashboard, graph, stat } from '../panel.ts';
import { increase, matching, max, observations, rate, select, sum, topk } from '../promql.ts';
import { chosenModel, chosenTenant } from './filters.ts';

const chosenCost = { ...chosenModel, ...chosenTenant };
const billed = { ...chosenModel, direction: matching('input|output') };

export const cost: Dashboard = {
  id: 'cost',
  title: 'Cost',
  description: 'US dollars spent, by model and tenant, and what they bought.',
  variables: ['tenant', 'model'],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Last hour', {
          description: 'US dollars.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          width: 6,
          queries: [[sum(increase('llm_cost_usd_total', '1h', chosenCost)), 'cost']],
        }),
        stat('Last 24 hours', {
          description: 'US dollars.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          width: 6,
          queries: [[sum(increase('llm_cost_usd_total', '24h', chosenCost)), 'cost']],
        }),
        stat('A month at this rate', {
          description: 'US dollars for 30 days at the rate of the last 24 hours.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          width: 6,
          queries: [[`${sum(increase('llm_cost_usd_total', '24h', chosenCost))} * 30`, 'projected']],
        }),
        stat('Saved by the cache in 24 hours', {
          description: 'US dollars that cached responses would have cost.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          width: 6,
          queries: [[sum(increase('llm_cache_saved_usd_total', '24h', chosenCost)), 'saved']],
        }),
      ],
    },
    {
      title: 'Spending',
      panels: [
        graph('Cost per hour by model', {
          description: 'US dollars per hour; the ten most expensive models.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          stacked: true,
          queries: [
            [`${topk(10, sum(rate('llm_cost_usd_total', chosenCost), 'model'))} * 3600`, '{{model}}'],
          ],
        }),
        graph('Cost per hour by tenant', {
          description: 'US dollars per hour; the ten most expensive tenants.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          stacked: true,
          queries: [
            [`${topk(10, sum(rate('llm_cost_usd_total', chosenCost), 'tenant'))} * 3600`, '{{tenant}}'],
          ],
        }),
        graph('Budgets', {
          description: 'Used part of each budget.',
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
          thresholds: [
            [0.8, 'yellow'],
            [1, 'red'],
          ],
        }),
      ],
    },
    {
      title: 'Efficiency',
      panels: [
        graph('Cost per request', {
          description: 'US dollars, by model. A jump without a new price: longer prompts or responses.',
          unit: 'currencyUSD',
          runbook: 'unusual-token-usage',
          queries: [
            [
              `${sum(rate('llm_cost_usd_total', chosenModel), 'model')} / ${sum(observations('llm_request_duration_seconds', chosenModel), 'model')}`,
              '{{model}}',
            ],
          ],
        }),
        graph('Cost per million tokens', {
          description: 'US dollars for a million input and output tokens, by model.',
          unit: 'currencyUSD',
          runbook: 'budget-burn',
          queries: [
            [
              `${sum(rate('llm_cost_usd_total', chosenModel), 'model')} / ${sum(rate('llm_tokens_total', billed), 'model')} * 1e6`,
              '{{model}}',
            ],
          ],
        }),
        graph('Tokens per second', {
          description: 'Input and output tokens, and the parts of them that were cached or reasoning.',
          unit: 'short',
          runbook: 'unusual-token-usage',
          queries: [[sum(rate('llm_tokens_total', chosenModel), 'direction'), '{{direction}}']],
        }),
      ],
    },
  ],
};
