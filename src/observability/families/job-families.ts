import type { MetricFamilies } from '../metric-families.ts';

/** The durable job queue, and batches. */
export function jobFamilies(families: MetricFamilies) {
  families.section('Queued jobs');
  return {
    runs: families.counter(
      'weir_job_runs_total',
      'Runs of queued jobs, by kind and `outcome`: `done`, `again` (later, without a failure), `retried`, `failed` (for good) or `lost` (another gateway has it, or it was cancelled).',
      ['kind', 'outcome'],
    ),
    batchLines: families.counter(
      'weir_batch_lines_total',
      'Lines of batches that Weir has run, by `outcome`: `completed`, `failed` or `retried` (they run again).',
      ['outcome'],
    ),
    asyncRequests: families.counter(
      'weir_async_requests_total',
      'Requests with `Prefer: respond-async`, by `outcome`: `accepted`, `succeeded`, `failed`, `cancelled` or `retried` (they run again).',
      ['outcome'],
    ),
    queued: families.gauge(
      'weir_jobs',
      'Queued jobs of all gateways by kind and `state`: `queued`, `running` or `failed`; read every 15 seconds.',
      ['kind', 'state'],
    ),
    oldest: families.gauge('weir_job_oldest_seconds', 'How long the oldest queued job of a kind is due.', [
      'kind',
    ]),
  };
}
