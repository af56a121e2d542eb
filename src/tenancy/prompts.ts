import type { Selectable } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { TenantDatabase, TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { TenantTables } from '../storage/sql/tenant-tables.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';
import { denied, isAllowed } from './actor.ts';
import { auditEntry, type ChangeContext, type Sources } from './change-context.ts';
import type { TenantTransaction, TenantWriter } from './tenant-writer.ts';
import { assertVersion, type SeenVersion } from './versions.ts';

/** What a saved prompt sends. */
export interface PromptContent {
  readonly model: string | null;
  /** As OpenAI's Chat Completions API has them. */
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  /** Further members of the request, such as `temperature`. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly tools: readonly Readonly<Record<string, unknown>>[] | null;
  /** JSON schema of the response. */
  readonly schema: Readonly<Record<string, unknown>> | null;
}

/** A saved prompt without what it says. Times are Unix milliseconds. */
export interface PromptSummary {
  readonly id: string;
  readonly name: string;
  /** Of the latest version. */
  readonly model: string | null;
  /** Number of the latest version, from 1. */
  readonly latest: number;
  readonly createdBy: string;
  readonly createdByName: string;
  readonly createdAt: number;
  readonly savedBy: string;
  readonly savedByName: string;
  readonly updatedAt: number;
  /** Of the prompt with its name, for `etag`. */
  readonly version: number;
}

/** One version of a saved prompt. */
export interface PromptVersion {
  readonly number: number;
  readonly model: string | null;
  readonly savedBy: string;
  readonly savedByName: string;
  /** Unix milliseconds. */
  readonly savedAt: number;
}

export interface Prompt extends PromptSummary {
  readonly shown: PromptVersion;
  /** Undefined for one that was sealed with the secret of another installation. */
  readonly content: PromptContent | undefined;
}

export interface PromptChange {
  readonly name?: string | undefined;
  /** Becomes a new version, unless it is what the latest one says. */
  readonly content?: PromptContent | undefined;
}

/** Prompts of one tenant. */
const MAX_PROMPTS = 500;
/** Versions that are kept of each, the latest ones. */
const MAX_VERSIONS = 20;
/** Characters of one version as JSON. */
export const MAX_PROMPT_CHARACTERS = 256 * 1024;
/** Sealed characters of all versions of a tenant. */
const MAX_TENANT_CHARACTERS = 64 * 1024 * 1024;

/**
 * Prompts that the members of a tenant saved, sealed in the tenant's database. Methods reject with GatewayError,
 * UnknownTenantError or the database's error.
 */
export class Prompts {
  constructor(
    private readonly databases: Pick<TenantDatabases, 'use'>,
    private readonly writer: Pick<TenantWriter, 'write'>,
    private readonly box: Pick<SecretBox, 'seal' | 'open'>,
    private readonly sources: Sources,
  ) {}

  /** @returns prompts by name, in lower case. @param after the last name of the previous page, in lower case */
  list(
    scope: TenantScope,
    { limit, after, name }: { readonly limit: number; readonly after?: string; readonly name?: string },
  ): Promise<PromptSummary[]> {
    return this.databases.use(scope, async (db) => {
      let query = summaries(db).orderBy('prompts.name_key').limit(limit);
      if (after !== undefined) query = query.where('prompts.name_key', '>', after);
      if (name !== undefined) {
        // Without its wildcards, which the databases escape differently.
        const part = name.toLowerCase().replaceAll(/[\\%_]/g, '');
        query = query.where('prompts.name_key', 'like', `%${part}%`);
      }
      return (await query.execute()).map(summaryOf);
    });
  }

  /** @param number of the version; the latest one when absent. @throws GatewayError `not_found` */
  get(scope: TenantScope, id: string, number?: number): Promise<Prompt> {
    return this.databases.use(scope, (db) => this.#read(db, id, number));
  }

  /** @returns the kept versions, the latest first. @throws GatewayError `not_found` */
  versions(scope: TenantScope, id: string): Promise<PromptVersion[]> {
    return this.databases.use(scope, async (db) => {
      const rows = await db
        .selectFrom('prompt_versions')
        .select(['number', 'model', 'saved_by', 'saved_by_name', 'saved_at'])
        .where('prompt', '=', id)
        .orderBy('number', 'desc')
        .execute();
      if (rows.length === 0) throw unknown();
      return rows.map(versionOf);
    });
  }

  /** @throws GatewayError `conflict` for a name that is used, and where there is no room */
  create(scope: TenantScope, name: string, content: PromptContent, by: ChangeContext): Promise<Prompt> {
    const id = this.sources.newId('prompt');
    return this.writer.write(scope, async (transaction) => {
      const { count } = await transaction
        .selectFrom('prompts')
        .select(({ fn }) => fn.countAll().as('count'))
        .executeTakeFirstOrThrow();
      if (Number(count) >= MAX_PROMPTS) {
        throw new GatewayError('conflict', `A tenant has at most ${MAX_PROMPTS} saved prompts: delete some.`);
      }
      await assertNameIsFree(transaction, name, id);
      const now = this.sources.clock.wallTime();
      await transaction
        .insertInto('prompts')
        .values({
          ...{ id, name, name_key: name.toLowerCase(), latest: 1, version: 1 },
          ...{ created_by: by.actor.id, created_by_name: by.actor.name, created_at: now, updated_at: now },
        })
        .execute();
      await this.#addVersion(transaction, id, 1, content, by);
      await writeAudit(transaction, auditEntry(this.sources, by, 'prompt.create', `prompt:${id}`, { name }));
      return this.#read(transaction, id, 1);
    });
  }

  /** @throws GatewayError `not_found`, `precondition_failed`, `conflict` for a name that is used, and where there is no room */
  update(
    scope: TenantScope,
    id: string,
    change: (latest: PromptContent | undefined) => PromptChange,
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<Prompt> {
    return this.writer.write(scope, async (transaction) => {
      const before = await this.#read(transaction, id, undefined);
      assertVersion(seen, before.version);
      const { name = before.name, content } = change(before.content);
      const isRenamed = name !== before.name;
      const isChanged = content !== undefined && !isSame(content, before.content);
      if (!isRenamed && !isChanged) return before;
      if (isRenamed) await assertNameIsFree(transaction, name, id);
      const latest = isChanged ? before.latest + 1 : before.latest;
      if (isChanged) await this.#addVersion(transaction, id, latest, content, by);
      const now = this.sources.clock.wallTime();
      await transaction
        .updateTable('prompts')
        .set({ name, name_key: name.toLowerCase(), latest, version: before.version + 1, updated_at: now })
        .where('id', '=', id)
        .execute();
      const details = {
        ...(isRenamed ? { name: { from: before.name, to: name } } : {}),
        ...(isChanged ? { version: { from: before.latest, to: latest } } : {}),
      };
      await writeAudit(transaction, auditEntry(this.sources, by, 'prompt.update', `prompt:${id}`, details));
      return this.#read(transaction, id, latest);
    });
  }

  /**
   * Deletes a prompt with all its versions.
   * @throws GatewayError `not_found`, `precondition_failed`, and `permission_denied` for another's without `tenant:write`
   */
  delete(scope: TenantScope, id: string, seen: SeenVersion, by: ChangeContext): Promise<void> {
    return this.writer.write(scope, async (transaction) => {
      const row = await summaries(transaction).where('prompts.id', '=', id).executeTakeFirst();
      if (!row) throw unknown();
      assertVersion(seen, row.version);
      if (row.created_by !== by.actor.id && !isAllowed(by.actor, 'tenant:write', scope.tenant)) {
        throw denied('tenant:write');
      }
      await transaction.deleteFrom('prompt_versions').where('prompt', '=', id).execute();
      await transaction.deleteFrom('prompts').where('id', '=', id).execute();
      const details = { name: row.name, versions: row.latest };
      await writeAudit(transaction, auditEntry(this.sources, by, 'prompt.delete', `prompt:${id}`, details));
    });
  }

  async #addVersion(
    transaction: TenantTransaction,
    prompt: string,
    number: number,
    content: PromptContent,
    by: ChangeContext,
  ): Promise<void> {
    const text = JSON.stringify(content);
    if (text.length > MAX_PROMPT_CHARACTERS) {
      throw new GatewayError(
        'invalid_request',
        `The prompt has ${text.length} characters as JSON; at most ${MAX_PROMPT_CHARACTERS} are saved. Remove images or long messages.`,
        { param: 'messages' },
      );
    }
    const sealed = this.box.seal(text);
    await transaction
      .deleteFrom('prompt_versions')
      .where('prompt', '=', prompt)
      .where('number', '<=', number - MAX_VERSIONS)
      .execute();
    const { bytes } = await transaction
      .selectFrom('prompt_versions')
      .select(({ fn }) => fn.sum('bytes').as('bytes'))
      .executeTakeFirstOrThrow();
    if (Number(bytes ?? 0) + sealed.length > MAX_TENANT_CHARACTERS) {
      throw new GatewayError('conflict', 'The saved prompts of this tenant fill their 64 MiB: delete some.');
    }
    await transaction
      .insertInto('prompt_versions')
      .values({
        ...{ prompt, number, model: content.model, sealed, bytes: sealed.length },
        ...{ saved_by: by.actor.id, saved_by_name: by.actor.name },
        saved_at: this.sources.clock.wallTime(),
      })
      .execute();
  }

  async #read(db: TenantDatabase, id: string, number: number | undefined): Promise<Prompt> {
    const row = await summaries(db).where('prompts.id', '=', id).executeTakeFirst();
    if (!row) throw unknown();
    const version = await db
      .selectFrom('prompt_versions')
      .selectAll()
      .where('prompt', '=', id)
      .where('number', '=', number ?? row.latest)
      .executeTakeFirst();
    if (!version) {
      throw new GatewayError('not_found', `There is no such version; the latest ${MAX_VERSIONS} are kept.`, {
        param: 'version',
      });
    }
    return { ...summaryOf(row), shown: versionOf(version), content: this.#opened(version.sealed) };
  }

  #opened(sealed: string): PromptContent | undefined {
    let text: string;
    try {
      text = this.box.open(sealed);
    } catch {
      // It was sealed with the secret of another installation.
      return undefined;
    }
    return JSON.parse(text);
  }
}

/** Prompts with facts of their latest versions. */
function summaries(db: TenantDatabase) {
  return db
    .selectFrom('prompts')
    .innerJoin('prompt_versions', (join) =>
      join
        .onRef('prompt_versions.prompt', '=', 'prompts.id')
        .onRef('prompt_versions.number', '=', 'prompts.latest'),
    )
    .select([
      ...(['prompts.id', 'prompts.name', 'prompts.latest', 'prompts.version', 'prompts.created_by'] as const),
      ...(['prompts.created_by_name', 'prompts.created_at', 'prompts.updated_at'] as const),
      ...(['prompt_versions.model', 'prompt_versions.saved_by', 'prompt_versions.saved_by_name'] as const),
    ]);
}

type SummaryRow = Omit<Selectable<TenantTables['prompts']>, 'name_key'> &
  Pick<Selectable<TenantTables['prompt_versions']>, 'model' | 'saved_by' | 'saved_by_name'>;

function summaryOf(row: SummaryRow): PromptSummary {
  return {
    ...{ id: row.id, name: row.name, model: row.model, latest: row.latest, version: row.version },
    ...{ createdBy: row.created_by, createdByName: row.created_by_name, createdAt: Number(row.created_at) },
    ...{ savedBy: row.saved_by, savedByName: row.saved_by_name, updatedAt: Number(row.updated_at) },
  };
}

function versionOf(
  row: Pick<
    Selectable<TenantTables['prompt_versions']>,
    'number' | 'model' | 'saved_by' | 'saved_by_name' | 'saved_at'
  >,
): PromptVersion {
  return {
    ...{ number: row.number, model: row.model, savedBy: row.saved_by, savedByName: row.saved_by_name },
    savedAt: Number(row.saved_at),
  };
}

async function assertNameIsFree(transaction: TenantTransaction, name: string, id: string): Promise<void> {
  const other = await transaction
    .selectFrom('prompts')
    .select('id')
    .where('name_key', '=', name.toLowerCase())
    .where('id', '<>', id)
    .executeTakeFirst();
  if (!other) return;
  throw new GatewayError('conflict', `There is a saved prompt with the name "${name}": use another one.`, {
    param: 'name',
  });
}

function isSame(one: PromptContent, other: PromptContent | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function unknown(): GatewayError {
  return new GatewayError('not_found', 'There is no such saved prompt.');
}
