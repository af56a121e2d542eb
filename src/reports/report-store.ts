import type { Kysely } from 'kysely';
import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { parseJsonText } from '../core/json.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { ReportRow } from '../storage/sql/report-tables.ts';
import { type ReportDocument, reportDocument } from './report-document.ts';

/** A report that was made. Times are Unix milliseconds. */
export interface Report {
  readonly id: string;
  readonly schedule: string;
  /** Null for the installation. */
  readonly tenant: string | null;
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly createdAt: number;
  /** Addresses that it was sent to. */
  readonly mailed: readonly string[];
  readonly document: ReportDocument;
}

const addresses = z.array(z.string());

/** Reads reports. Methods reject with GatewayError or the database's error. */
export class ReportStore {
  constructor(private readonly control: Kysely<ControlTables>) {}

  /** @param tenant null for the installation @returns the latest first. @param after of the previous page */
  async list(
    tenant: string | null,
    limit: number,
    after: { readonly at: number; readonly id: string } | undefined,
  ): Promise<Report[]> {
    const rows = await this.control
      .selectFrom('reports')
      .selectAll()
      .where('tenant', '=', tenant ?? '')
      .$if(after !== undefined, (query) =>
        query.where(({ eb, or, and }) =>
          or([
            eb('created_at', '<', after?.at ?? 0),
            and([eb('created_at', '=', after?.at ?? 0), eb('id', '<', after?.id ?? '')]),
          ]),
        ),
      )
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(reportOf);
  }

  /** @throws GatewayError `not_found` */
  async get(tenant: string | null, id: string): Promise<Report> {
    const found = await this.find(tenant, id);
    if (!found) throw new GatewayError('not_found', 'There is no such report.');
    return found;
  }

  /** @returns undefined where it was deleted */
  async find(tenant: string | null, id: string): Promise<Report | undefined> {
    const row = await this.control
      .selectFrom('reports')
      .selectAll()
      .where('id', '=', id)
      .where('tenant', '=', tenant ?? '')
      .executeTakeFirst();
    return row && reportOf(row);
  }

  /** Notes that a report was sent to an address. */
  async markMailed(id: string, address: string): Promise<void> {
    await this.control.transaction().execute(async (transaction) => {
      // Locks the row, and changes nothing.
      const row = await transaction
        .updateTable('reports')
        .set(({ ref }) => ({ mailed: ref('mailed') }))
        .where('id', '=', id)
        .returning('mailed')
        .executeTakeFirst();
      if (!row) return;
      const mailed = [...new Set([...addresses.parse(parseJsonText(row.mailed)), address])];
      await transaction
        .updateTable('reports')
        .set({ mailed: JSON.stringify(mailed) })
        .where('id', '=', id)
        .execute();
    });
  }
}

function reportOf(row: ReportRow): Report {
  return {
    ...{ id: row.id, schedule: row.schedule, tenant: row.tenant === '' ? null : row.tenant, name: row.name },
    ...{ from: Number(row.from_at), to: Number(row.to_at), createdAt: Number(row.created_at) },
    mailed: addresses.parse(parseJsonText(row.mailed)),
    document: reportDocument.parse(parseJsonText(row.document)),
  };
}
