import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { RecordedEvents } from '../../test/support/recorded-events.ts';
import { GatewayError } from '../core/errors.ts';
import { MAX_CLIENTS } from './client-table.ts';
import { AddressLimiter, type AddressRules } from './per-address.ts';

function limiterFor(rules: AddressRules | null, queueTimeoutMs = 100) {
  const clock = new FakeClock();
  const events = new RecordedEvents();
  const limiter = new AddressLimiter(clock, () => ({ rules, queueTimeoutMs }), events);
  const spend = (address = 'a') => {
    try {
      return limiter.spend(address);
    } catch (error) {
      if (error instanceof GatewayError) return error;
      throw error;
    }
  };
  return { clock, limiter, spend, refused: () => events.names.length };
}

const never = new AbortController();

describe('the rate', () => {
  test('is never exceeded in any window of time, and rejections are counted', () => {
    const steps = fc.array(
      fc.oneof(fc.constant('spend' as const), fc.double({ min: 0, max: 3_000, noNaN: true })),
      { maxLength: 60 },
    );
    const rules = fc.record({
      rps: fc.double({ min: 0.1, max: 50, noNaN: true }),
      burst: fc.integer({ min: 1, max: 10 }),
      inflight: fc.constant(null),
    });
    fc.assert(
      fc.property(rules, steps, (allowed, plan) => {
        const { clock, spend, refused } = limiterFor(allowed);
        const times: number[] = [];
        let attempts = 0;
        for (const step of plan) {
          if (typeof step === 'number') {
            clock.advance(step);
            continue;
          }
          attempts += 1;
          if (!(spend() instanceof GatewayError)) times.push(clock.now());
        }
        expect(refused()).toBe(attempts - times.length);
        times.forEach((from, first) => {
          times.slice(first).forEach((to, count) => {
            const limit = allowed.burst + ((to - from) / 1000) * allowed.rps;
            expect(count + 1).toBeLessThanOrEqual(limit + 1e-6);
          });
        });
      }),
      { numRuns: runs(500) },
    );
  });

  test('admits every request that arrives no faster', () => {
    const { clock, spend } = limiterFor({ rps: 4, burst: 1, inflight: null });
    for (let count = 0; count < 100; count += 1) {
      expect(spend()).not.toBeInstanceOf(GatewayError);
      clock.advance(250);
    }
  });

  test('is reported, and a rejection says when to retry', () => {
    const { clock, spend } = limiterFor({ rps: 0.5, burst: 2, inflight: null });
    expect(spend()).toEqual({ limit: 2, remaining: 1, resetSeconds: 2 });
    expect(spend()).toEqual({ limit: 2, remaining: 0, resetSeconds: 4 });
    const refusal = spend();
    expect(refusal).toMatchObject({
      code: 'rate_limit_exceeded',
      status: 429,
      details: { retryAfterSeconds: 2, rateLimit: { limit: 2, remaining: 0, resetSeconds: 4 } },
    });
    clock.advance(2_000);
    expect(spend()).not.toBeInstanceOf(GatewayError);
  });

  test('is separate for each address', () => {
    const { spend } = limiterFor({ rps: 1, burst: 1, inflight: null });
    expect(spend('a')).not.toBeInstanceOf(GatewayError);
    expect(spend('a')).toBeInstanceOf(GatewayError);
    expect(spend('b')).not.toBeInstanceOf(GatewayError);
  });

  test('is kept for a busy address while idle ones are removed', () => {
    const { clock, spend } = limiterFor({ rps: 1, burst: 2, inflight: null });
    for (let index = 0; index < 10_000; index += 1) spend(`quiet ${index}`);
    clock.advance(10_000);
    spend('busy');
    spend('busy');
    for (let index = 0; index < 100; index += 1) spend(`new ${index}`);
    expect(spend('busy')).toBeInstanceOf(GatewayError);
  });

  test('takes bounded memory, and strangers never reset the limit of a client that is refused', () => {
    const { clock, limiter, spend } = limiterFor({ rps: 1, burst: 2, inflight: null });
    for (let index = 0; index < MAX_CLIENTS; index += 1) spend(`stranger ${index}`);
    for (let count = 0; count < 3; count += 1) spend('busy');
    for (let index = 0; index < 50_000; index += 1) spend(`other ${index}`);
    expect(spend('busy')).toBeInstanceOf(GatewayError);
    expect(limiter.size).toBeLessThanOrEqual(MAX_CLIENTS);
    clock.advance(1_000);
    expect(spend('busy')).not.toBeInstanceOf(GatewayError);
  });

  test('is unlimited without rules', async () => {
    const { limiter, spend } = limiterFor(null);
    expect(limiter.enabled).toBe(false);
    for (let count = 0; count < 100; count += 1) expect(spend()).toBeUndefined();
    (await limiter.enter('a', never))();
  });
});

