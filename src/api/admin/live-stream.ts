import { PushStream, type StreamSource } from '../../core/push-stream.ts';
import { dollarsOfPico } from '../../metering/price.ts';
import type { LiveFeed, LiveWatcher } from '../../pipeline/live-feed.ts';
import type { LoggedSummary } from '../../storage/logged-request.ts';

/** Requests of one second that are sent; the others are in the totals. */
const MAX_EACH_SECOND = 50;
/** Seconds after which a reader that takes nothing is cut off. */
const MAX_FULL_SECONDS = 10;
/** Seconds of a stream: its client connects again, and so shows again who it is. */
const MAX_SECONDS = 300;

export interface LiveFilter {
  readonly key?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly errorsOnly: boolean;
}

/** One open stream. */
export class LiveStream implements LiveWatcher, StreamSource {
  readonly body = new PushStream(this);
  readonly #sees: (tenant: string, member: string | undefined) => boolean;
  #totals = { requests: 0, errors: 0, input_tokens: 0, output_tokens: 0, costPico: 0 };
  /** Requests that were not sent since the last second. */
  #skipped = 0;
  #sent = 0;
  #fullSeconds = 0;
  #isFull = false;
  #seconds = 0;

  constructor(
    private readonly feed: LiveFeed,
    readonly actor: string,
    sees: (tenant: string, member: string | undefined) => boolean,
    private readonly filter: LiveFilter,
    private readonly now: () => number,
  ) {
    this.#sees = sees;
    feed.add(this);
    this.#send('hello', { retry_ms: 2_000 }, 'retry: 2000\n');
  }

  sees(tenant: string, member: string | undefined): boolean {
    return this.#sees(tenant, member);
  }

  completed(summary: LoggedSummary, costPico: number | undefined): void {
    const { key, model, provider, errorsOnly } = this.filter;
    const is = (wanted: string | undefined, value: string | null) => wanted === undefined || wanted === value;
    if (!is(key, summary.key) || !is(model, summary.model) || !is(provider, summary.provider)) return;
    const isError = summary.status >= 400 && summary.status !== 499;
    if (errorsOnly && !isError) return;
    const totals = this.#totals;
    totals.requests += 1;
    totals.errors += isError ? 1 : 0;
    totals.input_tokens += summary.input_tokens;
    totals.output_tokens += summary.output_tokens;
    totals.costPico += costPico ?? 0;
    if (this.#isFull || this.#sent >= MAX_EACH_SECOND) {
      this.#skipped += 1;
      return;
    }
    this.#sent += 1;
    this.#send('request', summary);
  }

  tick(): void {
    this.#seconds += 1;
    this.#fullSeconds = this.#isFull ? this.#fullSeconds + 1 : 0;
    if (this.#fullSeconds >= MAX_FULL_SECONDS || this.#seconds >= MAX_SECONDS) {
      this.close();
      return;
    }
    // A reader that is full gets the sums of all seconds once it has room.
    if (this.#isFull) return;
    const { costPico, ...counts } = this.#totals;
    this.#send('totals', {
      at: new Date(this.now()).toISOString(),
      ...counts,
      cost: dollarsOfPico(costPico),
      skipped: this.#skipped,
    });
    this.#totals = { requests: 0, errors: 0, input_tokens: 0, output_tokens: 0, costPico: 0 };
    this.#skipped = 0;
    this.#sent = 0;
  }

  close(): void {
    this.feed.remove(this);
    if (!this.#isFull) this.#send('end', {});
    this.body.close();
  }

  #send(event: string, data: unknown, before = ''): void {
    const bytes = new TextEncoder().encode(`${before}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    if (!this.body.push(bytes)) this.#isFull = true;
  }

  onDrain(): void {
    this.#isFull = false;
  }

  onCancel(): void {
    this.feed.remove(this);
  }
}
