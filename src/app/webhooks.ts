import type { Clock } from '../core/clock.ts';
import type { EventBus } from '../events/event-bus.ts';
import { guardedPost } from '../platform/guarded-post.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import { WebhookConsumer } from '../webhooks/webhook-consumer.ts';
import { WebhookDeliveries } from '../webhooks/webhook-deliveries.ts';
import { WebhookSender } from '../webhooks/webhook-sender.ts';
import { Webhooks } from '../webhooks/webhooks.ts';
import type { Job } from './job-runner.ts';
import type { Stores } from './stores.ts';

export interface WebhookPartsOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly events: EventBus;
  /** Names this process, and no other. */
  readonly instance: string;
}

/** Webhooks: endpoints, the consumer that makes deliveries, and their sender. */
export interface WebhookParts {
  readonly webhooks: Webhooks;
  readonly deliveries: WebhookDeliveries;
  readonly consumer: WebhookConsumer;
  readonly jobs: readonly Job[];
  close(): Promise<void>;
}

/** Allows endpoints within the network of the gateway. */
const ALLOW_PRIVATE_VARIABLE = 'WEIR_WEBHOOKS_ALLOW_PRIVATE';

/** Builds what makes and sends webhook deliveries. */
export function createWebhooks(options: WebhookPartsOptions): WebhookParts {
  const { env, stores, clock, events, instance } = options;
  const { control, databases, sources, outbox, webhookBox: box } = stores;
  const allowPrivate = env[ALLOW_PRIVATE_VARIABLE] === '1';
  const sender = new WebhookSender({
    ...{ control, clock, events, outbox, box, allowPrivate, owner: instance, random: Math.random },
    post: guardedPost,
  });
  const consumer = new WebhookConsumer({
    ...{ control, clock },
    onAdded: () => sender.wake(),
    disable: (webhook, reason) => sender.disable(webhook, reason, webhook.failingSince ?? clock.wallTime()),
  });
  const deliveries = new WebhookDeliveries({ control, sources, sender });
  return {
    ...{ deliveries, consumer },
    webhooks: new Webhooks({
      ...{ control, sources, box, allowPrivate },
      audit: (tenant, entry) =>
        tenant === null
          ? control.transaction().execute((transaction) => writeAudit(transaction, entry))
          : databases.use({ tenant }, (db) =>
              db.transaction().execute((transaction) => writeAudit(transaction, entry)),
            ),
    }),
    jobs: [
      {
        name: 'send webhooks',
        everyMs: 1_000,
        impact: 'webhooks wait in the database',
        run: () => sender.wake(),
      },
      {
        name: 'delete old webhook deliveries',
        everyMs: 5 * 60_000,
        impact: 'they take up space until the next run',
        run: () => deliveries.deleteOld(),
      },
    ],
    close: () => sender.close(),
  };
}
