import { z } from 'zod';
import { CALENDAR_PERIODS, LIMIT_MODES, LIMITED, type Limit, LOSS_POLICIES, RATE_PERIODS } from './limit.ts';

/** Largest count. */
const MAX_COUNT = 1_000_000_000_000;
/** Largest amount in US dollars: in 10^-9 dollars it is a safe integer. */
const MAX_AMOUNT = 9_000_000;
const NANO = 1_000_000_000;

const AMOUNT = /^(?:0|[1-9]\d{0,6})(?:\.\d{1,9})?$/;

/**
 * Parses an amount of money.
 * @param amount US dollars as a decimal with up to nine places
 * @returns 10^-9 US dollars
 */
export function nanoOfAmount(amount: string): number {
  const [whole = '0', fraction = ''] = amount.split('.');
  return Number(whole) * NANO + Number(fraction.padEnd(9, '0'));
}

/**
 * Formats an amount of money.
 * @param nano 10^-9 US dollars
 * @returns US dollars as the shortest decimal
 */
export function amountOfNano(nano: number): string {
  const sign = nano < 0 ? '-' : '';
  const digits = String(Math.abs(nano)).padStart(10, '0');
  const fraction = digits.slice(-9).replace(/0+$/, '');
  return `${sign}${digits.slice(0, -9)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** One limit as users write it, in the configuration and the admin API. */
export const limitSchema = z
  .strictObject({
    of: z.enum(LIMITED).describe('The counted quantity; `cost` is in US dollars.'),
    per: z
      .enum([...RATE_PERIODS, ...CALENDAR_PERIODS])
      .nullish()
      .describe(
        'The period. `second` and `minute`: a rate over moving time. `day` and `month`: a quota or budget in the tenant’s time zone. None for `concurrent_requests`.',
      ),
    max: z
      .union([z.int().min(0).max(MAX_COUNT), z.string().regex(AMOUNT, 'expected a decimal such as 12.50')])
      .describe('The limit: a decimal as text for `cost`, such as "12.50"; otherwise a whole number.'),
    burst: z
      .int()
      .min(1)
      .max(MAX_COUNT)
      .nullish()
      .describe('For rates: how much may arrive at once. By default `max`.'),
    mode: z
      .enum(LIMIT_MODES)
      .default('enforce')
      .describe(
        '`enforce` rejects; `warn` admits with a warning to the client; `shadow` admits and only counts.',
      ),
    on_store_loss: z
      .enum(LOSS_POLICIES)
      .default('local')
      .describe(
        'While the shared rate-limit store is unreachable: `local` gives each gateway its share of the limit, `refuse` rejects (fails closed).',
      ),
    currency: z
      .enum(['USD'], { error: 'only "USD" is supported' })
      .optional()
      .describe('The currency of `cost`.'),
  })
  .superRefine((limit, context) => {
    const fault = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const isRate = limit.per === 'second' || limit.per === 'minute';
    if (limit.of === 'concurrent_requests') {
      if (limit.per) fault('per', 'is not allowed for concurrent_requests');
    } else if (!limit.per) fault('per', 'must be second, minute, day or month');
    if (limit.of === 'cost') {
      if (isRate) fault('per', 'must be day or month for a budget');
      if (typeof limit.max !== 'string') fault('max', 'must be text for cost, such as "12.50"');
      else if (Number(limit.max) > MAX_AMOUNT) fault('max', `must be at most ${MAX_AMOUNT} US dollars`);
    } else {
      if (typeof limit.max === 'string') fault('max', 'must be a whole number');
      if (limit.currency) fault('currency', 'is only allowed for cost');
    }
    if (limit.burst && !isRate) fault('burst', 'is only allowed per second and per minute');
    if (isRate && limit.max === 0)
      fault('max', 'must be at least 1; to allow nothing, set a limit of 0 per day');
  });

/** A limit in the form that users write. */
export type LimitDocument = z.infer<typeof limitSchema>;

/** Up to 40 limits, no two of the same kind and mode. */
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
          message: `duplicates the limit of ${what} (${limit.mode})`,
        });
      }
      seen.add(kind);
    });
  });

/** Converts a limit from the form that users write. */
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

/** Converts a limit to the form that users write. */
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
