import { createSink } from '../exports/create-sink.ts';
import { exportOf } from '../exports/export-id.ts';
import { testSink } from '../exports/test-sink.ts';
import { guardedPost } from '../platform/guarded-post.ts';
import { allExportCursors } from '../storage/sql/export-store.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { withStores } from './stores.ts';

/** Lists exports and tenants, with what was sent, dropped and failed. */
export async function exportsCommand({ config, env, output }: StoreCommand, json: boolean): Promise<void> {
  await withStores(config, env, output, async ({ control }) => {
    const rows = (await allExportCursors(control)).map((row) => ({
      ...{ export: exportOf(row.export).id, source: exportOf(row.export).source, tenant: row.tenant },
      ...{ sent: row.sent, dropped: row.dropped },
      ...{ failures: row.failures, error: row.error === '' ? null : row.error },
      updated_at: new Date(row.updated_at).toISOString(),
    }));
    if (json) output.out(JSON.stringify(rows));
    else if (rows.length === 0) output.err('Nothing was exported yet.');
    else
      output.out(
        table(
          ['EXPORT', 'SOURCE', 'TENANT', 'SENT', 'DROPPED', 'FAILURES', 'UPDATED', 'ERROR'],
          rows.map((row) => [
            ...[
              row.export,
              row.source,
              row.tenant,
              String(row.sent),
              String(row.dropped),
              String(row.failures),
            ],
            ...[row.updated_at, row.error ?? ''],
          ]),
        ),
      );
  });
}

/** Sends one record of a tenant named `test`, without usage. */
export async function testExportCommand(
  { config, env, output }: Pick<StoreCommand, 'config' | 'env' | 'output'>,
  id: string,
): Promise<void> {
  const settings = config.exports.find((one) => one.id === id);
  if (!settings) throw new CommandError(`The configuration has no export "${id}".`);
  const now = () => Date.now();
  const allowPrivate = env.WEIR_WEBHOOKS_ALLOW_PRIVATE === '1';
  const sink = createSink(settings, {
    ...{ env, allowPrivate, now, post: guardedPost },
    providerName: (provider) => provider,
  });
  const { error, detail } = await testSink(sink, settings.source, now, new AbortController().signal);
  if (error !== null) {
    const shown = detail === null ? '' : ` Its response: ${detail}`;
    throw new CommandError(`The receiver of "${id}" did not take the record: ${error}.${shown}`);
  }
  output.out(`The receiver of "${id}" took the record.`);
}
