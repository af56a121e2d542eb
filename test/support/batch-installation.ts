import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Batch } from '../../src/batches/batch.ts';
import type { BatchParts, ForwardParts, LineRequest, LineResponse } from '../../src/batches/batch-parts.ts';
import { Batches } from '../../src/batches/batches.ts';
import { FinishBatch } from '../../src/batches/finish-batch.ts';
import { ForwardBatch } from '../../src/batches/forward-batch.ts';
import { PlanForwards } from '../../src/batches/plan-forwards.ts';
import { PrepareBatch } from '../../src/batches/prepare-batch.ts';
import { RunLines } from '../../src/batches/run-lines.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { isRecord } from '../../src/core/json.ts';
import { RecentMap } from '../../src/core/recent-map.ts';
import { Outbox } from '../../src/events/outbox.ts';
import { Files } from '../../src/files/files.ts';
import { JobWorker } from '../../src/jobs/job-worker.ts';
import { SqlJobQueue } from '../../src/jobs/sql-job-queue.ts';
import { FolderStorage } from '../../src/platform/object-storage/folder-storage.ts';
import { openControlDatabase } from '../../src/storage/sql/control-database.ts';
import { TenantDatabases } from '../../src/storage/sql/tenant-databases.ts';
import type { TestBackend } from './database-servers.ts';
import { FakeClock } from './fake-clock.ts';
import { RecordedEvents } from './recorded-events.ts';

export const TENANT = 'acme';
export const OWNER = { tenant: TENANT, keyId: 'key_1', member: null };
export const DAY_MS = 86_400_000;

const closers: (() => unknown)[] = [];
/** Ends what `installBatches` has started: for `afterEach` of each file that uses it. */
export async function closeBatches(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

export const OK: LineResponse = {
  ...{ status: 200, body: '{"usage":{"prompt_tokens":3,\n"completion_tokens":2}}' },
  ...{ error: undefined, costPico: 7 },
};

/** @returns the response to a line that fails */
export function failed(
  code: ConstructorParameters<typeof GatewayError>[0],
  retryAfterSeconds?: number,
): LineResponse {
  const error = new GatewayError(code, 'no', retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
  return { status: error.status, body: '{"error":{}}', error, costPico: 1 };
}

/** Batches on a database, whose lines the test responds to. @param forwarding absent where no provider takes batches */
export async function installBatches(
  backend: TestBackend,
  respond: (request: LineRequest) => LineResponse | Promise<LineResponse>,
  forwarding?: ForwardParts,
) {
  const folder = mkdtempSync(join(tmpdir(), 'weir-batches-'));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  const server = await backend.start();
  const { db: control, close } = await openControlDatabase(server.connect());
  const database = server.freshName();
  const databases = new TenantDatabases({
    servers: new Map([['', server.connect()]]),
    placementOf: () => ({ server: '', database }),
    maxConnections: 10,
  });
  closers.push(
    () => server.dispose(),
    close,
    () => databases.close(),
  );
  await databases.create({ server: '', database });
  const clock = new FakeClock();
  await control
    .insertInto('tenants')
    .values({
      ...{ id: TENANT, name: TENANT, status: 'active', tier: null, server: '', database, document: '{}' },
      ...{ version: 1, revision: 1, created_at: 0, updated_at: 0, deleted_at: null, schema: '' },
    })
    .execute();
  let ids = 0;
  const events = new RecordedEvents();
  const sources = { clock, newId: (prefix: string) => `${prefix}_${++ids}` };
  const storage = new FolderStorage(join(folder, 'files'));
  const files = new Files({
    ...{ control, clock, contents: storage },
    bounds: () => ({ maxSize: 1_000_000, maxCount: 3, maxTotal: 2_000_000, keepMs: 30 * DAY_MS }),
  });
  const queue = new SqlJobQueue({ control, clock, weightOf: () => 1, random: () => 0 });
  const state = { isReady: true };
  const parts: BatchParts = {
    ...{ control, databases, clock, queue, files, storage, cancelled: new RecentMap<string, true>(100) },
    isReady: () => state.isReady,
    outbox: new Outbox(control, sources, () => undefined),
    bounds: () => ({ maxLines: 1_000, maxLine: 10_000, maxActive: 2, concurrency: 4, keepMs: DAY_MS }),
    runLine: async (request) => respond(request),
    onLine: () => undefined,
    forwards: () => forwarding !== undefined,
  };
  const batches = new Batches(parts);
  const forwards: ForwardBatch[] = [];
  const startWorker = (owner: string) => {
    const started = new JobWorker({ queue, clock, events, owner, random: () => 0.5 });
    for (const handler of [new PrepareBatch(parts), new RunLines(parts), new FinishBatch(parts)]) {
      started.register(handler);
    }
    if (forwarding) {
      started.register(new PlanForwards(parts));
      const forward = new ForwardBatch(parts, forwarding);
      forwards.push(forward);
      started.register(forward);
    }
    closers.push(() => started.close());
    return started;
  };
  const worker = startWorker('gw_1');
  async function* content(text: string) {
    yield Buffer.from(text);
  }
  const upload = (text: string) =>
    files.upload(OWNER, content(text), () => ({
      purpose: 'batch',
      filename: '../in.jsonl',
      expiresAt: null,
    }));
  return {
    ...{ batches, control, clock, worker, files, upload, databases, queue, storage, state, startWorker },
    /** As the periodic job of each worker's process does. */
    async keepHolds() {
      for (const forward of forwards) await forward.keepHolds();
    },
    async create(lines: readonly string[], given: Partial<Parameters<Batches['create']>[1]> = {}) {
      const { id: inputFile } = await upload(lines.join('\n'));
      return batches.create(OWNER, {
        ...{ form: 'file', endpoint: '/v1/embeddings', inputFile, metadata: null, windowMs: DAY_MS },
        caller: { kind: 'key', name: 'k', address: '127.0.0.1' },
        ...{ completionWindow: '24h', outputExpiresMs: null, ...given },
      });
    },
    /** Runs what is due; with each further round, what that has added. */
    async run(id: string): Promise<Batch> {
      worker.wake();
      await worker.idle();
      return batches.get(TENANT, id);
    },
    async resultsOf({ outputFile, errorFile }: Batch) {
      const read = async (id: string | null) => {
        if (id === null) return [];
        const file = await files.get(TENANT, id);
        const bytes = await Array.fromAsync(files.content(file));
        return Buffer.concat(bytes)
          .toString()
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => {
            const parsed: unknown = JSON.parse(line);
            if (!isRecord(parsed)) throw new Error(line);
            return parsed;
          });
      };
      return { output: await read(outputFile), errors: await read(errorFile) };
    },
    eventTypes: async () =>
      (await control.selectFrom('event_log').select('type').orderBy('sequence').execute()).map(
        ({ type }) => type,
      ),
  };
}
