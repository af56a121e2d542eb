import { restartNeeded } from '../config/restart.ts';
import type { Config } from '../config/schema.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { EffectiveConfig } from './config-overlay.ts';
import type { ConfigSecrets } from './config-secrets.ts';

export interface SecretRefreshOptions {
  readonly secrets: ConfigSecrets;
  readonly effective: Pick<EffectiveConfig, 'reactivate'>;
  readonly events: EventSink;
  /** The active configuration, with its secrets. */
  readonly config: () => Config;
}

/** Reads the secrets of the configuration again at intervals, and activates changed ones. */
export class SecretRefresh {
  #running = false;
  /** Changed secrets that could not be activated yet. */
  #pending: string[] = [];

  constructor(private readonly options: SecretRefreshOptions) {}

  /** Does nothing before the next round is due. @throws Error where a changed secret cannot be used */
  async run(): Promise<void> {
    await this.#round(this.options.secrets.isDue);
  }

  /** Reads all secrets now, as on a signal. @throws Error where a changed secret cannot be used */
  async now(): Promise<void> {
    await this.#round(true);
  }

  async #round(isDue: boolean): Promise<void> {
    const { secrets, effective, events, config } = this.options;
    if (this.#running || (!isDue && this.#pending.length === 0)) return;
    this.#running = true;
    try {
      if (isDue) {
        const { changed, failed, recovered } = await secrets.refresh();
        this.#pending.push(...textsOf(changed));
        const [first] = failed;
        if (first) {
          const references = textsOf(failed.map(({ reference }) => reference));
          events.emit('secrets.unreadable', { references, error: first.error });
        }
        if (recovered.length > 0) events.emit('secrets.readable', { references: textsOf(recovered) });
      }
      if (this.#pending.length === 0) return;
      const before = config();
      await effective.reactivate();
      const references = this.#pending.splice(0);
      events.emit('secrets.rotated', { references, restart_keys: restartNeeded(before, config()) });
    } finally {
      this.#running = false;
    }
  }
}

function textsOf(references: readonly { readonly text: string }[]): string[] {
  return references.map(({ text }) => text);
}

/** Counts reads. */
export function observeSecrets(secrets: ConfigSecrets, { storage }: Metrics): void {
  secrets.onReads = (reads) => {
    for (const read of reads) {
      storage.secretReads.labels(read.reference.scheme, 'error' in read ? 'failed' : 'ok').inc();
    }
  };
}

/** Sets the gauges of secrets; without references, there are none. */
export function readSecretGauges(secrets: ConfigSecrets, { storage }: Metrics, now: number): void {
  storage.secretsStale.reset();
  storage.secretAge.reset();
  for (const { reference, readAt, error } of secrets.status()) {
    const stale = storage.secretsStale.labels(reference.scheme);
    stale.set(stale.value + (error === undefined ? 0 : 1));
    const age = storage.secretAge.labels(reference.scheme);
    age.set(Math.max(age.value, (now - readAt) / 1000));
  }
}
