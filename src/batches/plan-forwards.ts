import { randomBytes } from 'node:crypto';
import type { LeasedJob, NewJob } from '../jobs/job-queue.ts';
import type { JobContext, JobHandler, JobResult } from '../jobs/job-worker.ts';
import { MIN_WAIT_MS } from '../jobs/retry-delay.ts';
import { type CapturedLine, LineCapture, type LocalReason } from '../providers/line-forwarding.ts';
import { addForwards } from '../storage/sql/batch-forward-store.ts';
import { batchById, changeBatch } from '../storage/sql/batch-store.ts';
import type { BatchForwardRow, BatchRow } from '../storage/sql/batch-tables.ts';
import { type Batch, batchOf } from './batch.ts';
import type { BatchLine } from './batch-line.ts';
import { type BatchParts, FORWARD, LINES, PLAN } from './batch-parts.ts';
import { ForwardSummary } from './forward-summary.ts';
import { type InputChunk, inputChunks, localJob } from './local-lines.ts';
import { batchOfJob } from './prepare-batch.ts';
import { MAX_PART_BYTES, MAX_PART_LINES, MAX_UPSTREAM_LINE, partText } from './upstream-part.ts';

/** Lines whose calls are captured at the same time. */
const CAPTURES = 8;
/** Bytes of all parts that are not stored yet: lines may go to many targets. */
const MAX_BUFFERED = 3 * MAX_PART_BYTES;
const MAX_COUNTED = 2 ** 52;

/** Lines for one target, until they are a part. */
interface OpenPart {
  readonly target: Pick<CapturedLine, 'provider' | 'account' | 'model' | 'endpoint'>;
  readonly first: number;
  last: number;
  lines: number;
  bytes: number;
  tokens: number;
  nanoUsd: number;
  readonly texts: string[];
}

/**
 * Decides for each line of a batch whether a provider's batch API runs it, or the gateway. Nothing is sent before all of it is
 * decided: the parts, and the jobs of all lines, begin in one transaction.
 */
export class PlanForwards implements JobHandler {
  readonly kind = PLAN;
  readonly concurrency = 2;
  readonly maxAttempts = 10;

  constructor(private readonly parts: BatchParts) {}

  async run(job: LeasedJob, context: JobContext): Promise<JobResult> {
    const { control, storage, isReady, clock } = this.parts;
    const row = await batchById(control, batchOfJob(job));
    if (row?.status !== 'in_progress') return undefined;
    const plan = new Plan(this.parts, row);
    const batch = batchOf(row);
    for await (const chunk of inputChunks(storage, row)) {
      if (!isReady()) return { retryAt: clock.wallTime() + MIN_WAIT_MS };
      // Captures may ask the models of guardrails: not for a batch that was cancelled or has expired.
      if ((await batchById(control, row.id))?.status !== 'in_progress') return undefined;
      const local = new Set<number>();
      const captures = await this.#captureAll(batch, chunk.lines, context.signal);
      for (const [index, line] of chunk.lines.entries()) {
        const capture = captures[index];
        if (!capture) continue;
        if (!(await plan.add(chunk.chunk, line, capture))) local.add(line.number);
      }
      plan.addLocal(chunk, local);
    }
    await plan.close();
    await this.#begin(row, plan, context);
    return undefined;
  }

  /** The gateway runs all lines. */
  async failed(job: LeasedJob): Promise<void> {
    const { control, storage, queue } = this.parts;
    const row = await batchById(control, batchOfJob(job));
    if (row?.status !== 'in_progress') return;
    const plan = new Plan(this.parts, row);
    for await (const chunk of inputChunks(storage, row)) {
      plan.addLocal(chunk, new Set(chunk.lines.map(({ number }) => number)));
    }
    await queue.add(plan.jobs);
    queue.wake(LINES);
  }

