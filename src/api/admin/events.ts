import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { DURABLE_EVENT_TYPES, type DurableEventType, isDurableEvent } from '../../events/catalogue.ts';
import { eventPayload } from '../../events/event-payload.ts';
import { contractOf, exampleEvent } from '../../events/stored-event.ts';
import { cursorOf, listOf, page, paging } from './paging.ts';
import { type AdminCall, adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const eventType = z.string().refine(isDurableEvent, 'must be a type of GET /admin/v1/events/types');

/** An event as webhooks, lists and streams show it. */
const eventObject = z
  .object({
    id: z.string(),
    type: z.string(),
    version: z.int(),
    tenant: z.string().nullable(),
    subject: z.string(),
    timestamp: z.string(),
    actor: z.string(),
    request_id: z.string().nullable(),
    test: z.boolean(),
    data: z.looseObject({}),
  })
  .meta({ id: 'Event' });

const typeObject = z
  .object({ type: z.string(), version: z.int(), summary: z.string(), example: z.looseObject({}) })
  .meta({ id: 'EventType' });

const eventList = listOf(eventObject, 'EventList');
const listQuery = z.object({
  ...paging,
  type: eventType.optional(),
  id: z.string().max(100).optional().describe('Only the event with this id.'),
});
const triggerBody = z
  .strictObject({ type: eventType })
  .meta({ id: 'TriggerEvent', example: { type: 'budget.exceeded' } });
const triggered = z.object({ type: z.string(), triggered: z.literal(true) }).meta({ id: 'TriggeredEvent' });

/** Routes that list and trigger durable events, of a tenant and of the installation. */
export function eventRoutes(services: AdminServices): RegisteredRoute[] {
  const { events, outbox } = services;
  const list = async (tenant: string | undefined, { limit, after, type, id }: z.output<typeof listQuery>) => {
    if (id !== undefined) {
      const event = await events.find(tenant, id);
      const found = event && (type === undefined || event.type === type) ? [event] : [];
      return { body: page(found, limit, ({ sequence }) => sequence, eventPayload) };
    }
    const before = cursorOf(z.int(), after);
    const found = await events.list({ tenant, type, limit: limit + 1, before });
    return { body: page(found, limit, ({ sequence }) => sequence, eventPayload) };
  };
  const trigger = async (
    tenant: string | null,
    { body, by }: AdminCall<{ type: DurableEventType }, unknown>,
  ) => {
    await outbox.publish([exampleEvent(body.type, tenant, by.actor.id, by.requestId)]);
    return { body: { type: body.type, triggered: true } };
  };
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/events/types',
      permission: null,
      summary: 'List the types of durable events, with examples of their data',
      ...NO_INPUT,
      response: z
        .object({ object: z.literal('list'), data: z.array(typeObject) })
        .meta({ id: 'EventTypeList' }),
      handle: async () => ({ body: { object: 'list', data: DURABLE_EVENT_TYPES.map(renderType) } }),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/events',
      permission: 'platform:read',
      summary: 'List durable events of the installation and of all tenants, the latest first',
      ...NO_BODY,
      query: listQuery,
      response: eventList,
      handle: ({ query }) => list(undefined, query),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/events/trigger',
      permission: 'platform:write',
      summary: 'Store an event of the installation with example data',
      body: triggerBody,
      ...NO_QUERY,
      response: triggered,
      status: 201,
      handle: (call) => trigger(null, call),
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/events',
      permission: 'events:read',
      summary: 'List durable events of a tenant, the latest first',
      ...NO_BODY,
      query: listQuery,
      response: eventList,
      handle: ({ scope, query }) => list(scope.tenant, query),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/tenants/:tenant/events/trigger',
      permission: 'webhooks:write',
      summary: 'Store an event of a tenant with example data',
      description: 'Webhooks and streams receive it like any other, with `test: true`.',
      body: triggerBody,
      ...NO_QUERY,
      response: triggered,
      status: 201,
      handle: (call) => {
        if (!services.access.tenant(call.scope.tenant))
          throw new GatewayError('not_found', 'There is no such tenant.');
        return trigger(call.scope.tenant, call);
      },
    }),
  ];
}

function renderType(type: DurableEventType): z.output<typeof typeObject> {
  const { version, summary, example } = contractOf(type);
  return { type, version, summary, example: isRecord(example) ? example : {} };
}
