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
      })
      .refine(({ input, output, gpu_hour }) => (input !== null && output !== null) || gpu_hour !== null, {
        message: 'requires input and output, or gpu_hour',
      }),
  );
