import { parentPort, workerData } from 'node:worker_threads';
import { codeOf } from '../storage/disk-errors.ts';
import { isUnavailable } from '../storage/sql/database-errors.ts';
import { sqlitePath } from '../storage/sql/sqlite-path.ts';
import { openSqliteUsage } from '../storage/sql/sqlite-usage-database.ts';
import type { Placement } from '../storage/sql/tenant-databases.ts';
import { UsageDatabases, type UsageServer } from '../storage/sql/usage-databases.ts';
import type {
  FromUsageThread,
  ThreadCall,
  ToUsageThread,
  UsageServerSettings,
  UsageThreadSettings,
} from './usage-thread.ts';
import { type UsageReport, UsageWriter } from './usage-writer.ts';

/** The thread of `UsageThread`. */

/** Databases of a PostgreSQL server that are written at once, so that its latency does not add up. */
const POSTGRES_AT_ONCE = 4;

const send = (message: FromUsageThread) => parentPort?.postMessage(message);

let questions = 0;
const asked = new Map<number, PromiseWithResolvers<ReadonlyMap<string, Placement>>>();

function placementsOf(tenants: readonly string[]): Promise<ReadonlyMap<string, Placement>> {
  questions += 1;
  const answer = Promise.withResolvers<ReadonlyMap<string, Placement>>();
  asked.set(questions, answer);
  send({ type: 'tenants', id: questions, tenants });
  return answer.promise;
}

async function serverOf(settings: UsageServerSettings): Promise<UsageServer> {
  const { maxOpen } = settings;
  if (settings.kind === 'sqlite') {
    return { maxOpen, atOnce: 1, open: (name) => openSqliteUsage(sqlitePath(settings.folder, name)) };
  }
  const { openPostgresUsage } = await import('../storage/sql/postgres-usage-database.ts');
  return {
    maxOpen,
    atOnce: Math.min(POSTGRES_AT_ONCE, maxOpen),
    open: (name) => openPostgresUsage(settings.url, name),
  };
}

async function createWriter({ servers }: UsageThreadSettings): Promise<UsageWriter> {
  const opened = new Map<string, UsageDatabases>();
  for (const [id, settings] of servers) opened.set(id, new UsageDatabases(await serverOf(settings)));
  // A SQLite file that cannot be written says nothing of the others.
  const isServerLost = (error: unknown) => !codeOf(error)?.startsWith('SQLITE_') && isUnavailable(error);
  return new UsageWriter({ servers: opened, placementsOf, isServerLost });
}

let writer: Promise<UsageWriter> | undefined;

async function run(call: ThreadCall): Promise<UsageReport | undefined> {
  writer ??= createWriter(workerData);
  const running = await writer;
  switch (call.type) {
    case 'write':
      return running.write(call.segments);
    case 'counts':
      await running.saveCounts(call.update);
      return undefined;
    case 'forget':
      await running.forget(call.placement);
      return undefined;
    case 'close':
      await running.close();
      return undefined;
  }
}

parentPort?.on('message', (message: ToUsageThread) => {
  if (message.type === 'placements') {
    asked.get(message.id)?.resolve(message.placements);
    asked.delete(message.id);
    return;
  }
  const { id, call } = message;
  run(call)
    .then(
      (report) => send({ type: 'result', id, report }),
      (error: unknown) =>
        send({ type: 'error', id, message: error instanceof Error ? error.message : String(error) }),
    )
    .finally(() => {
      // Ends the thread: nothing else keeps it running.
      if (call.type === 'close') parentPort?.close();
    });
});
