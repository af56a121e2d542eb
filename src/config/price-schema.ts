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
        context.addIssue({ code: 'custom', message: 'there is no such day' });
        return z.NEVER;
      }),
  );

/** Prices that hold in place of list prices. */
export const prices = () =>
  listOfMany(() =>
    z
      .strictObject({
        model: text(300).describe('An upstream model, or its beginning and `*`.'),
        provider: nullable(providerId()).describe('Only at this provider.'),
        tenant: nullable(text(63)).describe('Only for this tenant.'),
        from: date().describe('The first day (UTC) that it holds for.'),
        until: date().describe('The first day (UTC) that it no longer holds for.'),
        input: nullable(decimal()).describe('US dollars per million tokens of input.'),
        output: nullable(decimal()).describe('For output.'),
        cached_input: nullable(decimal()).describe("For input from the provider's prompt cache."),
        cache_write: nullable(decimal()).describe('For input that is written to that cache.'),
        gpu_hour: nullable(decimal()).describe(
          'US dollars per hour that a request keeps the GPUs, for models on machines of one’s own.',
        ),
        gpu_share: integer(1, 10_000)
          .prefault(1)
          .describe('Requests that share those GPUs at the same time, each paying its part.'),
      })
      .refine(({ input, output, gpu_hour }) => (input !== null && output !== null) || gpu_hour !== null, {
        message: 'needs input and output, or gpu_hour',
      }),
  );
