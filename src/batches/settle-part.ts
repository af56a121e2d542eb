import { isRecord, parseJsonText } from '../core/json.ts';
import { retryDelay } from '../jobs/retry-delay.ts';
import type { BatchUpstream } from '../providers/batch-upstream.ts';
import { LineReplay } from '../providers/line-forwarding.ts';
import { addResults, linesWithResult } from '../storage/sql/batch-store.ts';
import type { BatchForwardRow, BatchResultRow } from '../storage/sql/batch-tables.ts';
import type { UsageEvent } from '../storage/usage-event.ts';
import type { Batch } from './batch.ts';
import type { BatchLine } from './batch-line.ts';
import type { BatchParts, ForwardParts } from './batch-parts.ts';
import { resultRow } from './line-results.ts';
import { inputChunks } from './local-lines.ts';
import { ResultWriter } from './result-writer.ts';
import { lineNumberOf, partLines } from './upstream-part.ts';

export interface PartToSettle {
  readonly batch: Batch;
  readonly forward: BatchForwardRow;
  readonly upstream: BatchUpstream;
  /** Lines without a result did not run. */
  readonly isPartial: boolean;
  readonly signal: AbortSignal;
}

export interface SettledPart {
  /** Numbers of lines that the provider did not run. */
  readonly notRun: ReadonlySet<number>;
  /** Unix milliseconds at which the rest is settled; undefined where all is. */
  readonly retryAt: number | undefined;
}

/** Says what is wrong with a line of which the provider has sent no result, in the form of a response. */
const MISSING = {
  status: 502,
  body: Buffer.from(
    '{"error":{"type":"api_error","message":"The provider sent no result for this line of its batch."}}',
  ),
};

/**
 * Stores the results of a part. Each passes the pipeline in the place of an upstream's response: guardrails, usage and the
 * client's dialect. A line keeps its first result; its usage is stored before it, under a name of its own, so that a kill in
 * between counts it once.
 */
export async function settlePart(
  parts: BatchParts,
  forwarding: ForwardParts,
  part: PartToSettle,
): Promise<SettledPart> {
  const settling = new Settling(parts, forwarding, part);
  await settling.open();
  return settling.run();
}

interface OpenLine {
  readonly line: BatchLine;
  readonly writer: ResultWriter;
}

class Settling {
  /** Lines of the part without a result, by number. */
  readonly #open = new Map<number, OpenLine>();
  readonly #writers: ResultWriter[] = [];
  readonly #usage = new Map<number, readonly UsageEvent[]>();
  readonly #notRun = new Set<number>();
  readonly #running = new Set<Promise<void>>();
  #retryAt: number | undefined;

  constructor(
    private readonly parts: BatchParts,
    private readonly forwarding: ForwardParts,
    private readonly part: PartToSettle,
  ) {}

  async open(): Promise<void> {
    const { storage, databases } = this.parts;
    const { batch, forward } = this.part;
    const wanted = new Set<number>();
    for await (const { number } of partLines(storage, forward.object)) wanted.add(number);
    const scope = { tenant: batch.tenant };
    const chunks = inputChunks(storage, batch, forward.first_chunk, forward.last_chunk);
    for await (const { chunk, lines } of chunks) {
      const [from, to] = [lines[0]?.number, lines.at(-1)?.number];
      if (from === undefined || to === undefined) continue;
      const range = { batch: batch.id, chunk, from, to };
      const done = await databases.use(scope, (db) => linesWithResult(db, range));
      const writer = new ResultWriter(async (rows) => {
        await this.#storeUsage(rows);
        await databases.use(scope, (db) => addResults(db, range, rows));
        // A batch that has ended takes no more results, but all of their usage.
        return true;
      });
      this.#writers.push(writer);
      for (const line of lines) {
        if (wanted.has(line.number) && !done.has(line.number)) this.#open.set(line.number, { line, writer });
      }
    }
  }

  async #storeUsage(rows: readonly BatchResultRow[]): Promise<void> {
    const events = rows.flatMap(({ line }) => this.#usage.get(line) ?? []);
    for (const { line } of rows) this.#usage.delete(line);
    if (events.length > 0) await this.forwarding.storeUsage(events);
  }

