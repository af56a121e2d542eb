import type { InProcessGateway } from '../../support/gateway-in-process.ts';

/** Adds a job that has failed for good. @param failedAt Unix milliseconds */
export async function addFailedJob(
  { gateway }: InProcessGateway,
  id: string,
  failedAt = Date.now(),
): Promise<void> {
  await gateway.stores.control
    .insertInto('jobs')
    .values({
      ...{ id, kind: 'test.kind', tenant: 'acme', state: 'failed', payload: '{"batch":"none"}', due_at: 0 },
      ...{ attempts: 5, fence: 5, owner: '', lease_until: 0, error: 'the storage is full' },
      ...{ created_at: failedAt - 1_000, finished_at: failedAt },
    })
    .execute();
}