describe('concurrency slots of an address', () => {
  type Step =
    | { readonly kind: 'enter' | 'settle' }
    | { readonly kind: 'leave' | 'abort'; readonly who: number }
    | { readonly kind: 'advance'; readonly ms: number };
  const who = fc.nat(20);
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('enter') }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('leave'), who }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('abort'), who }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('settle') }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('advance'), ms: fc.constantFrom(1, 50, 100, 200) }),
    },
  );

  test('never exceed the limit and are all released at the end, with any aborts and timeouts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { maxLength: 40 }),
        async (inflight, plan) => {
          const { clock, limiter } = limiterFor({ rps: 1, burst: 1, inflight });
          let inside = 0;
          let most = 0;
          let settled = 0;
          const callers: { readonly controller: AbortController; leave?: () => void }[] = [];
          for (const one of plan) {
            if (one.kind === 'enter') {
              const caller: (typeof callers)[number] = { controller: new AbortController() };
              callers.push(caller);
              limiter.enter('a', caller.controller).then(
                (leave) => {
                  settled += 1;
                  inside += 1;
                  most = Math.max(most, inside);
                  let held = true;
                  caller.leave = () => {
                    if (held) inside -= 1;
                    held = false;
                    leave();
                  };
                },
                () => {
                  settled += 1;
                },
              );
            } else if (one.kind === 'leave') callers[one.who]?.leave?.();
            else if (one.kind === 'abort') callers[one.who]?.controller.abort(new Error('gone'));
            else if (one.kind === 'advance') clock.advance(one.ms);
            else await settle();
          }
          await settle();
          // Every caller with a slot releases it twice, until no caller is waiting.
          for (let round = 0; round <= callers.length; round += 1) {
            for (const caller of callers) caller.leave?.();
            for (const caller of callers) caller.leave?.();
            await settle();
          }
          expect(most).toBeLessThanOrEqual(inflight);
          expect([inside, settled, clock.sleeping]).toEqual([0, callers.length, 0]);

          // Exactly the allowed number of slots is free.
          for (let count = 0; count < inflight; count += 1) await limiter.enter('a', never);
          const refusal = limiter.enter('a', never).catch((error: unknown) => error);
          await settle();
          clock.advance(100);
          expect(await refusal).toMatchObject({ code: 'rate_limit_exceeded', status: 429 });
        },
      ),
      { numRuns: runs(1_000) },
    );
  });

  test('are granted in order of arrival', async () => {
    const { limiter } = limiterFor({ rps: 1, burst: 1, inflight: 1 });
    const order: number[] = [];
    const leave = await limiter.enter('a', never);
    const waiting = [1, 2, 3].map(async (number) => {
      const done = await limiter.enter('a', never);
      order.push(number);
      done();
    });
    leave();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
  });

  test('are rejected when none is free in time; an abort rejects with its reason', async () => {
    const { clock, limiter, refused } = limiterFor({ rps: 1, burst: 1, inflight: 1 }, 1_500);
    await limiter.enter('a', never);
    const late = limiter.enter('a', never).catch((error: unknown) => error);
    const gone = new AbortController();
    const aborted = limiter.enter('a', gone).catch((error: unknown) => error);
    await settle();
    const reason = new Error('gone');
    gone.abort(reason);
    clock.advance(1_500);
    expect(await late).toMatchObject({ code: 'rate_limit_exceeded', details: { retryAfterSeconds: 2 } });
    expect(await aborted).toBe(reason);
    expect(refused()).toBe(1);
  });

  test('are not queued for when the client has already disconnected', async () => {
    const { clock, limiter } = limiterFor({ rps: 1, burst: 1, inflight: 1 });
    const leave = await limiter.enter('a', never);
    const reason = new Error('gone');
    const outcome = limiter
      .enter('a', { signal: AbortSignal.abort(reason) })
      .catch((error: unknown) => error);
    await settle();
    expect(clock.sleeping).toBe(0);
    leave();
    expect(await outcome).toBe(reason);
  });

  test('are unlimited when the rules have no limit', async () => {
    const { limiter } = limiterFor({ rps: 1, burst: 1, inflight: null });
    for (let count = 0; count < 50; count += 1) await limiter.enter('a', never);
  });
});
