import { z } from 'zod';
import { REPORT_PERIODS } from './report-period.ts';

export const REPORT_DIMENSIONS = ['tenant', 'key', 'user', 'model', 'provider', 'tag', 'client'] as const;
export type ReportDimension = (typeof REPORT_DIMENSIONS)[number];

const count = z.int().nonnegative();
const money = z.string().describe('US dollars, as an exact decimal.');

const sums = z.object({
  requests: count,
  failures: count.describe('Failed attempts.'),
  input_tokens: count,
  output_tokens: count,
  cost: money,
});

const row = sums.extend({
  id: z.string().describe('Empty for usage without a member.'),
  name: z.string().nullable().describe('Of a key, user or tenant; null where it no longer exists.'),
  previous_cost: money.describe('In the period before.'),
});

export const HINT_KINDS = [
  'cheaper_model',
  'cache_candidate',
  'prompt_cache',
  'idle_engine',
  'unused_key',
] as const;

const hint = z.object({
  kind: z.enum(HINT_KINDS),
  subject: z.string().describe('The model, key or provider.'),
  text: z.string(),
  saves: money.nullable().describe('In a period like this one; null where its cost is not known.'),
  estimated: z.literal(true),
  evidence: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
});
export type ReportHint = z.infer<typeof hint>;

/** What a report says. Stored as it was made: it does not change with later usage. */
export const reportDocument = z.object({
  period: z.enum(REPORT_PERIODS),
  label: z.string().describe('`2026-11-21`, `2026-W47` or `2026-11`.'),
  from: z.string(),
  to: z.string(),
  time_zone: z.string(),
  currency: z.literal('USD'),
  totals: sums.extend({ unpriced_attempts: count, cache_hits: count, cache_saved: money }),
  previous: sums,
  groups: z.array(
    z.object({
      by: z.enum(REPORT_DIMENSIONS),
      rows: z.array(row).describe('By cost, at most a thousand.'),
      more: count.describe('Rows that were left out.'),
    }),
  ),
  changes: z
    .array(
      z.object({
        by: z.enum(REPORT_DIMENSIONS),
        id: z.string(),
        name: z.string().nullable(),
        cost: money,
        previous_cost: money,
        change: z.string().describe('US dollars; negative where the cost fell.'),
      }),
    )
    .describe('The largest against the period before.'),
  forecast: z
    .object({
      month: z.string(),
      used: money,
      expected: money,
      low: money.nullable(),
      high: money.nullable(),
      estimated: z.literal(true),
    })
    .nullable()
    .describe('Cost of the month in which the period ended, by the pace of four weeks.'),
  hints: z.array(hint),
});
export type ReportDocument = z.infer<typeof reportDocument>;
