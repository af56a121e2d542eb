import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
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

/** Databases of a PostgreSQL server that are written at once, so that its latency does not add up. */
const POSTGRES_AT_ONCE = 4;

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

/** The thread's end of `UsageThread`. */
class UsageWorker {
  #writer: Promise<UsageWriter> | undefined;
  #questions = 0;
  readonly #asked = new Map<number, PromiseWithResolvers<ReadonlyMap<string, Placement>>>();

  constructor(
    private readonly settings: UsageThreadSettings,
    private readonly port: MessagePort,
  ) {}

  receive(message: ToUsageThread): void {
    if (message.type === 'placements') {
      this.#asked.get(message.id)?.resolve(message.placements);
      this.#asked.delete(message.id);
      return;
    }
    const { id, call } = message;
    this.#run(call)
      .then(
        (report) => this.#send({ type: 'result', id, report }),
        (error: unknown) =>
          this.#send({ type: 'error', id, message: error instanceof Error ? error.message : String(error) }),
      )
      .finally(() => {
        // Ends the thread: nothing else keeps it running.
        if (call.type === 'close') this.port.close();
      });
  }

  async #run(call: ThreadCall): Promise<UsageReport | undefined> {
    this.#writer ??= this.#createWriter();
    const running = await this.#writer;
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

  async #createWriter(): Promise<UsageWriter> {
    const opened = new Map<string, UsageDatabases>();
    for (const [id, settings] of this.settings.servers) {
      opened.set(id, new UsageDatabases(await serverOf(settings)));
    }
    // A SQLite file that cannot be written says nothing of the others.
    const isServerLost = (error: unknown) => !codeOf(error)?.startsWith('SQLITE_') && isUnavailable(error);
    return new UsageWriter({
      servers: opened,
      placementsOf: (tenants) => this.#placementsOf(tenants),
      isServerLost,
    });
  }

  #placementsOf(tenants: readonly string[]): Promise<ReadonlyMap<string, Placement>> {
    this.#questions += 1;
    const placements = Promise.withResolvers<ReadonlyMap<string, Placement>>();
    this.#asked.set(this.#questions, placements);
    this.#send({ type: 'tenants', id: this.#questions, tenants });
    return placements.promise;
  }

  #send(message: FromUsageThread): void {
    this.port.postMessage(message);
  }
}

if (parentPort) {
  const worker = new UsageWorker(workerData, parentPort);
  parentPort.on('message', (message: ToUsageThread) => worker.receive(message));
}
