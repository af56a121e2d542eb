import { z } from 'zod';
import { LogSearch } from '../api/admin/log-search.ts';
import { renderRequest } from '../api/admin/request-row.ts';
import { requestQuery } from '../api/admin/requests.ts';
import type { Stores } from '../app/stores.ts';
import { systemClock } from '../core/clock.ts';
import type { LoggedContent, LoggedSummary } from '../storage/logged-request.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import { SqlRequestLogStore } from '../storage/sql/request-log-store.ts';
import { type RequestPlace, SqlRequestStore } from '../storage/sql/request-store.ts';
import { auditEntry } from '../tenancy/change-context.ts';
import { RequestLogKeys } from '../tenancy/request-log-keys.ts';
import { openContent } from '../tenancy/sealed-content.ts';
import { BY_OPERATOR } from './operator.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { parsed } from './reports.ts';
import { assertTenant, withStores } from './stores.ts';

const DAY_MS = 86_400_000;
/** Requests that are read at once. */
const PAGE = 100;
const MAX_LISTED = 100_000;

export interface RequestsOptions {
  readonly tenant: string;
  readonly from?: string;
  readonly to?: string;
  readonly user?: string;
  readonly key?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly tag?: string;
  readonly status?: string;
  readonly error?: string;
  readonly minCost?: string;
  readonly text?: string;
  readonly limit: string;
  readonly json?: boolean;
}

/** Prints requests of a tenant, newest first. */
export async function listRequestsCommand(
  { config, env, output }: StoreCommand,
  options: RequestsOptions,
): Promise<void> {
  const { query, limit } = read(options);
  await withStores(config, env, output, async (stores) => {
    assertTenant(stores.access, options.tenant);
    const scope = { tenant: options.tenant };
    const found: LoggedSummary[] = [];
    if (options.text !== undefined) {
      await audit(stores, options.tenant, 'request_log.read', { text: true });
      for await (const { summary } of logged(stores, options.tenant, query, options.text)) {
        found.push(summary);
        if (found.length === limit) break;
      }
    } else {
      const store = new SqlRequestStore(stores.databases);
      let after: RequestPlace | undefined;
      do {
        const page = await store.list(scope, {
          ...query,
          after,
          limit: Math.min(PAGE, limit - found.length),
        });
        found.push(...page.requests.map((request) => renderRequest(options.tenant, request)));
        after = page.next;
      } while (after && found.length < limit);
    }
    if (options.json === true) for (const row of found) output.out(JSON.stringify(row));
    else if (found.length === 0) output.err('There are no such requests.');
    else output.out(tableOf(found));
  });
}

/** Prints everything that is kept of one request. */
export async function showRequestCommand(
  { config, env, output }: StoreCommand,
  id: string,
  tenant: string,
): Promise<void> {
  await withStores(config, env, output, async (stores) => {
    assertTenant(stores.access, tenant);
    const kept = await new SqlRequestStore(stores.databases).find({ tenant }, id);
    const { store, keys } = logOf(stores);
    const query = { from: 0, to: Number.MAX_SAFE_INTEGER, filter: { id }, after: undefined, limit: 1 };
    const [row] = await store.list({ tenant }, query);
    const content = row && openContent(row, await keys.all({ tenant }));
    if (!kept && !content)
      throw new CommandError(`Request ${JSON.stringify(id)} of the tenant ${tenant} is not kept.`);
    if (content) await audit(stores, tenant, 'request_log.read', { request: id });
    const shown = {
      ...(kept ? renderRequest(tenant, kept) : content?.summary),
      ...(content && {
        explanation: content.explanation,
        messages: { request: content.request, response: content.response, truncated: content.truncated },
      }),
    };
    output.out(JSON.stringify(shown, undefined, 2));
  });
}

/**
 * Prints logged requests with their prompts and responses, one on each line, the newest first. `weir replay` reads them:
 * they have the members of a log line.
 */
export async function exportRequestsCommand(
  { config, env, output }: StoreCommand,
  options: RequestsOptions,
): Promise<void> {
  const { query, limit } = read(options);
  await withStores(config, env, output, async (stores) => {
    const { tenant } = options;
    assertTenant(stores.access, tenant);
    await audit(stores, tenant, 'request_log.read', { export: true, user: options.user, key: options.key });
    let count = 0;
    for await (const content of logged(stores, tenant, query, options.text)) {
      const { summary, explanation, request, response, truncated } = content;
      const { route, queued_ms, loading_ms, stream } = explanation;
      const line = { msg: 'request', time: summary.at, ...summary, route, stream, queued_ms, loading_ms };
      output.out(JSON.stringify({ ...line, request, response, truncated }));
      count += 1;
      if (count === limit) return;
    }
    if (count === 0)
      output.err('There are no logged requests. Switch the log on: `weir tenants update --request-log on`.');
  });
}

function logOf({ databases, logBox }: Stores) {
  const store = new SqlRequestLogStore(databases);
  return { store, keys: new RequestLogKeys({ store, box: logBox, clock: systemClock }) };
}

async function* logged(
  stores: Stores,
  tenant: string,
  query: ReturnType<typeof read>['query'],
  text: string | undefined,
): AsyncGenerator<LoggedContent> {
  const { store, keys } = logOf(stores);
  const search = new LogSearch(store, keys);
  let after: RequestPlace | undefined;
  do {
    const page = await search.page({ tenant }, { ...query, after, limit: PAGE }, text);
    yield* page.contents;
    after = page.next;
  } while (after);
}

/** Who reads what people wrote is on record. */
async function audit(
  { databases, sources }: Stores,
  tenant: string,
  action: string,
  details: Readonly<Record<string, unknown>>,
): Promise<void> {
  await databases.use({ tenant }, (db) =>
    db
      .transaction()
      .execute((transaction) =>
        writeAudit(transaction, auditEntry(sources, BY_OPERATOR, action, `tenant:${tenant}`, details)),
      ),
  );
}

function read(options: RequestsOptions) {
  const { user, key, model, provider, tag, status, error, minCost, from, to } = options;
  const count = z.coerce.number().int().min(1).max(MAX_LISTED).safeParse(options.limit);
  if (!count.success) throw new CommandError(`--limit must be a number from 1 to ${MAX_LISTED}.`);
  const wanted = parsed(requestQuery, {
    user,
    key,
    model,
    provider,
    tag,
    status,
    error,
    min_cost: minCost,
    from,
    to,
  });
  const now = systemClock.wallTime();
  const filter = {
    user,
    key,
    model,
    provider,
    tag,
    error,
    status: wanted.status,
    minCostPico: wanted.min_cost,
  };
  return {
    limit: count.data,
    query: { from: wanted.from ?? now - DAY_MS, to: wanted.to ?? now + 1, filter },
  };
}

function tableOf(rows: readonly LoggedSummary[]): string {
  return table(
    ['TIME (UTC)', 'ID', 'STATUS', 'MODEL', 'PROVIDER', 'TOKENS', 'COST', 'MS', 'ERROR'],
    rows.map((row) => [
      row.at.slice(0, 19).replace('T', ' '),
      row.count > 1 ? `${row.id} and ${row.count - 1} more` : row.id,
      String(row.status),
      row.model,
      row.provider ?? '-',
      `${row.input_tokens}+${row.output_tokens}`,
      row.cost === null ? 'unknown' : `$${row.cost}`,
      String(row.duration_ms),
      row.error ?? '',
    ]),
  );
}
