import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { testCall } from '../../test/support/inference.ts';
import { testRequest } from '../../test/support/pipeline.ts';
import type { StreamObservation } from '../core/stream/observation.ts';
import type { ActiveAttempt } from '../dispatch/request.ts';
import { InFlightRecords, recoverInFlight } from '../metering/in-flight-records.ts';
import { eventOf } from '../storage/usage-event.ts';
import { InFlightUsage } from './in-flight-usage.ts';
import type { RequestContext } from './request-context.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const CALL = testCall({ model: 'asked', stream: true, messages: [{ role: 'user', content: 'Hi' }] });
/** A millionth of a dollar for a token of input, ten for one of output. */
const PRICE = { input: { base: '1' }, output: { base: '10' } };

function create() {
  const folder = mkdtempSync(join(tmpdir(), 'weir-in-flight-'));
  folders.push(folder);
  const clock = new FakeClock();
  const health = { failed: () => undefined, fails: () => false };
  const records = new InFlightRecords(folder, { pid: 43, boot: 'b0' }, health);
  let ids = 0;
  const usage = new InFlightUsage({
    ...{ clock, records },
    newId: () => `e${++ids}`,
    priceOf: () => PRICE,
  });
  const begin = (request: RequestContext, observed: Partial<StreamObservation> = {}): ActiveAttempt => {
    const attempt: ActiveAttempt = {
      trace: {
        ...{ provider: 'p', model: 'up', startedAt: clock.now(), firstEventAt: undefined },
        ...{ endedAt: undefined, failure: undefined },
      },
      observed: { usage: undefined, finishReason: undefined, chunks: 0, ...observed },
      stream: undefined,
      cancel: () => undefined,
    };
    request.routing.attemptStarted(attempt);
    usage.begin(attempt, CALL, request);
    return attempt;
  };
  /** The events that a kill would leave now. */
  const left = () => {
    recoverInFlight(folder, () => false);
    return readdirSync(folder)
      .filter((name) => name.startsWith('usage-'))
      .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
      .flatMap((line) => eventOf(line) ?? []);
  };
  return { clock, records, usage, begin, left };
}

function settled(id?: string): RequestContext {
  const { request } = testRequest(0, undefined, id);
  request.isSettled = true;
  return request;
}

describe('the use of running requests', () => {
  test('is recorded with an estimate of the input, and updated with the output and its cost', () => {
    const { clock, usage, begin, left } = create();
    const request = settled();
    begin(request, { chunks: 7 });
    clock.advance(1_250);
    usage.update([request]);
    const [event, ...more] = left();
    const inputTokens = event?.inputTokens ?? 0;
    expect(more).toEqual([]);
    expect(event).toMatchObject({
      ...{ id: 'e1', requestId: 'req_1', at: FakeClock.WALL_OFFSET, provider: 'p', upstreamModel: 'up' },
      ...{ outcome: 'lost', requests: 1, estimated: true, outputTokens: 7, durationMs: 1_250 },
    });
    expect(inputTokens).toBeGreaterThan(0);
    expect(event?.costPico).toBe((inputTokens + 70) * 1_000_000);
  });

  test('is no longer recorded when it is settled', () => {
    const { records, usage, begin, left } = create();
    const request = settled();
    const { trace } = begin(request);
    usage.end(trace);
    usage.end(trace);
    usage.update([request]);
    expect([records.size, left()]).toEqual([0, []]);
  });

  test('is not recorded for requests that nothing settles', () => {
    const { records, begin } = create();
    // A copy for a mirror.
    begin(testRequest().request);
    const late = settled();
    late.complete({ kind: 'done' });
    begin(late);
    expect(records.size).toBe(0);
  });

  test('is updated for some requests at a time, and for all in turn', () => {
    const { clock, usage, begin, left } = create();
    const requests = Array.from({ length: 4_500 }, (_, at) => settled(`r${at}`));
    for (const request of requests) begin(request, { chunks: 1 });
    clock.advance(1_000);
    for (let second = 0; second < 3; second += 1) usage.update(requests);
    const events = left();
    expect(events).toHaveLength(4_500);
    expect(events.every(({ outputTokens }) => outputTokens === 1)).toBe(true);
  });
});
