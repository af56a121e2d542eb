import { type Dashboard, graph, stat } from '../panel.ts';
import { rate, ratio, select, share, sum } from '../promql.ts';
import { chosenModel, chosenTenant } from './filters.ts';

export const redisCache: Dashboard = {
  id: 'redis-cache',
  title: 'Redis and cache',
  description: 'The shared store of limits, and the response cache.',
  variables: ['tenant', 'model'],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Redis', {
          description: 'Whether the exporter reaches Redis.',
          unit: 'none',
          runbook: 'redis-down',
          width: 6,
          queries: [[`min(${select('redis_up')})`, 'Redis']],
          mappings: { 0: 'down', 1: 'up' },
        }),
        stat('Gateways without the limit store', {
          description: 'Gateways that cannot reach Redis: each enforces its share of the limits.',
          unit: 'none',
          runbook: 'redis-down',
          width: 6,
          queries: [[`sum(${select('llm_limit_store_lost')}) or vector(0)`, 'gateways']],
          thresholds: [[1, 'red']],
        }),
        stat('Cache hit ratio', {
          description: 'Share of lookups that the response cache served.',
          unit: 'percentunit',
          runbook: 'high-latency',
          width: 6,
          queries: [
            [
              share(
                sum(rate('llm_cache_requests_total', { ...chosenTenant, result: 'hit' })),
                sum(rate('llm_cache_requests_total', chosenTenant)),
              ),
              'hits',
            ],
          ],
        }),
        stat('Cache memory', {
          description: 'Estimated memory of the entries in the gateways.',
          unit: 'bytes',
          runbook: 'high-memory-usage',
          width: 6,
          queries: [[sum(select('llm_cache_size_bytes')), 'memory']],
        }),
      ],
    },
    {
      title: 'Redis',
      panels: [
        graph('Clients', {
          description: 'Connections to Redis.',
          unit: 'none',
          runbook: 'redis-down',
          queries: [[select('redis_connected_clients'), '{{instance}}']],
        }),
        graph('Memory', {
          description: 'Used memory, and `maxmemory`.',
          unit: 'bytes',
          runbook: 'redis-down',
          queries: [
            [select('redis_memory_used_bytes'), '{{instance}} used'],
            [select('redis_memory_max_bytes'), '{{instance}} allowed'],
          ],
        }),
        graph('Commands', {
          description: 'Commands per second.',
          unit: 'ops',
          runbook: 'redis-down',
          queries: [[rate('redis_commands_processed_total'), '{{instance}}']],
        }),
        graph('Keys found', {
          description: 'Share of key reads that found the key.',
          unit: 'percentunit',
          runbook: 'redis-down',
          width: 12,
          queries: [
            [
              `${rate('redis_keyspace_hits_total')} / (${rate('redis_keyspace_hits_total')} + ${rate('redis_keyspace_misses_total')})`,
              '{{instance}}',
            ],
          ],
        }),
        graph('Evicted keys', {
          description:
            'Keys that Redis evicted for lack of memory. Not 0: limits are lost; raise `maxmemory`.',
          unit: 'ops',
          runbook: 'redis-down',
          width: 12,
          queries: [[rate('redis_evicted_keys_total'), '{{instance}}']],
          thresholds: [[1, 'red']],
        }),
      ],
    },
    {
      title: 'Response cache',
      panels: [
        graph('Hits and misses by kind', {
          description: 'Lookups per second: `exact`, `embedding`, `coalesced`.',
          unit: 'ops',
          runbook: 'high-latency',
          queries: [
            [sum(rate('llm_cache_hits_total', chosenModel), 'kind'), '{{kind}} hits'],
            [sum(rate('llm_cache_misses_total', chosenModel), 'kind'), '{{kind}} misses'],
          ],
        }),
        graph('Hit ratio by model', {
          description: 'Hits of all lookups.',
          unit: 'percentunit',
          runbook: 'high-latency',
          queries: [
            [
              `${sum(rate('llm_cache_hits_total', chosenModel), 'model')} / (${sum(rate('llm_cache_hits_total', chosenModel), 'model')} + ${sum(rate('llm_cache_misses_total', chosenModel), 'model')})`,
              '{{model}}',
            ],
          ],
        }),
        graph('Errors', {
          description: 'Lookups and writes that the cache skipped: the request goes to the provider.',
          unit: 'ops',
          runbook: 'redis-down',
          queries: [[`${sum(rate('llm_cache_errors_total'), 'reason')} or vector(0)`, '{{reason}}']],
        }),
        graph('Entries', {
          description: 'Entries in the gateways’ memory.',
          unit: 'none',
          runbook: 'high-memory-usage',
          queries: [[sum(select('llm_cache_entries'), 'kind'), '{{kind}}']],
        }),
        graph('Bytes per entry', {
          description: 'Average estimated memory of an entry.',
          unit: 'bytes',
          runbook: 'high-memory-usage',
          queries: [
            [
              ratio(sum(select('llm_cache_size_bytes'), 'kind'), sum(select('llm_cache_entries'), 'kind')),
              '{{kind}}',
            ],
          ],
        }),
        graph('Saved time', {
          description: 'Seconds that clients did not wait, per second.',
          unit: 's',
          runbook: 'high-latency',
          queries: [
            [
              sum(rate('llm_cache_saved_seconds_total', { ...chosenTenant, ...chosenModel }), 'model'),
              '{{model}}',
            ],
          ],
        }),
      ],
    },
  ],
};
