import { createSink } from '../exports/create-sink.ts';
import { exportedUsageOf } from '../exports/record.ts';
import { guardedPost } from '../platform/guarded-post.ts';
import { allExportCursors } from '../storage/sql/export-store.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { withStores } from './stores.ts';

/** Lists exports and tenants, with what was sent, dropped and failed. */
export async function exportsCommand({ config, env, output }: StoreCommand, json: boolean): Promise<void> {
  await withStores(config, env, output, async ({ control }) => {
    const rows = (await allExportCursors(control)).map((row) => ({
      ...{ export: row.export, tenant: row.tenant, sent: row.sent, dropped: row.dropped },
      ...{ failures: row.failures, error: row.error === '' ? null : row.error },
      updated_at: new Date(row.updated_at).toISOString(),
    }));
    if (json) output.out(JSON.stringify(rows));
    else if (rows.length === 0) output.err('Nothing was exported yet.');
    else
      output.out(
        table(
          ['EXPORT', 'TENANT', 'SENT', 'DROPPED', 'FAILURES', 'UPDATED', 'ERROR'],
          rows.map((row) => [
            ...[row.export, row.tenant, String(row.sent), String(row.dropped), String(row.failures)],
            ...[row.updated_at, row.error ?? ''],
          ]),
        ),
      );
  });
}

const EXAMPLE = {
  ...{ id: 'ue_test', tenant: 'test', requestId: 'req_test', keyId: 'key_test', member: null, model: 'test' },
  ...{ provider: 'test', upstreamModel: 'test', operation: 'chat', tags: [], status: 200, outcome: 'ok' },
  ...{ requests: 0, inputTokens: 0, outputTokens: 0, cachedTokens: 0, cacheWriteTokens: 0 },
  ...{ reasoningTokens: 0, costPico: 0, estimated: false, durationMs: 0, firstEventMs: null },
} as const;

/** Sends one record of a tenant named `test`, without usage. */
export async function testExportCommand(
  { config, env, output }: Pick<StoreCommand, 'config' | 'env' | 'output'>,
  id: string,
): Promise<void> {
  const settings = config.exports.find((one) => one.id === id);
  if (!settings) throw new CommandError(`The configuration has no export "${id}".`);
  const now = () => Date.now();
  const allowPrivate = env.WEIR_WEBHOOKS_ALLOW_PRIVATE === '1';
  const sink = createSink(settings, { env, allowPrivate, now, post: guardedPost });
  const records = [exportedUsageOf({ ...EXAMPLE, at: now() })];
  const batch = { tenant: EXAMPLE.tenant, from: { sequence: 0, line: 0 }, records };
  const outcome = await sink.send(batch, new AbortController().signal);
  const reason = outcome.kind === 'sent' ? outcome.dropped[0]?.reason : outcome.reason;
  if (reason !== undefined)
    throw new CommandError(`The receiver of "${id}" did not take the record: ${reason}.`);
  output.out(`The receiver of "${id}" took the record.`);
}
