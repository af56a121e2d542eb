import type { Kysely } from 'kysely';
import { type AlertRuleSettings, alertRule } from '../config/alert-schema.ts';
import { parseJsonText } from '../core/json.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { type AlertRule, combinedRules, isKindOf, type SourcedRule } from './rule.ts';

/** The rules of all owners, as of one moment. */
export class EffectiveRules {
  readonly #byOwner = new Map<string, ReadonlyMap<string, SourcedRule>>();
  readonly #enabled = new Map<ReadonlyMap<string, SourcedRule>, readonly AlertRule[]>();

  /**
   * @param config rules of the configuration
   * @param stored rules that the admin API set, by tenant; the empty name for the platform
   */
  constructor(
    private readonly config: readonly AlertRuleSettings[],
    private readonly stored: ReadonlyMap<string, readonly AlertRuleSettings[]>,
  ) {}

  /**
   * Reads the rules that the admin API set, with one statement.
   * @throws the database's error
   */
  static async read(
    control: Kysely<ControlTables>,
    config: readonly AlertRuleSettings[],
  ): Promise<EffectiveRules> {
    const rows = await control.selectFrom('alert_rules').select(['tenant', 'document']).execute();
    const schema = alertRule();
    const stored = new Map<string, AlertRuleSettings[]>();
    for (const { tenant, document } of rows) {
      const { data } = schema.safeParse(parseJsonText(document));
      // A newer version of Weir may have stored more than this one knows.
      if (!data) continue;
      const rules = stored.get(tenant);
      if (rules) rules.push(data);
      else stored.set(tenant, [data]);
    }
    return new EffectiveRules(config, stored);
  }

  /** @param tenant null for the platform @returns rules by id, also disabled ones, with their sources */
  all(tenant: string | null): ReadonlyMap<string, SourcedRule> {
    const own = tenant === null ? undefined : this.stored.get(tenant);
    // Most tenants have no rules of their own, and share the same map.
    const key =
      own === undefined || tenant === null ? (tenant === null ? 'platform' : 'tenants') : `tenant ${tenant}`;
    let rules = this.#byOwner.get(key);
    if (!rules) {
      const combined = combinedRules([
        { source: 'config', rules: this.config },
        { source: 'platform', rules: this.stored.get('') ?? [] },
        ...(own ? [{ source: 'tenant' as const, rules: own }] : []),
      ]);
      const owner = tenant === null ? 'platform' : 'tenant';
      rules = new Map([...combined].filter(([, { rule }]) => isKindOf(rule.kind, owner)));
      this.#byOwner.set(key, rules);
    }
    return rules;
  }

  /** @returns the rules of the platform, those that only tenants have alerts of included */
  defaults(): ReadonlyMap<string, SourcedRule> {
    return combinedRules([
      { source: 'config', rules: this.config },
      { source: 'platform', rules: this.stored.get('') ?? [] },
    ]);
  }

  /** @returns the rules that are evaluated */
  enabled(tenant: string | null): readonly AlertRule[] {
    const all = this.all(tenant);
    let rules = this.#enabled.get(all);
    if (!rules) {
      rules = Array.from(all.values(), ({ rule }) => rule).filter(({ enabled }) => enabled);
      this.#enabled.set(all, rules);
    }
    return rules;
  }
}
