import type { MetricSnapshot } from '../metric-families.ts';

export interface MetricExportSettings {
  /** Where metrics are sent. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly contentType: string;
  readonly intervalMs: number;
  /** Whether a family is exported. */
  readonly includes: (snapshot: MetricSnapshot) => boolean;
}

/** `busy`: the collector was slower than the interval. */
export type MetricLossReason = 'busy' | 'rejected' | 'unreachable';

export interface MetricExporterOptions {
  /** Undefined while metrics are not exported. */
  readonly settings: () => MetricExportSettings | undefined;
  readonly snapshot: () => readonly MetricSnapshot[];
  /** Encodes values as the body of a request. @param atMs when they were read, in Unix milliseconds */
  readonly encode: (snapshots: readonly MetricSnapshot[], atMs: number) => Promise<Uint8Array>;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Unix milliseconds. */
  readonly wallTime: () => number;
  readonly onExported: (points: number) => void;
  readonly onLost: (points: number, reason: MetricLossReason, error: Error | undefined) => void;
}

/** Values of one request: encoding them blocks the process for a few milliseconds. */
const BATCH = 256;
const TIMEOUT_MS = 10_000;
/** The last export must not hold up the end of the process. */
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * Sends the values of metrics to a collector at intervals. Nothing waits for it: at most one export runs, and values are
 * not queued, because the next export contains them.
 */
export class MetricExporter {
  #exporting: Promise<void> | undefined;
  #exportedAt: number | undefined;
  #lastPoints = 0;
  #closing = false;

  constructor(private readonly options: MetricExporterOptions) {}

  /** Exports when it is due; to be called every second. Returns at once. */
  tick(): void {
    const settings = this.options.settings();
    const now = this.options.now();
    if (!settings) {
      this.#exportedAt = undefined;
      return;
    }
    // The first export is due one interval after the start: before that there is little to see.
    this.#exportedAt ??= now;
    if (now - this.#exportedAt < settings.intervalMs) return;
    this.#exportedAt = now;
    if (this.#exporting) {
      this.options.onLost(this.#lastPoints, 'busy', undefined);
      return;
    }
    void this.flush();
  }

  /** Exports now, or joins the export that runs. Never rejects. */
  flush(): Promise<void> {
    const settings = this.options.settings();
    if (!settings) return Promise.resolve();
    this.#exporting ??= this.#export(settings).finally(() => {
      this.#exporting = undefined;
    });
    return this.#exporting;
  }

  /** Exports the last values. Takes seconds at most. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#exporting;
    await this.flush();
  }

  async #export(settings: MetricExportSettings): Promise<void> {
    const { snapshot, wallTime } = this.options;
    const atMs = wallTime();
    const batches = batchesOf(snapshot().filter((family) => settings.includes(family)));
    this.#lastPoints = batches.reduce((sum, batch) => sum + countOf(batch), 0);
    for (const [index, batch] of batches.entries()) {
      const failure = await this.#send(batch, settings, atMs);
      if (failure?.reason !== 'unreachable') continue;
      // The rest would wait for the same time-out.
      const rest = batches.slice(index + 1).reduce((sum, one) => sum + countOf(one), 0);
      if (rest > 0) this.options.onLost(rest, failure.reason, failure.error);
      return;
    }
  }

  async #send(
    batch: readonly MetricSnapshot[],
    { url, headers, contentType }: MetricExportSettings,
    atMs: number,
  ): Promise<{ readonly reason: MetricLossReason; readonly error: Error } | undefined> {
    const { encode, fetch, onExported, onLost } = this.options;
    const points = countOf(batch);
    let reason: MetricLossReason = 'rejected';
    try {
      const body = await encode(batch, atMs);
      reason = 'unreachable';
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': contentType },
        body: new Uint8Array(body),
        redirect: 'manual',
        signal: AbortSignal.timeout(this.#closing ? CLOSE_TIMEOUT_MS : TIMEOUT_MS),
      });
      // Not read: a collector may send any amount.
      void response.body?.cancel().catch(() => undefined);
      if (response.ok) {
        onExported(points);
        return undefined;
      }
      reason = 'rejected';
      throw new Error(`the collector responded with HTTP ${response.status}`);
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      onLost(points, reason, error);
      return { reason, error };
    }
  }
}

function countOf(batch: readonly MetricSnapshot[]): number {
  return batch.reduce((sum, { points }) => sum + points.length, 0);
}

/** Divides families, and the values of one, so that no batch has more than `BATCH` values. Families without values are left out. */
function batchesOf(snapshots: readonly MetricSnapshot[]): MetricSnapshot[][] {
  const batches: MetricSnapshot[][] = [];
  let current: MetricSnapshot[] = [];
  let room = BATCH;
  for (const snapshot of snapshots) {
    for (let from = 0; from < snapshot.points.length; ) {
      const part = partOf(snapshot, from, from + room);
      current.push(part);
      from += part.points.length;
      room -= part.points.length;
      if (room > 0) continue;
      batches.push(current);
      current = [];
      room = BATCH;
    }
  }
  return current.length > 0 ? [...batches, current] : batches;
}

function partOf(snapshot: MetricSnapshot, from: number, to: number): MetricSnapshot {
  return snapshot.type === 'histogram'
    ? { ...snapshot, points: snapshot.points.slice(from, to) }
    : { ...snapshot, points: snapshot.points.slice(from, to) };
}
