import { z } from 'zod';
import { CALENDAR_PERIODS, LIMIT_MODES, LIMITED, type Limit, LOSS_POLICIES, RATE_PERIODS } from './limit.ts';

/** Counts up to here can be compared with exactness. */
const LARGEST_COUNT = 1_000_000_000_000;
/** US dollars; in thousand-millionths it is still a whole number that is held exactly. */
const LARGEST_AMOUNT = 9_000_000;
const NANO = 1_000_000_000;

const AMOUNT = /^(?:0|[1-9]\d{0,6})(?:\.\d{1,9})?$/;

/** Whole thousand-millionths of an amount that is written as a decimal. */
export function nanoOfAmount(amount: string): number {
  const [whole = '0', fraction = ''] = amount.split('.');
  return Number(whole) * NANO + Number(fraction.padEnd(9, '0'));
}

/** The other way: the shortest decimal. */
export function amountOfNano(nano: number): string {
  const sign = nano < 0 ? '-' : '';
  const digits = String(Math.abs(nano)).padStart(10, '0');
  const fraction = digits.slice(-9).replace(/0+$/, '');
  return `${sign}${digits.slice(0, -9)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** One limit as people write it. */
export const limitSchema = z
  .strictObject({
    of: z.enum(LIMITED).describe('What is counted: `cost` is money, in US dollars.'),
    per: z
      .enum([...RATE_PERIODS, ...CALENDAR_PERIODS])
      .nullish()
      .describe(
        'For how long: a rate by the second or minute, smooth and without window edges; a quota or budget by the day or month of the tenant’s time zone. None for `concurrent_requests`.',
      ),
    max: z
      .union([
        z.int().min(0).max(LARGEST_COUNT),
        z.string().regex(AMOUNT, 'expected a decimal such as 12.50'),
      ])
      .describe('How much. Of `cost` a decimal as text, such as "12.50", of all else a whole number.'),
    burst: z
      .int()
      .min(1)
      .max(LARGEST_COUNT)
      .nullish()
      .describe('Of a rate: how much may come at once. By default as much as `max`.'),
    mode: z
      .enum(LIMIT_MODES)
      .default('enforce')
      .describe(
        '`enforce` refuses; `warn` lets pass and tells the client; `shadow` lets pass and only counts.',
      ),
    on_store_loss: z
      .enum(LOSS_POLICIES)
      .default('local')
      .describe(
        'While the shared store of limits can’t be reached: `local` gives each gateway its fair share, `refuse` lets nothing pass.',
      ),
    currency: z
      .enum(['USD'], { error: 'only "USD" is supported' })
      .optional()
      .describe('Of `cost`: US dollars.'),
  })
  .superRefine((limit, context) => {
    const fault = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const isRate = limit.per === 'second' || limit.per === 'minute';
    if (limit.of === 'concurrent_requests') {
      if (limit.per) fault('per', 'concurrent requests are not counted per time; leave it out');
    } else if (!limit.per) fault('per', 'say per second, minute, day or month');
    if (limit.of === 'cost') {
      if (isRate) fault('per', 'a budget holds for a day or a month');
      if (typeof limit.max !== 'string') fault('max', 'write amounts as text, such as "12.50"');
      else if (Number(limit.max) > LARGEST_AMOUNT) fault('max', `at most ${LARGEST_AMOUNT} US dollars`);
    } else {
      if (typeof limit.max === 'string') fault('max', 'write counts as whole numbers');
      if (limit.currency) fault('currency', 'only limits of `cost` have one');
    }
    if (limit.burst && !isRate) fault('burst', 'only limits per second and minute have one');
    if (isRate && limit.max === 0) fault('max', 'must be at least 1; a limit of nothing is one per day');
  });

export type LimitDocument = z.infer<typeof limitSchema>;

/** Several limits, of which no two are of the same kind and mode. */
export const limitList = z
  .array(limitSchema)
  .max(40)
  .superRefine((limits, context) => {
    const seen = new Set<string>();
    limits.forEach((limit, index) => {
      const kind = `${limit.of}/${limit.per ?? ''}/${limit.mode}`;
      if (seen.has(kind)) {
        const what = limit.per ? `${limit.of} per ${limit.per}` : limit.of;
        context.addIssue({
          code: 'custom',
          path: [index],
          message: `is the second of ${what} (${limit.mode})`,
        });
      }
      seen.add(kind);
    });
  });

/** As the gateway works with it. */
export function limitOf({ of, per = null, max, burst = null, mode, on_store_loss }: LimitDocument): Limit {
  return {
    of,
    per,
    max: typeof max === 'string' ? nanoOfAmount(max) : max,
    burst,
    mode,
    onStoreLoss: on_store_loss,
  };
}

/** As people read it. */
export function limitDocument({ of, per, max, burst, mode, onStoreLoss }: Limit): LimitDocument {
  return {
    of,
    ...(per ? { per } : {}),
    max: of === 'cost' ? amountOfNano(max) : max,
    ...(burst === null ? {} : { burst }),
    mode,
    on_store_loss: onStoreLoss,
  };
}
