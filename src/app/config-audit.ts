import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { Config } from '../config/schema.ts';
import { parseJsonText } from '../core/json.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { auditEntry, type Sources } from '../tenancy/change-context.ts';
import type { SecretDigester } from '../tenancy/key-secrets.ts';
import { SYSTEM_ACTOR } from './first-start.ts';

const SETTING = 'audited_config';
/** Names in one entry. */
const MAX_NAMES = 200;

const recorded = z.object({ parts: z.record(z.string(), z.string()), prices: z.array(z.unknown()) });
type Recorded = z.infer<typeof recorded>;

export interface ConfigAuditOptions {
  readonly control: Kysely<ControlTables>;
  readonly digester: SecretDigester;
  readonly sources: Sources;
  /** The configuration file; null for the environment alone. */
  readonly file: string | null;
}

/**
 * Records changes of the configuration in the platform's audit trail, also those that were made while no gateway ran.
 * Entries name what changed, and never contain a value, except for prices.
 */
export class ConfigAudit {
  constructor(private readonly options: ConfigAuditOptions) {}

  /**
   * Compares a configuration that is active now with the one that was recorded last, by any gateway of the installation.
   * @throws the database's error; the change is then recorded with the next call
   */
  async record(config: Config): Promise<void> {
    const { control, sources, file } = this.options;
    const now = this.#summaryOf(config);
    await control.transaction().execute(async (transaction) => {
      const row = await transaction
        .selectFrom('settings')
        .select('value')
        .where('name', '=', SETTING)
        .executeTakeFirst();
      const value = JSON.stringify(now);
      if (row?.value === value) return;
      if (!row) {
        // The first configuration of an installation is no change.
        await transaction
          .insertInto('settings')
          .values({ name: SETTING, value })
          .onConflict((conflict) => conflict.column('name').doNothing())
          .execute();
        return;
      }
      const { numUpdatedRows } = await transaction
        .updateTable('settings')
        .set({ value })
        .where('name', '=', SETTING)
        .where('value', '=', row.value)
        .executeTakeFirstOrThrow();
      const before = recorded.safeParse(parseJsonText(row.value));
      // Another replica has recorded this change.
      if (numUpdatedRows === 0n || !before.success) return;
      const subject = `config:${file ?? 'environment'}`;
      const changes = changesOf(before.data.parts, now.parts);
      if (changes) {
        await writeAudit(transaction, auditEntry(sources, SYSTEM_ACTOR, 'config.change', subject, changes));
      }
      const [from, to] = [before.data.prices, now.prices];
      if (JSON.stringify(from) !== JSON.stringify(to)) {
        await writeAudit(
          transaction,
          auditEntry(sources, SYSTEM_ACTOR, 'prices.change', subject, { from, to }),
        );
      }
    });
  }

  /** Digests are keyed, so that the database does not help to guess a provider's key. */
  #summaryOf(config: Config): Recorded {
    const parts: Record<string, string> = {};
    for (const [name, value] of partsOf(config)) {
      parts[name] = this.options.digester.digest(JSON.stringify(value)).slice(0, 32);
    }
    return { parts, prices: JSON.parse(JSON.stringify(config.prices)) };
  }
}

/** The parts of a configuration by name, such as `server.port`, `providers[openai]`. */
function* partsOf(config: Config): Generator<readonly [string, unknown]> {
  for (const [section, value] of Object.entries(config)) {
    if (section === 'prices') continue;
    if (Array.isArray(value)) {
      for (const item of value) yield [`${section}[${idOf(item)}]`, item];
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) yield [`${section}.${key}`, inner];
    } else yield [section, value];
  }
}

function idOf(item: unknown): string {
  return typeof item === 'object' && item !== null && 'id' in item ? String(item.id) : '';
}

function changesOf(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): Readonly<Record<string, readonly string[]>> | undefined {
  const added = Object.keys(after).filter((name) => !Object.hasOwn(before, name));
  const removed = Object.keys(before).filter((name) => !Object.hasOwn(after, name));
  const changed = Object.keys(after).filter(
    (name) => Object.hasOwn(before, name) && before[name] !== after[name],
  );
  const all = Object.entries({ added, changed, removed }).filter(([, names]) => names.length > 0);
  if (all.length === 0) return undefined;
  return Object.fromEntries(all.map(([kind, names]) => [kind, names.slice(0, MAX_NAMES)]));
}
