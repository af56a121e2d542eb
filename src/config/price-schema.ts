import { z } from 'zod';
import { decimal, integer, listOfMany, nullable, providerId, text } from './fields.ts';

const date = () =>
  nullable(
    z
      .string()
      .regex(/^\d{4}-\d{2}-\d{2}$/, 'expected a date such as 2026-01-31')
      .transform((value, context) => {
        const time = Date.parse(`${value}T00:00:00Z`);
        if (!Number.isNaN(time)) return time;
        context.addIssue({ code: 'custom', message: 'is not a calendar day' });
        return z.NEVER;
      }),
  );

const timeOfDay = () =>
  z
    .string()
    .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'expected a time of day such as 08:30, in quotes')
    .transform((value) => Number(value.slice(0, 2)) * 60 + Number(value.slice(3)));

const timeZone = () =>
  z
    .string()
    .max(60)
    .refine(isTimeZone, 'expected the name of a time zone, such as Europe/Zurich or UTC')
    .prefault('UTC');

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

/** Prices that override list prices. */
export const prices = () =>
  listOfMany(() =>
    z
      .strictObject({
        model: text(300).describe('An upstream model, or a prefix and `*`.'),
        provider: nullable(providerId()).describe('Only at this provider.'),
        tenant: nullable(text(63)).describe('Only for this tenant.'),
        from: date().describe('The first day (UTC) on which the rule applies.'),
        until: date().describe('The first day (UTC) on which it no longer applies.'),
        input: nullable(decimal()).describe('US dollars per million input tokens.'),
        output: nullable(decimal()).describe('Output tokens.'),
        cached_input: nullable(decimal()).describe("Input tokens read from the provider's prompt cache."),
        cache_write: nullable(decimal()).describe('Input tokens written to that cache.'),
        gpu_hour: nullable(decimal()).describe(
          'US dollars per hour that a request occupies the GPUs, for self-hosted models.',
        ),
        gpu_share: integer(1, 10_000)
          .prefault(1)
          .describe('Requests that share those GPUs at the same time; each is charged its part.'),
        batch: nullable(decimal()).describe(
          "What requests at the vendor's rate for batches cost (`service_tier` `flex` or `batch`), as a multiple of the price: 0.5 for half of it.",
        ),
        time_of_day: listOfMany(() =>
          z
            .strictObject({
              from: timeOfDay().describe('When it begins, as `"16:30"`.'),
              until: timeOfDay().describe('When it ends; on the next day where that is not after `from`.'),
              days: nullable(
                z
                  .array(z.enum(WEEKDAYS))
                  .min(1)
                  .transform((names) => names.map((name) => WEEKDAYS.indexOf(name))),
              ).describe('The days on which it begins; by default every day.'),
              time_zone: timeZone().describe('The time zone of these times.'),
              factor: decimal().describe(
                'What a request that arrives then costs, as a multiple of the price.',
              ),
            })
            .refine(({ from, until }) => from !== until, { message: 'requires two different times' }),
        ).describe('Prices by time of day. The first that contains the arrival of a request applies.'),
      })
      .refine(
        ({ input, output, gpu_hour, batch, time_of_day }) =>
          (input !== null && output !== null) ||
          (input === null &&
            output === null &&
            (gpu_hour !== null || batch !== null || time_of_day.length > 0)),
        {
          message:
            'requires input and output, or gpu_hour; or neither, with batch or time_of_day, to scale the list price',
        },
      ),
  );