  async run(): Promise<SettledPart> {
    const { forward, upstream, signal, isPartial } = this.part;
    if (this.#open.size > 0) {
      for await (const result of upstream.results(forward.remote, signal)) {
        const number = lineNumberOf(forward.token, result.id);
        const open = number === undefined ? undefined : this.#open.get(number);
        // Of another submission, or repeated.
        if (number === undefined || !open) continue;
        this.#open.delete(number);
        if (result.kind === 'not_run') this.#notRun.add(number);
        else await this.#start(open, result);
        if (this.#open.size === 0) break;
      }
      for (const [number, open] of this.#open) {
        // It may have run: it is not repeated.
        if (isPartial) this.#notRun.add(number);
        else await this.#start(open, MISSING);
      }
    }
    await Promise.all(this.#running);
    for (const writer of this.#writers) await writer.flush();
    return { notRun: this.#notRun, retryAt: this.#retryAt };
  }

  async #start(
    open: OpenLine,
    { status, body }: { readonly status: number; readonly body: string | Uint8Array },
  ): Promise<void> {
    this.part.signal.throwIfAborted();
    const running = this.#replay(open, status, typeof body === 'string' ? Buffer.from(body) : body).finally(
      () => this.#running.delete(running),
    );
    this.#running.add(running);
    // Each holds a result in memory.
    if (this.#running.size >= this.parts.bounds().concurrency) await Promise.race(this.#running);
  }

  async #replay({ line, writer }: OpenLine, status: number, body: Uint8Array): Promise<void> {
    const { runLine, clock, onLine } = this.parts;
    const { batch, forward, signal } = this.part;
    const { tenant, keyId, member, caller, id } = batch;
    const { provider, account, model } = forward;
    const requestId = `${id}-${line.number}`;
    const replay = new LineReplay({
      provider,
      account: account === 0 ? undefined : account,
      model,
      status,
      body,
    });
    const response = await runLine({
      ...{ tenant, keyId, member, caller, path: line.url, body: line.body, requestId, signal },
      forwarding: replay,
    });
    if (signal.aborted) return;
    const pause = retryDelay(response.error, 1);
    const until = clock.wallTime() + (pause?.ms ?? 0);
    // The gateway could not handle the result now, which it already has: it does so later.
    if (pause?.isOfAll && !replay.isUsed && until < batch.expiresAt) {
      this.#retryAt = Math.max(this.#retryAt ?? 0, until);
      return;
    }
    const unmetered = this.#unmetered(line, requestId, replay, response.status);
    this.#usage.set(
      line.number,
      unmetered ? [...replay.usage.filter(({ id }) => id !== unmetered.id), unmetered] : replay.usage,
    );
    const costPico = unmetered ? costWith(response.costPico, unmetered) : response.costPico;
    const row = resultRow(batch, line, requestId, { ...response, costPico }, clock.wallTime());
    const written = writer.add(row);
    onLine(response.status === 200 ? 'completed' : 'failed');
    // The line counts as running until its row is written, which bounds the rows in memory.
    await written;
  }

  /**
   * The provider ran the line, and its replay ended before it was metered: the key is revoked, or a guardrail rejects it now.
   * @returns its usage, as far as the replay has none
   */
  #unmetered(
    { body: request }: BatchLine,
    requestId: string,
    { usage, response: { status: upstream, body } }: LineReplay,
    status: number,
  ): UsageEvent | undefined {
    if (upstream < 200 || upstream >= 300) return undefined;
    // Without tokens where the result could not be read.
    const isMetered = (event: UsageEvent) =>
      event.outcome === 'done' || event.inputTokens + event.outputTokens > 0;
    if (usage.some((event) => event.id === `${requestId}-result` && isMetered(event))) return undefined;
    const parsed = parseJsonText(request);
    const models = isRecord(parsed) && typeof parsed.model === 'string' ? [parsed.model] : [];
    const { batch, forward } = this.part;
    const text = Buffer.from(body).toString('utf8');
    return this.forwarding.usageOf({ batch, requestId, forward, models, body: text, status });
  }
}

function costWith(before: number | undefined, { costPico }: UsageEvent): number | undefined {
  return before === undefined || costPico === null ? undefined : before + costPico;
}
