import { afterEach, describe, expect, test } from 'bun:test';
import { closeBatches, DAY_MS, TENANT } from '../../test/support/batch-installation.ts';
import { installForwarding as install, lines, MINUTE_MS } from '../../test/support/forward-installation.ts';
import { GatewayError } from '../core/errors.ts';
import { isRecord, parseJsonText } from '../core/json.ts';
import { SubmissionUnknownError } from '../providers/batch-upstream.ts';

afterEach(closeBatches);

const ended = { kind: 'ended', isPartial: false } as const;
const lost = new SubmissionUnknownError('lost');
const unreachable = new GatewayError('upstream_unreachable', 'the provider is down');

describe('a forwarded batch', () => {
  test('waits for the provider, and has each result and its usage once', async () => {
    const { create, run, untilEnd, provider, usage, live, resultsOf, state, storage, control } =
      await install({
        local: ({ body }) => body.includes('"l7"'),
      });
    const { id } = await create(lines(120));
    expect(await run(id)).toMatchObject({ status: 'in_progress', completed: 1 });
    expect([provider.submitted.length, provider.submitted[0]?.lines.length, state.held]).toEqual([
      1, 119, 1_190,
    ]);
    provider.batchState = ended;
    const batch = await untilEnd(id);
    expect(batch).toMatchObject({
      ...{ status: 'completed', total: 120, completed: 120, failed: 0, costPico: 840n, inputTokens: 360 },
      forwarding: { forwarded: { p: 119 }, local: { no_upstream_call: 1 } },
    });
    const { output } = await resultsOf(batch);
    expect(output.map(({ custom_id }) => custom_id)).toEqual(
      Array.from({ length: 120 }, (_, at) => `l${at}`),
    );
    expect([new Set(usage.map((event) => event.id)).size, usage.length, live.length]).toEqual([119, 119, 1]);
    expect([provider.discarded, state.held]).toEqual([['remote-1'], 0]);
    // Nothing of it is left.
    expect(await Array.fromAsync(storage.list('batches/'))).toEqual([]);
    expect(await control.selectFrom('batch_forwards').selectAll().execute()).toEqual([]);
  });

  test('whose submission was lost is found, and never sent twice', async () => {
    const { create, run, untilEnd, provider, clock } = await install();
    const { id } = await create(lines(2));
    provider.afterSubmit = lost;
    await run(id);
    // Another batch may be it; then the provider fails for hours.
    provider.found = { kind: 'unknown' };
    await untilEnd(id, 5);
    provider.failure = unreachable;
    for (let hour = 0; hour < 5; hour += 1) {
      clock.advance(60 * MINUTE_MS);
      await run(id);
    }
    expect(provider.submitted).toHaveLength(1);
    provider.failure = undefined;
    provider.found = { kind: 'found', id: 'remote-1' };
    provider.batchState = ended;
    expect(await untilEnd(id)).toMatchObject({ status: 'completed', completed: 2 });
    expect(provider.submitted).toHaveLength(1);
  });

  test('that the provider does not have is sent again, but not before its list would show it', async () => {
    const { create, run, untilEnd, provider, clock } = await install();
    const { id } = await create(lines(2));
    provider.afterSubmit = lost;
    await run(id);
    provider.afterSubmit = undefined;
    clock.advance(5 * MINUTE_MS);
    await run(id);
    expect(provider.submitted).toHaveLength(1);
    provider.batchState = ended;
    expect(await untilEnd(id)).toMatchObject({ status: 'completed', completed: 2 });
    expect(provider.submitted).toHaveLength(2);
  });

  test('is not sent when its submission took too long, but later with another one', async () => {
    const { create, run, untilEnd, provider, clock } = await install();
    const { id } = await create(lines(2));
    provider.beforeSubmit = () => clock.advance(4 * MINUTE_MS);
    await run(id);
    expect(provider.submitted).toHaveLength(0);
    provider.beforeSubmit = undefined;
    provider.batchState = ended;
    expect(await untilEnd(id)).toMatchObject({ status: 'completed', completed: 2 });
    expect(provider.submitted).toHaveLength(1);
  });

  test('that another run has given up is cancelled where it arrives at the provider after all', async () => {
    const { create, run, provider, control } = await install();
    const { id } = await create(lines(2));
    provider.beforeSubmit = () => control.updateTable('batch_forwards').set({ state: 'planned' }).execute();
    await run(id);
    expect(provider.cancelled).toContain('remote-1');
  });

  test('survives a kill between each two steps', async () => {
    const { create, run, provider, clock, worker, startWorker, batches, usage, control } = await install();
    const { id } = await create(lines(3));
    // Killed after the intent was stored: the submission may have arrived.
    provider.afterSubmit = new Error('killed');
    await run(id);
    await worker.close();
    expect(await control.selectFrom('batch_forwards').select('state').execute()).toEqual([
      { state: 'submitting' },
    ]);
    provider.found = { kind: 'found', id: 'remote-1' };
    const next = startWorker('gw_2');
    provider.batchState = ended;
    for (let minute = 0; minute < 5; minute += 1) {
      clock.advance(MINUTE_MS);
      next.wake();
      await next.idle();
    }
    expect(await batches.get(TENANT, id)).toMatchObject({ status: 'completed', completed: 3 });
    expect([provider.submitted.length, usage.length]).toEqual([1, 3]);
  });

  test('is captured no further when it was cancelled', async () => {
    const { create, run, untilEnd, batches, state } = await install();
    const { id } = await create(lines(250));
    state.onCapture = () => batches.cancel(TENANT, id);
    await run(id);
    expect([state.captures, (await untilEnd(id)).status]).toEqual([100, 'cancelled']);
  });

  test('reserves its use once, whichever gateways poll it', async () => {
    const { create, run, provider, clock, startWorker, batches, state, keepHolds } = await install();
    const { id } = await create(lines(3));
    await run(id);
    expect(state.held).toBe(30);
    const next = startWorker('gw_2');
    const poll = async () => {
      clock.advance(30_000);
      next.wake();
      await next.idle();
      const { held } = state;
      await keepHolds();
      return held;
    };
    expect([await poll(), await poll(), await poll()]).toEqual([30, 30, 30]);
    provider.batchState = ended;
    for (let step = 0; step < 4; step += 1) await poll();
    expect((await batches.get(TENANT, id)).status).toBe('completed');
    expect(state.held).toBe(0);
  });

  test('is reserved again by another gateway when its holder is gone', async () => {
    const { create, run, clock, startWorker, state } = await install();
    const { id } = await create(lines(3));
    await run(id);
    const next = startWorker('gw_2');
    // The first process does not say that it lives.
    state.held = 0;
    for (let minute = 0; minute < 2; minute += 1) {
      clock.advance(MINUTE_MS);
      next.wake();
      await next.idle();
    }
    expect(state.held).toBe(30);
  });

  test('whose usage could not be stored stores it with the next attempt, before its results', async () => {
    const { create, run, untilEnd, provider, state, usage } = await install();
    const { id } = await create(lines(3));
    provider.batchState = ended;
    state.usageFailures = 1;
    await run(id);
    expect(await untilEnd(id)).toMatchObject({ status: 'completed', completed: 3, costPico: 21n });
    expect(usage.map(({ id: event }) => event).toSorted()).toEqual(
      [1, 2, 3].map((number) => `${id}-${number}-result`),
    );
  });

  test('meters lines that ran at the provider and whose key was revoked since', async () => {
    const { create, run, untilEnd, provider, state, usage, resultsOf } = await install();
    const { id } = await create(lines(2));
    await run(id);
    state.failsReplays = true;
    provider.batchState = ended;
    provider.resultOf = (line) => ({
      ...{ id: line, kind: 'response', body: '{"ok":true}' },
      status: line.endsWith('-1') ? 200 : 500,
    });
    const batch = await untilEnd(id);
    expect(batch).toMatchObject({ status: 'completed', completed: 0, failed: 2, costPico: 7n });
    expect(usage).toMatchObject([{ id: `${id}-1-result`, status: 401, model: 'm', costPico: 7 }]);
    const { errors } = await resultsOf(batch);
    expect(errors).toMatchObject([{ response: { status_code: 401 } }, { response: { status_code: 401 } }]);
  });

  test('reads no more results than it can hold while the database is slow', async () => {
    const { create, run, untilEnd, provider, state, clock, worker } = await install();
    const { id } = await create(lines(60));
    await run(id);
    provider.batchState = ended;
    const [started, database] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    state.beforeUsage = () => {
      started.resolve();
      return database.promise;
    };
    clock.advance(MINUTE_MS);
    worker.wake();
    await started.promise;
    // Long enough to read all of them.
    for (let turn = 0; turn < 1_000; turn += 1) await Promise.resolve();
    expect(provider.resultsRead).toBeLessThanOrEqual(5);
    database.resolve();
    await worker.idle();
    expect(await untilEnd(id)).toMatchObject({ status: 'completed', completed: 60 });
  });

  test('has an error for each line that failed or is missing, and runs those that did not run', async () => {
    const { create, run, untilEnd, provider, live, resultsOf } = await install();
    const { id } = await create(lines(4));
    await run(id);
    provider.batchState = ended;
    provider.resultOf = (line) => {
      if (line.endsWith('-1')) return { id: line, kind: 'response', status: 400, body: '{}' };
      if (line.endsWith('-2')) return { id: line, kind: 'not_run' };
      if (line.endsWith('-3')) return undefined;
      return { id: line, kind: 'response', status: 200, body: '{}' };
    };
    const batch = await untilEnd(id);
    expect(batch).toMatchObject({
      ...{ status: 'completed', completed: 2, failed: 2 },
      forwarding: { forwarded: { p: 3 }, local: { provider_rejected: 1 } },
    });
    expect(live).toEqual([`${id}-2`]);
    const { errors } = await resultsOf(batch);
    const statuses = errors.map(({ custom_id, response }) => [
      custom_id,
      isRecord(response) && response.status_code,
    ]);
    expect(statuses).toEqual([
      ['l0', 400],
      ['l2', 502],
    ]);
  });

  test('runs at the gateway where the provider rejects it, or refuses it for an hour', async () => {
    const status = (upstreamStatus: number) =>
      new GatewayError('upstream_error', 'no', { provider: 'p', upstreamStatus });
    for (const [failure, steps] of [
      [status(400), 1],
      [status(429), 6],
    ] as const) {
      const { create, run, untilEnd, provider, live } = await install();
      const { id } = await create(lines(2));
      provider.failure = failure;
      await run(id);
      if (steps > 1) expect(live).toEqual([]);
      expect(await untilEnd(id, steps, 15 * MINUTE_MS)).toMatchObject({
        ...{ status: 'completed', completed: 2 },
        forwarding: { forwarded: {}, local: { provider_rejected: 2 } },
      });
      expect([live.length, provider.submitted.length]).toEqual([2, 0]);
    }
  });

  test('runs at the gateway where the batch as a whole fails at the provider', async () => {
    const { create, run, untilEnd, provider, live } = await install();
    const { id } = await create(lines(2));
    await run(id);
    provider.batchState = { kind: 'rejected', reason: 'too many tokens' };
    expect(await untilEnd(id)).toMatchObject({ status: 'completed', completed: 2 });
    expect(live).toHaveLength(2);
  });

  test('runs at the gateway where a budget has no room for all of it', async () => {
    const { create, run, untilEnd, provider, state, live } = await install();
    state.room = 25;
    const { id } = await create(lines(3));
    await run(id);
    expect(await untilEnd(id)).toMatchObject({
      ...{ status: 'completed', completed: 3 },
      forwarding: { forwarded: {}, local: { limits: 3 } },
    });
    expect([provider.submitted.length, live.length, state.held]).toEqual([0, 3, 0]);
  });

  test('is cancelled at the provider, and keeps the results that are there', async () => {
    const { create, run, untilEnd, provider, batches, resultsOf, live } = await install();
    const { id } = await create(lines(3));
    await run(id);
    provider.resultOf = (line) =>
      line.endsWith('-1')
        ? { id: line, kind: 'response', status: 200, body: '{}' }
        : { id: line, kind: 'not_run' };
    await batches.cancel(TENANT, id);
    const batch = await untilEnd(id);
    expect(batch).toMatchObject({ status: 'cancelled', completed: 1, failed: 2, unfinished: 2 });
    expect([provider.cancelled, live]).toEqual([['remote-1'], []]);
    const { errors } = await resultsOf(batch);
    expect(errors).toMatchObject([
      { error: { code: 'batch_cancelled' } },
      { error: { code: 'batch_cancelled' } },
    ]);
  });

  test('that its provider cancels late is metered, discarded, and only then forgotten', async () => {
    const { create, run, untilEnd, provider, batches, usage, control, clock } = await install();
    const { id } = await create(lines(3));
    await run(id);
    provider.cancelsAtOnce = false;
    provider.resultOf = (line) =>
      line.endsWith('-1')
        ? { id: line, kind: 'not_run' }
        : { id: line, kind: 'response', status: 200, body: '{"ok":true}' };
    await batches.cancel(TENANT, id);
    expect(await untilEnd(id)).toMatchObject({ status: 'cancelled', completed: 0, unfinished: 3 });
    await expect(batches.delete(TENANT, id)).rejects.toMatchObject({ code: 'conflict' });
    expect([usage, provider.discarded]).toEqual([[], []]);
    provider.batchState = { kind: 'ended', isPartial: true };
    clock.advance(MINUTE_MS);
    await run(id);
    expect(usage.map((event) => event.id).toSorted()).toEqual([`${id}-2-result`, `${id}-3-result`]);
    expect([provider.discarded, provider.cancelled.includes('remote-1')]).toEqual([['remote-1'], true]);
    expect(await control.selectFrom('batch_forwards').selectAll().execute()).toEqual([]);
    await batches.delete(TENANT, id);
  });

  test('that is cancelled before its submission is found is cancelled and metered when it is found', async () => {
    const { create, run, untilEnd, provider, batches, usage, control, clock } = await install();
    const { id } = await create(lines(3));
    provider.afterSubmit = lost;
    provider.found = { kind: 'unknown' };
    await run(id);
    await batches.cancel(TENANT, id);
    expect((await untilEnd(id)).status).toBe('cancelled');
    clock.advance(MINUTE_MS);
    await run(id);
    expect([provider.cancelled, usage]).toEqual([[], []]);
    provider.found = { kind: 'found', id: 'remote-1' };
    clock.advance(MINUTE_MS);
    await run(id);
    expect([provider.cancelled, provider.discarded, usage.length]).toEqual([['remote-1'], ['remote-1'], 3]);
    expect(await control.selectFrom('batch_forwards').selectAll().execute()).toEqual([]);
  });

  test('that is cancelled and not at the provider is forgotten when its list would show it', async () => {
    const { create, run, untilEnd, provider, batches, control, clock } = await install();
    const { id } = await create(lines(3));
    provider.afterSubmit = lost;
    provider.found = { kind: 'unknown' };
    await run(id);
    await batches.cancel(TENANT, id);
    expect((await untilEnd(id)).status).toBe('cancelled');
    provider.found = { kind: 'none' };
    clock.advance(MINUTE_MS);
    await run(id);
    expect(await control.selectFrom('batch_forwards').selectAll().execute()).toEqual([]);
    expect(provider.submitted).toHaveLength(1);
  });

  test('that ends while its provider is not configured is cancelled when it is configured again', async () => {
    const { create, run, untilEnd, provider, batches, state, usage, clock } = await install();
    const { id } = await create(lines(2));
    await run(id);
    state.isConfigured = false;
    await batches.cancel(TENANT, id);
    expect((await untilEnd(id)).status).toBe('cancelled');
    state.isConfigured = true;
    clock.advance(MINUTE_MS);
    await run(id);
    expect([provider.cancelled, provider.discarded, usage.length]).toEqual([['remote-1'], ['remote-1'], 2]);
  });

  test('that never ends expires, and is cancelled at a provider that comes back', async () => {
    const { create, run, provider, batches, clock, control } = await install();
    const { id } = await create(lines(2));
    await run(id);
    provider.failure = unreachable;
    clock.advance(DAY_MS);
    await batches.sweep();
    for (let minute = 0; minute < 15; minute += 1) {
      await run(id);
      clock.advance(MINUTE_MS);
    }
    expect(await batches.get(TENANT, id)).toMatchObject({ status: 'expired', failed: 2, unfinished: 2 });
    provider.failure = undefined;
    await run(id);
    expect(provider.cancelled).toEqual(['remote-1']);
    expect(await control.selectFrom('batch_forwards').selectAll().execute()).toEqual([]);
  });

  test('waits for a provider that the configuration lost, unless nothing was sent', async () => {
    const first = await install();
    first.state.isConfigured = false;
    const planned = await first.create(lines(2));
    await first.run(planned.id);
    expect(await first.untilEnd(planned.id)).toMatchObject({ status: 'completed', completed: 2 });
    expect(first.live).toHaveLength(2);

    const { create, run, untilEnd, provider, state, live } = await install();
    const { id } = await create(lines(2));
    await run(id);
    state.isConfigured = false;
    provider.batchState = ended;
    expect((await untilEnd(id, 5)).status).toBe('in_progress');
    state.isConfigured = true;
    expect(await untilEnd(id)).toMatchObject({ status: 'completed', completed: 2 });
    expect(live).toEqual([]);
  });

  test('sends the captured calls of its lines, with ids of its own', async () => {
    const { create, run, provider } = await install({ local: ({ body }) => body.includes('"l1"') });
    const { id } = await create(lines(3));
    await run(id);
    const [sent] = provider.submitted;
    expect(sent?.token).toMatch(/^[0-9a-f]{24}$/);
    expect(sent?.lines.map((line) => [line.id, parseJsonText(line.body)])).toEqual([
      [`${sent?.token}-1`, { model: 'm', input: 'l0' }],
      [`${sent?.token}-3`, { model: 'm', input: 'l2' }],
    ]);
  });
});