  async #captureAll(
    batch: Batch,
    lines: readonly BatchLine[],
    signal: AbortSignal,
  ): Promise<readonly LineCapture[]> {
    const captures = lines.map(() => new LineCapture());
    const { tenant, keyId, member, caller } = batch;
    let next = 0;
    const worker = async () => {
      for (let index = next++; index < lines.length; index = next++) {
        const [line, forwarding] = [lines[index], captures[index]];
        if (!line || !forwarding) continue;
        await this.parts.runLine({
          ...{ tenant, keyId, member, caller, path: line.url, body: line.body, signal, forwarding },
          requestId: `${batch.id}-${line.number}`,
        });
        signal.throwIfAborted();
      }
    };
    await Promise.all(Array.from({ length: Math.min(CAPTURES, lines.length) }, worker));
    return captures;
  }

  async #begin(row: BatchRow, plan: Plan, context: JobContext): Promise<void> {
    const { control, queue } = this.parts;
    await control.transaction().execute(async (transaction) => {
      const change = { provider: plan.summary.text };
      if (await changeBatch(transaction, row.id, ['in_progress'], change)) {
        await addForwards(transaction, plan.rows);
        await queue.add(plan.jobs, transaction);
      }
      await context.finish(transaction);
    });
    queue.wake(LINES);
    queue.wake(FORWARD);
  }
}

/** Where the lines of one batch run. */
class Plan {
  readonly rows: BatchForwardRow[] = [];
  readonly jobs: NewJob[] = [];
  readonly summary = new ForwardSummary();
  readonly #open = new Map<string, OpenPart>();
  #buffered = 0;
  /** Another run of the same plan writes other objects. */
  readonly #run = randomBytes(6).toString('hex');

  constructor(
    private readonly parts: BatchParts,
    private readonly row: BatchRow,
  ) {}

  /** @returns false for a line that the gateway runs */
  async add(chunk: number, { number, body: own }: BatchLine, capture: LineCapture): Promise<boolean> {
    const { captured, reason, use } = capture;
    const body = captured?.request.body;
    if (!captured || typeof body !== 'string') return this.#local(reason);
    const text = partText({ number, chunk, body });
    // Its result is matched with the line of the client, which is in memory then.
    const bytes = Buffer.byteLength(text) + Buffer.byteLength(own);
    if (bytes > MAX_UPSTREAM_LINE) return this.#local('request_not_supported');
    const { provider, account, model, endpoint } = captured;
    const key = JSON.stringify([provider, account ?? 0, model, endpoint]);
    const full = this.#open.get(key);
    if (full && (full.lines >= MAX_PART_LINES || full.bytes + bytes > MAX_PART_BYTES)) await this.#store(key);
    const open = this.#open.get(key) ?? {
      ...{ target: { provider, account, model, endpoint }, first: chunk, last: chunk },
      ...{ lines: 0, bytes: 0, tokens: 0, nanoUsd: 0, texts: [] },
    };
    this.#open.set(key, open);
    open.texts.push(text);
    open.last = chunk;
    open.lines += 1;
    open.bytes += bytes;
    open.tokens = Math.min(MAX_COUNTED, open.tokens + use.tokens);
    open.nanoUsd = Math.min(MAX_COUNTED, open.nanoUsd + use.nanoUsd);
    this.#buffered += bytes;
    this.summary.forwarded(provider);
    if (this.#buffered > MAX_BUFFERED) await this.#store(this.#largest());
    return true;
  }

  #local(reason: LocalReason): false {
    this.summary.local(reason, 1);
    return false;
  }

  addLocal(chunk: InputChunk, numbers: ReadonlySet<number>): void {
    const job = localJob(this.row, chunk, numbers);
    if (job) this.jobs.push(job);
  }

  async close(): Promise<void> {
    for (const key of [...this.#open.keys()]) await this.#store(key);
  }

  #largest(): string {
    let largest = '';
    let most = -1;
    for (const [key, { bytes }] of this.#open) {
      if (bytes <= most) continue;
      most = bytes;
      largest = key;
    }
    return largest;
  }

  async #store(key: string): Promise<void> {
    const open = this.#open.get(key);
    if (!open) return;
    this.#open.delete(key);
    this.#buffered -= open.bytes;
    const { storage, clock } = this.parts;
    const { id, tenant } = this.row;
    const part = this.rows.length;
    const object = `batches/${id}/parts/${this.#run}-${part}`;
    await storage.put(object, Buffer.from(open.texts.join('')));
    const { provider, account = 0, model, endpoint } = open.target;
    this.rows.push({
      ...{ batch: id, part, tenant, provider, account, model, endpoint, object, lines: open.lines },
      ...{ first_chunk: open.first, last_chunk: open.last, tokens: open.tokens, nano_usd: open.nanoUsd },
      ...{ state: 'planned', token: '', remote: '', submitted_at: 0, created_at: clock.wallTime() },
      ...{ holder: '', held_until: 0 },
    });
    const payload = JSON.stringify({ batch: id, part });
    this.jobs.push({ id: `${id}:forward:${part}`, kind: FORWARD, tenant, payload });
  }
}
