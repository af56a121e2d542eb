import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { ControlTransaction } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { parseDocument } from '../tenancy/documents.ts';
import { readSlice, storedSlice, type UsageSlice } from './usage-slice.ts';

/** The usage of one month that an invoice contains. */
export interface BilledMonth {
  /** `2026-11`. */
  readonly month: string;
  /** Unix milliseconds. */
  readonly start: number;
  readonly end: number;
  /** Zone of its days, which the tenant may have changed since. */
  readonly timeZone: string;
  /** Starts of the price periods. */
  readonly starts: readonly number[];
  /** Price lists that were created later do not apply to it. */
  readonly knownAt: number;
  readonly slices: readonly UsageSlice[];
}

/** What an invoice contains, besides its text. */
export interface BilledContent {
  /** The first one is the invoice's own month; others are closed months with late usage. */
  readonly months: readonly BilledMonth[];
  /** Ids of infrastructure costs. */
  readonly costs: readonly string[];
}

const slice = z.tuple([z.number(), z.string(), z.string(), z.string(), z.string()], z.string());
const stored = z.object({
  months: z.array(
    z.object({
      month: z.string(),
      start: z.number(),
      end: z.number(),
      starts: z.array(z.number()),
      time_zone: z.string(),
      known_at: z.number(),
      slices: z.array(slice),
    }),
  ),
  costs: z.array(z.string()),
});

export async function writeBilled(
  transaction: ControlTransaction,
  invoice: string,
  account: string,
  { months, costs }: BilledContent,
): Promise<void> {
  const document: z.output<typeof stored> = {
    months: months.map(({ knownAt, timeZone, slices, starts, ...month }) => ({
      ...month,
      starts: [...starts],
      time_zone: timeZone,
      known_at: knownAt,
      slices: slices.map((one) => [...storedSlice(one)]),
    })),
    costs: [...costs],
  };
  await transaction
    .insertInto('billing_usage')
    .values({ invoice, account, document: JSON.stringify(document) })
    .execute();
}

/** @returns what invoices of an account that are not void contain */
export async function readBilled(control: Kysely<ControlTables>, account: string): Promise<BilledContent[]> {
  const rows = await control
    .selectFrom('billing_usage')
    .innerJoin('billing_invoices', 'billing_invoices.id', 'billing_usage.invoice')
    .select(['billing_usage.invoice', 'billing_usage.document'])
    .where('billing_usage.account', '=', account)
    .where('billing_invoices.status', '<>', 'void')
    .orderBy('billing_invoices.created_at')
    .orderBy('billing_usage.invoice')
    .execute();
  return rows.map(({ invoice, document }) => {
    const { months, costs } = parseDocument(stored, document, `the usage of invoice ${invoice}`);
    return {
      costs,
      months: months.map(({ known_at, time_zone, slices, ...month }) => ({
        ...month,
        timeZone: time_zone,
        knownAt: known_at,
        slices: slices.map(readSlice),
      })),
    };
  });
}
