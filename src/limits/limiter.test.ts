import { describe, expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { PRINCIPAL } from '../../test/support/inference.ts';
import { GatewayError } from '../core/errors.ts';
import type { SubjectLimits } from '../core/limit.ts';
import { limitOf, limitSchema } from '../core/limit-schema.ts';
import { NO_EVENTS } from '../events/event-bus.ts';
import { Calendar } from './calendar.ts';
import type { ExpectedUse } from './expected-use.ts';
import { Limiter } from './limiter.ts';
import { MemoryLimitStore } from './memory-limit-store.ts';

function setUp(...documents: object[]) {
  const clock = new FakeClock();
  const store = new MemoryLimitStore(clock);
  const limiter = new Limiter({ clock, store, calendar: new Calendar(), events: NO_EVENTS });
  const limits = documents.map((document) => limitOf(limitSchema.parse(document)));
  const subject: SubjectLimits = { scope: 'key', id: 't/k', name: 'k', limits, timeZone: 'UTC' };
  const principal = { ...PRINCIPAL, limits: [subject] };
  const use = (least: number, most: number, likely = least): ExpectedUse => ({
    likelyTokens: () => likely,
    tokens: () => ({ least, most }),
    nanoUsd: () => ({ least: least * 1e9, most: most * 1e9 }),
  });
  const admit = (least: number, most: number, isPart = false) => {
    const admitted = limiter.admit({ principal, tags: [], use: use(least, most), isPart });
    if (!admitted || admitted instanceof Promise) throw new Error('a reservation is expected at once');
    return admitted;
  };
  const refused = (least: number, most: number): GatewayError => {
    try {
      admit(least, most);
    } catch (error) {
      if (error instanceof GatewayError) return error;
      throw error;
    }
    throw new Error('it was admitted');
  };
  const used = async () => (await limiter.counterStates([subject])).map(({ counterState }) => counterState);
  return { admit, refused, used, limiter, principal, use: use(0, 0) };
}

describe('lines of a batch', () => {
  const documents = [
    { of: 'requests', per: 'day', max: 5 },
    { of: 'tokens', per: 'day', max: 100 },
    { of: 'requests', per: 'minute', max: 1 },
  ];

  test('reserve their number from quotas of requests, and return it', async () => {
    const { limiter, principal, use, used } = setUp(...documents);
    const admit = (lines: number) =>
      limiter.admit({
        ...{ principal, tags: [], periodsOnly: true },
        use: { ...use, requests: () => lines },
      });
    expect(() => admit(6)).toThrow('5 requests');
    const reservation = await admit(4);
    expect((await used()).slice(0, 2)).toEqual([4, 0]);
    reservation?.settle({ requests: 0, tokens: 0, nanoUsd: 0 });
    expect((await used()).slice(0, 2)).toEqual([0, 0]);
  });

  test('that have run are counted by all quotas, although one has nothing left', async () => {
    const { limiter, principal, use, used } = setUp(...documents);
    const made = { ...{ principal, tags: [], use }, periodsOnly: true, isMade: true };
    for (let line = 0; line < 7; line += 1) {
      const reservation = await limiter.admit(made);
      reservation?.settle({ tokens: 20, nanoUsd: 0 });
    }
    expect((await used()).slice(0, 2)).toEqual([7, 140]);
  });
});

describe('a quota', () => {
  const quota = { of: 'tokens', per: 'day', max: 100 };

  test('reserves the most that a request may use', async () => {
    const { admit, refused, used } = setUp(quota);
    const first = admit(10, 60);
    expect(await used()).toEqual([60]);
    expect(refused(50, 50).message).toContain('60 used, and this request needs 50.');
    first.settle({ tokens: 5, nanoUsd: 0 });
    expect(await used()).toEqual([5]);
  });

  test('gives the rest to one request whose use is not bounded', async () => {
    const { admit, refused, used } = setUp(quota);
    const first = admit(10, 60);
    const second = admit(10, 60);
    expect(await used()).toEqual([100]);
    expect(refused(10, 60)).toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringContaining('It needs less with an output limit'),
    });
    // The second one used more than its reservation: that is the bound.
    second.settle({ tokens: 60, nanoUsd: 0 });
    expect(await used()).toEqual([120]);
    first.settle({ tokens: 10, nanoUsd: 0 });
    expect(await used()).toEqual([70]);
  });

  test('does not give less than a usual response needs', () => {
    const { admit, refused } = setUp(quota);
    admit(10, 95);
    expect(refused(10, 60)).toMatchObject({ code: 'quota_exceeded' });
    admit(5, 60);
  });

  test('reserves for a part of a request, which is no request', async () => {
    const { admit, used } = setUp(
      quota,
      { of: 'requests', per: 'day', max: 9 },
      { of: 'concurrent_requests', max: 9 },
    );
    const whole = admit(10, 20);
    const part = admit(10, 20, true);
    expect(await used()).toEqual([40, 1, 1]);
    whole.settle({ tokens: 30, nanoUsd: 0 });
    part.settle({ tokens: 0, nanoUsd: 0 });
    expect(await used()).toEqual([30, 1, 0]);
  });
});

test('a budget gives the rest too, and each counter is reduced alone', async () => {
  const { admit, used } = setUp(
    { of: 'cost', per: 'day', max: '30' },
    { of: 'cost', per: 'month', max: '1000' },
  );
  admit(10, 60);
  expect(await used()).toEqual([30e9, 60e9]);
});

test('a rate takes the likely use', async () => {
  const { admit, used } = setUp({ of: 'tokens', per: 'minute', max: 100 });
  admit(10, 60);
  expect(await used()).toEqual([90]);
});
