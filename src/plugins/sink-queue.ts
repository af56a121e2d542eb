import type { Clock } from '../core/clock.ts';
import type { PluginEvent } from './contract.ts';
import type { PluginHost } from './host.ts';
import { PluginFailure } from './plugin-failure.ts';

const MAX_QUEUED = 1_000;
const BATCH = 100;
/** How long events wait for a plugin that is not running, until the next try. Milliseconds. */
const RETRY_MS = 1_000;
/** UTF-16 units of the payload of one event. */
const MAX_PAYLOAD = 16_384;

/** The events that wait for a plugin: in order, in batches, one call at a time. The oldest are dropped above 1,000. */
export class SinkQueue {
  #events: PluginEvent[] = [];
  #isBusy = false;

  /** @param onDropped called with a number of events that the plugin does not get */
  constructor(
    private readonly host: Pick<PluginHost, 'call' | 'state'>,
    private readonly clock: Clock,
    private readonly onDropped: (count: number) => void,
  ) {}

  /** Never throws, and never waits. */
  push(name: string, payload: unknown): void {
    if (this.#events.length >= MAX_QUEUED) {
      this.#events.shift();
      this.onDropped(1);
    }
    this.#events.push({ name, at: this.clock.wallTime(), data: plainPayload(payload) });
    if (this.#isBusy) return;
    this.#isBusy = true;
    // Events of the same moment go together.
    queueMicrotask(() => void this.#drain());
  }

  async #drain(): Promise<void> {
    while (this.#events.length > 0 && this.host.state !== 'closed') {
      const batch = this.#events.splice(0, BATCH);
      try {
        await this.host.call('events', batch, () => undefined);
      } catch (thrown) {
        if (
          thrown instanceof PluginFailure &&
          thrown.reason === 'unavailable' &&
          this.host.state !== 'disabled'
        ) {
          const room = MAX_QUEUED - this.#events.length;
          this.#events.unshift(...batch.slice(-room));
          if (batch.length > room) this.onDropped(batch.length - room);
          await this.clock.sleep(RETRY_MS);
        } else this.onDropped(batch.length);
      }
    }
    this.#isBusy = false;
  }
}

/** The payload as plain data: errors become their message. */
function plainPayload(payload: unknown): Readonly<Record<string, unknown>> {
  const text = JSON.stringify(payload, (_, value: unknown) =>
    value instanceof Error ? value.message : value,
  );
  if (text !== undefined && text.length > MAX_PAYLOAD) return { truncated: text.slice(0, MAX_PAYLOAD) };
  return text === undefined ? {} : { ...Object(JSON.parse(text)) };
}
