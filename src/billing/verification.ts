import type { Kysely } from 'kysely';
import { z } from 'zod';
import { parseJsonText } from '../core/json.ts';
import { sha256Hex } from '../platform/hash.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';

const linkedDocument = z.looseObject({ number: z.string(), previous_hash: z.string().nullable() });
/** Documents of one query. */
const PAGE = 200;

/** Reads all issued documents in the order of their numbers. @returns how many, and what is wrong with them */
export async function verifyInvoices(
  control: Kysely<ControlTables>,
): Promise<{ checked: number; problems: string[] }> {
  const problems: string[] = [];
  let checked = 0;
  const series = await control.selectFrom('billing_series').selectAll().orderBy('name').execute();
  for (const { name, last, last_hash } of series) {
    let sequence = 0;
    let hash: string | null = null;
    for (;;) {
      const rows = await control
        .selectFrom('billing_invoices')
        .select(['number', 'sequence', 'document', 'hash'])
        .where('series', '=', name)
        .where('sequence', '>', sequence)
        .orderBy('sequence')
        .limit(PAGE)
        .execute();
      for (const row of rows) {
        const expected = sequence + 1;
        sequence = row.sequence ?? expected;
        if (sequence !== expected) problems.push(`The series ${name} lacks the number ${expected}.`);
        const { data } = linkedDocument.safeParse(parseJsonText(row.document));
        if (sha256Hex(row.document) !== row.hash)
          problems.push(`${row.number} was changed: its hash differs.`);
        else if (data?.number !== row.number || (sequence === expected && data.previous_hash !== hash)) {
          problems.push(`${row.number} does not follow the document before it.`);
        }
        hash = row.hash;
        checked += 1;
      }
      if (rows.length < PAGE) break;
    }
    if (sequence !== last || hash !== last_hash) {
      problems.push(`The series ${name} ends at ${sequence} instead of ${last}.`);
    }
  }
  return { checked, problems };
}
