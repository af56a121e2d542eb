import type { Config } from '../config/schema.ts';
import { lazy } from '../core/lazy.ts';
import type { EventConsumer } from '../events/event-dispatcher.ts';
import { reportConsumers } from '../reports/report-delivery.ts';
import type { Reports } from '../reports/services.ts';
import type { ReportStores } from './reports.ts';

/** Reports, loaded with their first use: starts do not wait for them. */
export class LazyReports {
  /** @returns the services */
  readonly load: () => Reports | Promise<Reports>;

  constructor(
    stores: ReportStores,
    private readonly config: () => Config,
    env: Readonly<Record<string, string | undefined>>,
  ) {
    this.load = lazy(async () => (await import('./reports.ts')).createReports(stores, config, env));
  }

  /** Delivers new reports by mail and as files, where the configuration has either. */
  subscribe(dispatcher: { subscribe(consumer: EventConsumer): void }): void {
    const consumers = reportConsumers(async () => (await this.load()).delivery);
    const { mail, storage } = this.config();
    if (mail) dispatcher.subscribe(consumers.mail);
    if (storage.report_files !== null) dispatcher.subscribe(consumers.files);
  }

  /** Makes reports that are due; to be called every minute. @throws the first error, after all due ones were visited */
  async run(): Promise<void> {
    await (await this.load()).run.run();
  }
}
