import { systemClock } from '../../src/core/clock.ts';
import type { Limit, LimitScope } from '../../src/core/limit.ts';
import { NO_EVENTS } from '../../src/events/event-bus.ts';
import { Calendar } from '../../src/limits/calendar.ts';
import { type Charge, type Counter, countersOf } from '../../src/limits/counter.ts';
import type { LimitStore, ReserveResult } from '../../src/limits/limit-store.ts';
import { RedisLimitStore } from '../../src/limits/redis-limit-store.ts';
import { connectRedis } from '../../src/storage/kv/connect-redis.ts';

/** What tests of stores of limits are made of. */

const calendar = new Calendar();
let number = 0;
export const unique = () => {
  number += 1;
  return `${process.pid}-${number}`;
};

export function counter(limit: Partial<Limit>, scope: LimitScope = 'tenant', id = `t${unique()}/`): Counter {
  const whole: Limit = {
    of: 'requests',
    per: 'minute',
    max: 10,
    burst: null,
    mode: 'enforce',
    onStoreLoss: 'local',
    ...limit,
  };
  const [made] = countersOf({ scope, id, name: id, limits: [whole], timeZone: 'UTC' });
  if (!made) throw new Error('no counter');
  return made;
}

export function charge(of: Counter, amount = 1): Charge {
  const period = of.kind === 'period' ? calendar.periodAt(systemClock.wallTime(), of.per, 'UTC') : undefined;
  return { counter: of, amount, period };
}

export const rate = (max: number, more: Partial<Limit> = {}) => counter({ max, ...more });
export const quota = (max: number, more: Partial<Limit> = {}) => counter({ per: 'day', max, ...more });
export const concurrency = (max: number, more: Partial<Limit> = {}) =>
  counter({ of: 'concurrent_requests', per: null, max, ...more });

export const settled = async (store: LimitStore): Promise<void> => {
  if (!(store instanceof RedisLimitStore)) return;
  const deadline = performance.now() + 5_000;
  while (store.unsettled > 0 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 2));
};

export async function redisStore(url: string, prefix: string, cluster: boolean): Promise<RedisLimitStore> {
  const client = await connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
  await client.connected();
  return new RedisLimitStore({
    ...{ client, prefix, cluster, clock: systemClock, replica: `r${unique()}` },
    cachedUse: () => 0,
    onUse: () => undefined,
    events: NO_EVENTS,
  });
}

export function granted(answer: ReserveResult) {
  if (!answer.granted) throw new Error(`refused: ${JSON.stringify(answer)}`);
  return answer;
}
