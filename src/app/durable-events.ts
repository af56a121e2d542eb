import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { EventBus } from '../events/event-bus.ts';
import { EventDispatcher } from '../events/event-dispatcher.ts';
import { EventReader } from '../events/event-reader.ts';
import { EventRecorder } from '../events/event-recorder.ts';
import { EventRetention } from '../events/event-retention.ts';
import { homeTenants } from './first-start.ts';
import type { Job } from './job-runner.ts';
import { recordProcessEvents } from './recorded-events.ts';
import { createRedisStreams } from './redis-streams.ts';
import type { Stores } from './stores.ts';
import { TenantRounds } from './tenant-rounds.ts';
import { createWebhooks, type WebhookParts } from './webhooks.ts';

export interface DurableEventOptions {
  readonly config: () => Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly events: EventBus;
  /** Names this process, and no other. */
  readonly instance: string;
  /** In a worker: it stores events, and its parent delivers them. */
  readonly isWorker: boolean;
}

/** Durable events: who stores them, and who receives them. */
export interface DurableEvents {
  /** Consumers subscribe here, before the jobs start. */
  readonly dispatcher: EventDispatcher;
  readonly recorder: EventRecorder;
  readonly reader: EventReader;
  readonly webhooks: WebhookParts;
  readonly jobs: readonly Job[];
  close(): Promise<void>;
}

/** Connects the log of durable events with what happens in this process, and with its consumers. */
export function createDurableEvents(options: DurableEventOptions): DurableEvents {
  const { config, stores, clock, events, instance, isWorker } = options;
  const { control, outbox, sources, writer, access } = stores;
  const rounds = new TenantRounds();
  const dispatcher = new EventDispatcher({ control, clock, events, owner: instance });
  const recorder = new EventRecorder({ outbox, sources, events });
  recordProcessEvents(events, recorder);
  const streams = createRedisStreams(config(), stores);
  if (streams) dispatcher.subscribe(streams.consumer);
  const webhooks = createWebhooks(options);
  dispatcher.subscribe(webhooks.consumer);
  // Other gateways look once a second: they share what this one leaves.
  if (!isWorker) events.subscribe('event dispatcher', { 'events.appended': () => dispatcher.wake() });
  const retention = new EventRetention({
    ...{ control, clock, events },
    keepMs: () => config().storage.retention.events,
  });
  return {
    ...{ dispatcher, recorder, webhooks, reader: new EventReader(control) },
    jobs: [
      ...[...webhooks.jobs, ...(streams?.jobs ?? [])].map((job) => ({ ...job, byParent: true })),
      {
        name: 'store events of this process',
        everyMs: 500,
        impact: 'they wait in memory',
        run: () => recorder.flush(),
      },
      {
        name: 'deliver durable events',
        byParent: true,
        everyMs: 1_000,
        impact: 'they wait in the database',
        run: async () => {
          await writer.retryEvents();
          dispatcher.wake();
        },
      },
      {
        name: 'publish tenant events of crashed gateways',
        byParent: true,
        everyMs: 60_000,
        impact: 'they wait in the databases of their tenants',
        run: async () => {
          const known = homeTenants(access, config().region);
          for (const tenant of rounds.next(known.map(({ id }) => id))) await writer.deliverEvents({ tenant });
        },
      },
      {
        name: 'delete old durable events',
        byParent: true,
        everyMs: 60_000,
        impact: 'they take up space until the next run',
        run: () => retention.run(),
      },
    ],
    close: async () => {
      await recorder.flush();
      await dispatcher.close();
      await webhooks.close();
      await streams?.close();
    },
  };
}
