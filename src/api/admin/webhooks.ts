import { z } from 'zod';
import { DELIVERY_STATES, type Delivery } from '../../webhooks/delivery.ts';
import { eventFilter } from '../../webhooks/event-filter.ts';
import type { WebhookEndpoint } from '../../webhooks/webhooks.ts';
import {
  cursorOf,
  idCursor,
  listOf,
  page,
  paging,
  time,
  timeCursor,
  timeInput,
  timeOrNull,
} from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const HOUR_MS = 3_600_000;
const MAX_OVERLAP_HOURS = 24 * 7;

const webhookObject = z
  .object({
    id: z.string(),
    tenant: z.string().nullable().describe('null for a webhook of the installation, which gets all events.'),
    url: z.string(),
    description: z.string(),
    events: z.array(z.string()),
    status: z.enum(['enabled', 'disabled']),
    disabled_reason: z.string().nullable().describe('Set where Weir disabled it.'),
    failing_since: z.string().nullable(),
    previous_secret_expires_at: z.string().nullable(),
    created_by: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Webhook' });
const secretObject = webhookObject
  .extend({ secret: z.string().describe('Shown once. Verifies signatures.') })
  .meta({ id: 'WebhookWithSecret' });

const url = z.string().min(1).max(2_000);
const description = z.string().max(500);
const newBody = z
  .strictObject({
    url,
    description: description.default(''),
    events: eventFilter.describe('Types such as `budget.exceeded`, and patterns such as `budget.*` or `*`.'),
  })
  .meta({
    id: 'NewWebhook',
    example: { url: 'https://hooks.example.com/weir', events: ['budget.*', 'api_key.*'] },
  });
const changeBody = z
  .strictObject({
    url: url.optional(),
    description: description.optional(),
    events: eventFilter.optional(),
    status: z.enum(['enabled', 'disabled']).optional(),
  })
  .meta({ id: 'WebhookChange', example: { status: 'enabled' } });
const rotateBody = z
  .strictObject({
    overlap_hours: z
      .number()
      .min(0)
      .max(MAX_OVERLAP_HOURS)
      .default(24)
      .describe('How long messages carry a signature of the old secret too. 0 ends it at once.'),
  })
  .meta({ id: 'RotateWebhook', example: { overlap_hours: 24 } });
const redeliverBody = z
  .strictObject({ since: timeInput.describe('Deliveries that failed and were created since then.') })
  .meta({ id: 'RedeliverFailed', example: { since: '2026-11-20T00:00:00Z' } });

const deliveryObject = z
  .object({
    id: z.string(),
    webhook: z.string(),
    event: z.string().describe('Id of the event: the header `webhook-id` of every attempt.'),
    type: z.string(),
    state: z.enum(DELIVERY_STATES),
    attempts: z.int(),
    next_attempt_at: z.string().nullable(),
    created_at: z.string(),
    finished_at: z.string().nullable(),
    log: z.array(
      z.object({
        at: z.string(),
        duration_ms: z.number(),
        status: z.int().nullable(),
        error: z.string().nullable(),
        response: z.string().describe('The first kilobyte of the body.'),
      }),
    ),
    payload: z.string().optional().describe('The body of the requests; only of a single delivery.'),
  })
  .meta({ id: 'WebhookDelivery' });
const webhookList = listOf(webhookObject, 'WebhookList');
const deliveryList = listOf(deliveryObject, 'WebhookDeliveryList');
const redelivered = z.object({ redelivered: z.int() }).meta({ id: 'RedeliveredWebhooks' });
const deliveryQuery = z.object({
  ...paging,
  state: z.enum(DELIVERY_STATES).optional(),
  type: z.string().max(100).optional(),
});

/** Routes of the webhooks of a tenant, and of the installation. */
export function webhookRoutes(services: AdminServices): RegisteredRoute[] {
  return [
    ...routesAt(services, '/admin/v1/tenants/:tenant/webhooks', 'a tenant', 'events:read', 'webhooks:write'),
    ...routesAt(services, '/admin/v1/webhooks', 'the installation', 'platform:read', 'platform:write'),
  ];
}

function routesAt(
  services: AdminServices,
  base: string,
  whose: string,
  read: 'events:read' | 'platform:read',
  write: 'webhooks:write' | 'platform:write',
): RegisteredRoute[] {
  const { webhooks, webhookDeliveries: deliveries } = services;
  const ownerOf = ({ tenant }: { readonly tenant: string }) => (tenant === '' ? null : tenant);
  const one = `${base}/:webhook`;
  return [
    adminRoute({
      method: 'GET',
      path: base,
      permission: read,
      summary: `List the webhooks of ${whose}`,
      ...NO_BODY,
      query: z.object(paging),
      response: webhookList,
      handle: async ({ scope, query: { limit, after } }) => {
        const found = await webhooks.list(ownerOf(scope), limit + 1, cursorOf(idCursor, after));
        return { body: page(found, limit, ({ id }) => id, renderWebhook) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: base,
      permission: write,
      summary: `Create a webhook of ${whose}`,
      description: 'The response has the secret, which is not shown again.',
      body: newBody,
      ...NO_QUERY,
      response: secretObject,
      status: 201,
      handle: async ({ scope, body, by }) => {
        const { webhook, secret } = await webhooks.create(ownerOf(scope), body, by);
        return { body: { ...renderWebhook(webhook), secret }, version: webhook.version };
      },
    }),
    adminRoute({
      method: 'GET',
      path: one,
      permission: read,
      summary: `Get a webhook of ${whose}`,
      ...NO_INPUT,
      response: webhookObject,
      handle: async ({ scope, params: { webhook = '' } }) => {
        const found = await webhooks.get(ownerOf(scope), webhook);
        return { body: renderWebhook(found), version: found.version };
      },
    }),
    adminRoute({
      method: 'PATCH',
      path: one,
      permission: write,
      summary: `Change a webhook of ${whose}, or enable it again`,
      body: changeBody,
      ...NO_QUERY,
      response: webhookObject,
      handle: async ({ scope, params: { webhook = '' }, body, seen, by }) => {
        const changed = await webhooks.update(ownerOf(scope), webhook, body, seen, by);
        return { body: renderWebhook(changed), version: changed.version };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: one,
      permission: write,
      summary: `Delete a webhook of ${whose} with its deliveries`,
      ...NO_INPUT,
      status: 204,
      handle: async ({ scope, params: { webhook = '' }, seen, by }) => {
        await webhooks.remove(ownerOf(scope), webhook, seen, by);
        return {};
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${one}/rotate`,
      permission: write,
      summary: `Give a webhook of ${whose} a new secret`,
      body: rotateBody,
      ...NO_QUERY,
      response: secretObject,
      handle: async ({ scope, params: { webhook = '' }, body, seen, by }) => {
        const overlapMs = Math.round(body.overlap_hours * HOUR_MS);
        const rotated = await webhooks.rotate(ownerOf(scope), webhook, overlapMs, seen, by);
        return {
          body: { ...renderWebhook(rotated.webhook), secret: rotated.secret },
          version: rotated.webhook.version,
        };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${one}/test`,
      permission: write,
      summary: `Send a test event to a webhook of ${whose}`,
      description: 'Waits for the response of the endpoint, for at most 15 seconds. A test is not retried.',
      ...NO_INPUT,
      response: deliveryObject,
      handle: async ({ scope, params: { webhook = '' } }) => {
        const { id } = await webhooks.get(ownerOf(scope), webhook);
        return { body: renderDelivery(await deliveries.test(id)) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${one}/redeliver`,
      permission: write,
      summary: `Send all failed deliveries of a webhook of ${whose} again`,
      body: redeliverBody,
      ...NO_QUERY,
      response: redelivered,
      handle: async ({ scope, params: { webhook = '' }, body: { since } }) => {
        const { id } = await webhooks.get(ownerOf(scope), webhook);
        return { body: { redelivered: await deliveries.redeliverFailed(id, since) } };
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${one}/deliveries`,
      permission: read,
      summary: `List deliveries of a webhook of ${whose}, the latest first`,
      ...NO_BODY,
      query: deliveryQuery,
      response: deliveryList,
      handle: async ({ scope, params: { webhook = '' }, query: { limit, after, ...filter } }) => {
        const { id } = await webhooks.get(ownerOf(scope), webhook);
        const found = await deliveries.list({
          ...filter,
          ...{ webhook: id, limit: limit + 1, after: cursorOf(timeCursor, after) },
        });
        return {
          body: page(
            found,
            limit,
            ({ createdAt, id: last }) => ({ at: createdAt, id: last }),
            renderDelivery,
          ),
        };
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${one}/deliveries/:delivery`,
      permission: read,
      summary: `Get a delivery of a webhook of ${whose}, with its payload`,
      ...NO_INPUT,
      response: deliveryObject,
      handle: async ({ scope, params: { webhook = '', delivery = '' } }) => {
        const { id } = await webhooks.get(ownerOf(scope), webhook);
        const found = await deliveries.get(id, delivery);
        return { body: { ...renderDelivery(found), payload: found.payload } };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${one}/deliveries/:delivery/redeliver`,
      permission: write,
      summary: `Send a delivery of a webhook of ${whose} again, with the same id`,
      ...NO_INPUT,
      response: deliveryObject,
      handle: async ({ scope, params: { webhook = '', delivery = '' } }) => {
        const { id } = await webhooks.get(ownerOf(scope), webhook);
        return { body: renderDelivery(await deliveries.redeliver(id, delivery)) };
      },
    }),
  ];
}

function renderWebhook(webhook: WebhookEndpoint): z.output<typeof webhookObject> {
  return {
    ...{ id: webhook.id, tenant: webhook.tenant, url: webhook.url, description: webhook.description },
    ...{ events: [...webhook.events], status: webhook.status, disabled_reason: webhook.disabledReason },
    failing_since: timeOrNull(webhook.failingSince),
    previous_secret_expires_at: timeOrNull(webhook.previousSecretExpiresAt),
    created_by: webhook.createdBy,
    created_at: time(webhook.createdAt),
    updated_at: time(webhook.updatedAt),
  };
}

function renderDelivery(delivery: Delivery): z.output<typeof deliveryObject> {
  const { id, webhook, event, type, state, attempts, log } = delivery;
  return {
    ...{ id, webhook, event, type, state, attempts },
    next_attempt_at: timeOrNull(delivery.nextAt),
    created_at: time(delivery.createdAt),
    finished_at: timeOrNull(delivery.finishedAt),
    log: log.map((attempt) => ({ ...attempt, at: time(attempt.at) })),
  };
}
