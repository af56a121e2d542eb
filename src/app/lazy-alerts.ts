import { ObservationReporter } from '../alerts/observations.ts';
import type { Alerts } from '../alerts/services.ts';
import { lazy } from '../core/lazy.ts';
import { type ObservedParts, observeGateway } from './alert-observations.ts';
import type { AlertOptions, AlertParts } from './alerts.ts';
import type { Job } from './job-runner.ts';

export type LazyAlertOptions = AlertOptions & { readonly observed: ObservedParts };

/** Alerts, loaded with the first evaluation or use: starts do not wait for them. */
export class LazyAlerts {
  /** @returns the parts */
  readonly #parts: () => AlertParts | Promise<AlertParts>;
  readonly #reporter: ObservationReporter;
  #isLoaded = false;

  constructor(options: LazyAlertOptions) {
    const { stores, clock, instance, observed } = options;
    this.#parts = lazy(async () => {
      this.#isLoaded = true;
      return (await import('./alerts.ts')).createAlerts(options);
    });
    this.#reporter = new ObservationReporter(stores.control, clock, instance, () => observeGateway(observed));
  }

  /** @returns what the admin API uses */
  readonly load = async (): Promise<Alerts> => (await this.#parts()).alerts;

  get jobs(): readonly Job[] {
    return [
      {
        name: 'report the state of this process for alerts',
        everyMs: 5_000,
        impact: 'alerts do not see the targets and queues of this process',
        run: () => this.#reporter.report(),
      },
      {
        name: 'evaluate alerts',
        byParent: true,
        everyMs: 10_000,
        impact: 'alerts begin and end late',
        run: async () => (await this.#parts()).tick(),
      },
      {
        name: 'send alerts',
        byParent: true,
        everyMs: 1_000,
        impact: 'messages wait in the database',
        run: async () => {
          if (this.#isLoaded) await (await this.#parts()).send();
        },
      },
      {
        name: 'delete old alerts',
        byParent: true,
        everyMs: 10 * 60_000,
        impact: 'they take up space until the next run',
        run: async () => (await this.#parts()).deleteOld(),
      },
    ];
  }

  async close(): Promise<void> {
    await this.#reporter.close();
    if (this.#isLoaded) await (await this.#parts()).close();
  }
}
