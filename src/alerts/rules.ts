import type { Kysely } from 'kysely';
import type { AlertRuleSettings } from '../config/alert-schema.ts';
import { GatewayError } from '../core/errors.ts';
import type { AlertRuleRow } from '../storage/sql/alert-tables.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { lockQuota } from '../storage/sql/quota-lock.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import { auditEntry, type ChangeContext, type Sources } from '../tenancy/change-context.ts';
import type { AlertSettings } from './alert-settings.ts';
import { EffectiveRules } from './effective-rules.ts';
import { isKindOf, ruleOf, type SourcedRule } from './rule.ts';

export interface RulesOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Sources;
  readonly settings: () => AlertSettings;
  /** Appends to the audit trail of a tenant, or of the platform for null. */
  readonly audit: (tenant: string | null, entry: AuditEntry) => Promise<void>;
}

/** Rules of one owner that the admin API set. */
const MAX_RULES = 50;

/** Manages rules. Methods reject with GatewayError or the database's error. */
export class Rules {
  constructor(private readonly options: RulesOptions) {}

  /**
   * @param tenant null for the platform, whose rules are also the defaults of its tenants
   * @returns the rules that hold for it, disabled ones included, by id
   */
  async list(tenant: string | null): Promise<readonly SourcedRule[]> {
    const { control, settings } = this.options;
    const rules = await EffectiveRules.read(control, settings().rules);
    const found = tenant === null ? rules.defaults() : rules.all(tenant);
    return [...found.values()].sort((a, b) => (a.rule.id < b.rule.id ? -1 : 1));
  }

  /**
   * Sets a rule, also one that exists.
   * @param document as it was given, with durations as texts
   * @throws GatewayError `invalid_request` for a kind that the owner cannot have, `conflict` for too many rules
   */
  async put(
    tenant: string | null,
    settings: AlertRuleSettings,
    document: unknown,
    by: ChangeContext,
  ): Promise<void> {
    const { control, sources, audit } = this.options;
    const rule = ruleOf(settings);
    if (!rule) throw new GatewayError('invalid_request', '"kind" is required.', { param: 'kind' });
    // The platform's rules are those of its tenants, too.
    if (tenant !== null && !isKindOf(rule.kind, 'tenant')) {
      const reason = `Rules of the kind "${rule.kind}" are set by platform administrators.`;
      throw new GatewayError('invalid_request', reason, { param: 'kind' });
    }
    const now = sources.clock.wallTime();
    const row: AlertRuleRow = {
      ...{ tenant: tenant ?? '', id: rule.id, document: JSON.stringify(document), version: 1 },
      ...{ updated_at: now, updated_by: by.actor.id },
    };
    await control.transaction().execute(async (transaction) => {
      await lockQuota(transaction, 'alert_rules', row.tenant);
      await transaction
        .insertInto('alert_rules')
        .values(row)
        .onConflict((conflict) =>
          conflict.columns(['tenant', 'id']).doUpdateSet(({ eb }) => ({
            ...{ document: row.document, updated_at: now, updated_by: row.updated_by },
            version: eb('alert_rules.version', '+', 1),
          })),
        )
        .execute();
      const { count } = await transaction
        .selectFrom('alert_rules')
        .select(({ fn }) => fn.countAll<number | string>().as('count'))
        .where('tenant', '=', row.tenant)
        .executeTakeFirstOrThrow();
      if (Number(count) > MAX_RULES) {
        throw new GatewayError('conflict', `There are ${MAX_RULES} rules already. Delete one first.`);
      }
    });
    await audit(tenant, auditEntry(sources, by, 'alert_rule.set', `alert_rule:${rule.id}`, { document }));
  }

  /** Removes a rule that the admin API set: the one that it replaced holds again. @throws GatewayError `not_found` */
  async remove(tenant: string | null, id: string, by: ChangeContext): Promise<void> {
    const { control, sources, audit } = this.options;
    const { numDeletedRows } = await control
      .deleteFrom('alert_rules')
      .where('tenant', '=', tenant ?? '')
      .where('id', '=', id)
      .executeTakeFirst();
    if (numDeletedRows !== 1n) throw new GatewayError('not_found', 'No such rule was set here.');
    await audit(tenant, auditEntry(sources, by, 'alert_rule.reset', `alert_rule:${id}`, {}));
  }
}
