import type { Kysely } from 'kysely';
import { type AlertRuleSettings, alertRule } from '../config/alert-schema.ts';
import { parseJsonText } from '../core/json.ts';
import { RecentMap } from '../core/recent-map.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { type AlertRule, combinedRules, isKindOf, type SourcedRule } from './rule.ts';

/** Rules that are kept in parsed form. */
const MAX_PARSED = 20_000;

/** Parses stored rules; with 1,000 tenants, parsing all of them for each evaluation would take a second. */
export class ParsedRules {
  readonly #parsed = new RecentMap<string, AlertRuleSettings>(MAX_PARSED);
  readonly #schema = alertRule();

  /** @returns undefined for a document that is not valid */
  parse(document: string): AlertRuleSettings | undefined {
    const known = this.#parsed.get(document);
    if (known) return known;
    const { data } = this.#schema.safeParse(parseJsonText(document));
    if (data) this.#parsed.set(document, data);
    return data;
  }
}

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
   * @param known rules that were parsed before
   * @throws the database's error
   */
  static async read(
    control: Kysely<ControlTables>,
    config: readonly AlertRuleSettings[],
    known: ParsedRules = new ParsedRules(),
  ): Promise<EffectiveRules> {
    const rows = await control.selectFrom('alert_rules').select(['tenant', 'document']).execute();
    const stored = new Map<string, AlertRuleSettings[]>();
    for (const { tenant, document } of rows) {
      const settings = known.parse(document);
      // A newer version of Weir may have stored more than this one knows.
      if (!settings) continue;
      const rules = stored.get(tenant);
      if (rules) rules.push(settings);
      else stored.set(tenant, [settings]);
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
