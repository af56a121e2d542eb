import type { Kysely } from 'kysely';
import { z } from 'zod';
import { ALERT_LABELS } from '../core/alert.ts';
import { GatewayError } from '../core/errors.ts';
import { parseJsonText } from '../core/json.ts';
import type { AlertSilenceRow } from '../storage/sql/alert-tables.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { lockQuota } from '../storage/sql/quota-lock.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import { auditEntry, type ChangeContext, type Sources } from '../tenancy/change-context.ts';
import { type Alert, labelOf } from './alert.ts';

/** Selects alerts by one of their labels. */
export const silenceMatcher = z.strictObject({
  label: z.enum(ALERT_LABELS),
  value: z.string().max(400).describe('The value; `*` stands for any characters.'),
  not: z.boolean().default(false).describe('Whether the label must not have the value.'),
});
export type SilenceMatcher = z.output<typeof silenceMatcher>;

/** A silence: alerts that match all of its matchers send no messages. Times are Unix milliseconds. */
export interface Silence {
  readonly id: string;
  /** Null for one of the platform, which silences alerts of all tenants. */
  readonly tenant: string | null;
  readonly matchers: readonly SilenceMatcher[];
  readonly startsAt: number;
  readonly endsAt: number;
  readonly comment: string;
  /** Id of the actor. */
  readonly createdBy: string;
  readonly createdByName: string;
  readonly createdAt: number;
}

export interface NewSilence {
  readonly matchers: readonly SilenceMatcher[];
  /** Unix milliseconds. */
  readonly startsAt: number;
  readonly endsAt: number;
  readonly comment: string;
}

export interface SilencesOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Sources;
  /** Appends to the audit trail of a tenant, or of the platform for null. */
  readonly audit: (tenant: string | null, entry: AuditEntry) => Promise<void>;
}

/** Silences of one owner that have not ended. */
const MAX_SILENCES = 500;
const MAX_LENGTH_MS = 366 * 86_400_000;

/** Manages silences. Methods reject with GatewayError or the database's error. */
export class Silences {
  constructor(private readonly options: SilencesOptions) {}

  /**
   * @param tenant null for the platform
   * @param after the last one of the page before
   * @returns silences, those that end last first
   */
  async list(
    tenant: string | null,
    limit: number,
    after: { readonly at: number; readonly id: string } | undefined,
  ): Promise<Silence[]> {
    const rows = await this.options.control
      .selectFrom('alert_silences')
      .selectAll()
      .where('tenant', '=', tenant ?? '')
      .$if(after !== undefined, (query) =>
        query.where(({ eb, or, and }) =>
          or([
            eb('ends_at', '<', after?.at ?? 0),
            and([eb('ends_at', '=', after?.at ?? 0), eb('id', '<', after?.id ?? '')]),
          ]),
        ),
      )
      .orderBy('ends_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(silenceOf);
  }

  /** @throws GatewayError `invalid_request` for times that are not valid, `conflict` for too many silences */
  async create(tenant: string | null, wanted: NewSilence, by: ChangeContext): Promise<Silence> {
    const { control, sources, audit } = this.options;
    const now = sources.clock.wallTime();
    const { startsAt, endsAt } = wanted;
    if (endsAt <= startsAt || endsAt <= now || endsAt - startsAt > MAX_LENGTH_MS) {
      const reason = '"ends_at" must be after "starts_at" and now, by at most a year.';
      throw new GatewayError('invalid_request', reason, { param: 'ends_at' });
    }
    const row: AlertSilenceRow = {
      ...{ id: sources.newId('sil'), tenant: tenant ?? '', matchers: JSON.stringify(wanted.matchers) },
      ...{ starts_at: startsAt, ends_at: endsAt, comment: wanted.comment, created_at: now },
      ...{ created_by: by.actor.id, created_by_name: by.actor.name },
    };
    await control.transaction().execute(async (transaction) => {
      await lockQuota(transaction, 'alert_silences', row.tenant);
      await transaction.insertInto('alert_silences').values(row).execute();
      const { count } = await transaction
        .selectFrom('alert_silences')
        .select(({ fn }) => fn.countAll<number | string>().as('count'))
        .where('tenant', '=', row.tenant)
        .where('ends_at', '>', now)
        .executeTakeFirstOrThrow();
      if (Number(count) > MAX_SILENCES) {
        throw new GatewayError('conflict', `There are ${MAX_SILENCES} silences already. End one first.`);
      }
    });
    const details = { matchers: wanted.matchers, ends_at: endsAt, comment: wanted.comment };
    await audit(tenant, auditEntry(sources, by, 'silence.create', `silence:${row.id}`, details));
    return silenceOf(row);
  }

  /** Ends a silence now. It stays in the list. @throws GatewayError `not_found` */
  async end(tenant: string | null, id: string, by: ChangeContext): Promise<Silence> {
    const { control, sources, audit } = this.options;
    const now = sources.clock.wallTime();
    const row = await control
      .selectFrom('alert_silences')
      .selectAll()
      .where('id', '=', id)
      .where('tenant', '=', tenant ?? '')
      .executeTakeFirst();
    if (!row) throw new GatewayError('not_found', 'There is no such silence.');
    if (row.ends_at <= now) return silenceOf(row);
    await control.updateTable('alert_silences').set({ ends_at: now }).where('id', '=', id).execute();
    await audit(tenant, auditEntry(sources, by, 'silence.end', `silence:${id}`, {}));
    return silenceOf({ ...row, ends_at: now });
  }

  /** @returns silences of all owners that hold at a moment */
  async active(now: number): Promise<Silence[]> {
    const rows = await this.options.control
      .selectFrom('alert_silences')
      .selectAll()
      .where('starts_at', '<=', now)
      .where('ends_at', '>', now)
      .execute();
    return rows.map(silenceOf);
  }
}

const matcherList = z.array(silenceMatcher);

function silenceOf(row: AlertSilenceRow): Silence {
  return {
    ...{ id: row.id, tenant: row.tenant === '' ? null : row.tenant, comment: row.comment },
    matchers: matcherList.safeParse(parseJsonText(row.matchers)).data ?? [],
    ...{ startsAt: row.starts_at, endsAt: row.ends_at, createdAt: row.created_at },
    ...{ createdBy: row.created_by, createdByName: row.created_by_name },
  };
}

/**
 * @param owner of the receiver that would get a message; null for the platform
 * @returns the silence that suppresses it; undefined for none. A tenant's silence does not concern the platform's receivers
 */
export function silenceOfAlert(
  alert: Alert,
  silences: readonly Silence[],
  owner: string | null,
): Silence | undefined {
  return silences.find(
    ({ tenant, matchers }) =>
      (tenant === null || (tenant === owner && tenant === alert.tenant)) &&
      matchers.length > 0 &&
      matchers.every((matcher) => matches(alert, matcher)),
  );
}

function matches(alert: Alert, { label, value, not }: SilenceMatcher): boolean {
  return isLike(labelOf(alert, label) ?? '', value) !== not;
}

/** @returns whether a text has the form of a pattern, in which `*` stands for any characters; in linear time */
export function isLike(text: string, pattern: string): boolean {
  const parts = pattern.split('*');
  const [first = '', ...others] = parts;
  if (others.length === 0) return text === pattern;
  const last = others.pop() ?? '';
  if (text.length < first.length + last.length) return false;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of others) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
