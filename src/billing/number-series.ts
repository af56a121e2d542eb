import { sql } from 'kysely';
import type { ControlTransaction } from '../storage/sql/control-database.ts';

const PLACEHOLDER = /\{(year|month|seq)(?::(\d))?\}/g;
/**
 * @param form such as `INV-{year}-{seq:5}`: `{seq}` has five digits, `{seq:3}` three; more where they are needed
 * @param day of issue: `2026-12-01`
 * @returns the series, which has its own count, and how a number of it is written
 */
export function seriesOf(form: string, day: string): { name: string; write: (sequence: number) => string } {
  const fill = (sequence: (width: number) => string) =>
    form.replaceAll(PLACEHOLDER, (_, what: string, width: string | undefined) => {
      if (what === 'year') return day.slice(0, 4);
      return what === 'month' ? day.slice(5, 7) : sequence(Number(width ?? '5'));
    });
  return {
    name: fill(() => '{seq}'),
    write: (sequence) => fill((width) => String(sequence).padStart(width, '0')),
  };
}

/**
 * Takes the next number of a series. The number is used exactly when the transaction commits, so the series has no gaps;
 * transactions of one series run one after another.
 *
 * @returns the number, from 1, and the hash of the document before; null for the first
 */
export async function nextInSeries(
  transaction: ControlTransaction,
  name: string,
): Promise<{ sequence: number; previousHash: string | null }> {
  const { last, last_hash } = await transaction
    .insertInto('billing_series')
    .values({ name, last: 1, last_hash: null })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet({ last: sql<number>`billing_series.last + 1` }),
    )
    .returning(['last', 'last_hash'])
    .executeTakeFirstOrThrow();
  return { sequence: last, previousHash: last_hash };
}

/** Records the hash of the document that took the last number. */
export async function chainSeries(
  transaction: ControlTransaction,
  name: string,
  hash: string,
): Promise<void> {
  await transaction.updateTable('billing_series').set({ last_hash: hash }).where('name', '=', name).execute();
}
