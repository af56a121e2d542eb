import { z } from 'zod';
import { testContent } from '../../alerts/message.ts';
import { shownUrl } from '../../alerts/receiver.ts';
import type { ReceiverSettings, StoredReceiver } from '../../alerts/receivers.ts';
import { alertReceiverFields } from '../../config/alert-schema.ts';
import { ALERT_RECEIVER_TYPES, ALERT_SEVERITIES } from '../../core/alert.ts';
import { listMessages } from '../../storage/sql/alert-store.ts';
import type { AlertMessageRow } from '../../storage/sql/alert-tables.ts';
import { validate } from '../validation.ts';
import { ownerIn, type RoutePlace } from './alert-place.ts';
import { cursorOf, listOf, page, paging, time, timeCursor, timeOrNull } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const receiverObject = z
  .object({
    id: z.string(),
    source: z.enum(['config', 'api']).describe('`config`: set in the configuration, and changed there.'),
    name: z.string(),
    type: z.enum(ALERT_RECEIVER_TYPES),
    url: z.string().nullable().describe('Its origin only: the rest may be a secret.'),
    to: z.array(z.string()),
    has_secret: z.boolean(),
    enabled: z.boolean(),
    severity: z.enum(ALERT_SEVERITIES).describe('The least urgent alerts that it receives.'),
    rules: z.array(z.string()).describe('Ids of rules; empty for all.'),
    resolved: z.boolean().describe('Whether it is notified of recoveries.'),
    failing_since: z.string().nullable(),
    last_error: z.string().nullable(),
    created_at: z.string().nullable(),
    updated_at: z.string().nullable(),
  })
  .meta({ id: 'AlertReceiver' });
const createdObject = receiverObject
  .extend({ secret: z.string().nullable().describe('Of a webhook: shown once. Verifies signatures.') })
  .meta({ id: 'NewAlertReceiverResult' });

const name = z.string().min(1).max(100);
const fields = {
  url: z.string().max(2_000).nullish(),
  secret: z.string().max(200).nullish().describe('For PagerDuty the integration key.'),
  to: z.array(z.string().max(254)).max(10).optional().describe('For e-mail.'),
  enabled: z.boolean().optional(),
  severity: z.enum(ALERT_SEVERITIES).optional(),
  rules: z.array(z.string().max(64)).max(50).optional(),
  resolved: z.boolean().optional(),
};
const newBody = z
  .strictObject({ name, type: z.enum(ALERT_RECEIVER_TYPES), ...fields })
  .meta({ id: 'NewAlertReceiver', example: { name: 'On call', type: 'email', to: ['ops@example.com'] } });
const changeBody = z
  .strictObject({ name: name.optional(), ...fields })
  .meta({ id: 'AlertReceiverChange', example: { severity: 'critical' } });

const testObject = z
  .object({
    delivered: z.boolean(),
    status: z.int().nullable().describe('Of the HTTP response; null for mail, and without a response.'),
    error: z.string().nullable(),
    duration_ms: z.int(),
  })
  .meta({ id: 'AlertReceiverTest' });

const messageObject = z
  .object({
    id: z.string(),
    rule: z.string(),
    status: z.enum(['firing', 'resolved']),
    state: z.enum(['pending', 'delivered', 'failed']),
    attempts: z.int(),
    error: z.string().nullable(),
    next_attempt_at: z.string().nullable(),
    created_at: z.string(),
    finished_at: z.string().nullable(),
  })
  .meta({ id: 'AlertMessage' });
const receiverList = z
  .object({ object: z.literal('list'), data: z.array(receiverObject) })
  .meta({ id: 'AlertReceiverList' });
const messageList = listOf(messageObject, 'AlertMessageList');

/** What a body says, checked as the configuration is. */
const checkedFields = z.object({ ...alertReceiverFields, name, enabled: z.boolean().prefault(true) });

/** Routes of receivers. */
export function alertReceiverRoutes(
  services: AdminServices,
  { base, whose, read, write }: RoutePlace,
): RegisteredRoute[] {
  const { clock } = services;
  const receivers = async () => (await services.alerts()).receivers;
  const one = `${base}/alert-receivers/:receiver`;
  return [
    adminRoute({
      method: 'GET',
      path: `${base}/alert-receivers`,
      permission: read,
      summary: `List the receivers of alerts of ${whose}`,
      ...NO_INPUT,
      response: receiverList,
      handle: async ({ scope }) => ({
        body: { object: 'list', data: (await (await receivers()).list(ownerIn(scope))).map(render) },
      }),
    }),
    adminRoute({
      method: 'POST',
      path: `${base}/alert-receivers`,
      permission: write,
      summary: `Create a receiver of alerts of ${whose}`,
      body: newBody,
      ...NO_QUERY,
      response: createdObject,
      status: 201,
      handle: async ({ scope, body, by }) => {
        const settings = validate(checkedFields, body);
        const { stored, madeSecret } = await (await receivers()).create(ownerIn(scope), settings, by);
        return { body: { ...render(stored), secret: madeSecret }, version: stored.version };
      },
    }),
    adminRoute({
      method: 'GET',
      path: one,
      permission: read,
      summary: `Get a receiver of alerts of ${whose}`,
      ...NO_INPUT,
      response: receiverObject,
      handle: async ({ scope, params: { receiver = '' } }) => {
        const stored = await (await receivers()).get(ownerIn(scope), receiver);
        return { body: render(stored), version: stored.version };
      },
    }),
    adminRoute({
      method: 'PATCH',
      path: one,
      permission: write,
      summary: `Change a receiver of alerts of ${whose}`,
      body: changeBody,
      ...NO_QUERY,
      response: receiverObject,
      handle: async ({ scope, params: { receiver = '' }, body, seen, by }) => {
        const stored = await (await receivers()).update(ownerIn(scope), receiver, changeOf(body), seen, by);
        return { body: render(stored), version: stored.version };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: one,
      permission: write,
      summary: `Delete a receiver of alerts of ${whose}`,
      ...NO_INPUT,
      status: 204,
      handle: async ({ scope, params: { receiver = '' }, seen, by }) => {
        await (await receivers()).remove(ownerIn(scope), receiver, seen, by);
        return {};
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${one}/test`,
      permission: write,
      summary: `Send a test message to a receiver of alerts of ${whose}`,
      description:
        'Waits for the response, for at most 20 seconds. A test is not retried. A tenant sends one in five seconds.',
      ...NO_INPUT,
      response: testObject,
      handle: async ({ scope, params: { receiver = '' } }) => {
        const alerts = await services.alerts();
        const owner = ownerIn(scope);
        const stored = await alerts.receivers.get(owner, receiver);
        alerts.receivers.assertTestable(owner);
        const now = clock.wallTime();
        const content = testContent(services.newId('msg'), owner, now, alerts.settings());
        const { status, error, durationMs } = await alerts.sender.attempt(stored.receiver, content, now);
        return { body: { delivered: error === null, status, error, duration_ms: durationMs } };
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${one}/messages`,
      permission: read,
      summary: `List messages to a receiver of alerts of ${whose}, the latest first`,
      ...NO_BODY,
      query: z.object(paging),
      response: messageList,
      handle: async ({ scope, params: { receiver = '' }, query: { limit, after } }) => {
        const alerts = await services.alerts();
        const stored = await alerts.receivers.get(ownerIn(scope), receiver);
        const rows = await listMessages(alerts.control, {
          ...{ receiver: stored.receiver.id, limit: limit + 1, after: cursorOf(timeCursor, after) },
        });
        const cursor = ({ created_at: at, id }: AlertMessageRow) => ({ at, id });
        return { body: page(rows, limit, cursor, renderMessage) };
      },
    }),
  ];
}

/** Members that are absent stay as they are. */
function changeOf(body: z.output<typeof changeBody>): Partial<ReceiverSettings> {
  // The type decides only which members are required, which is checked with the stored ones.
  const checked = validate(checkedFields, { name: 'unchanged', ...body, type: 'webhook' });
  const given = Object.entries(checked).filter(([member]) => Object.hasOwn(body, member));
  return Object.fromEntries(given);
}

function render({ receiver, ...state }: StoredReceiver): z.output<typeof receiverObject> {
  const { id, source, name: shown, type, url, to, secret, severity, rules, resolved } = receiver;
  return {
    ...{ id, source, name: shown, type, url: url === null ? null : shownUrl(url), to: [...to] },
    ...{ has_secret: secret !== null, enabled: state.enabled, severity, rules: [...rules], resolved },
    ...{ failing_since: timeOrNull(state.failingSince), last_error: state.lastError },
    ...{ created_at: timeOrNull(state.createdAt), updated_at: timeOrNull(state.updatedAt) },
  };
}

function renderMessage(row: AlertMessageRow): z.output<typeof messageObject> {
  const state = row.state === 'pending' || row.state === 'delivered' ? row.state : 'failed';
  return {
    ...{ id: row.id, rule: row.group_key, status: row.status === 'resolved' ? 'resolved' : 'firing', state },
    ...{ attempts: row.attempts, error: row.error, created_at: time(row.created_at) },
    next_attempt_at: state === 'pending' ? time(row.next_at) : null,
    finished_at: timeOrNull(row.finished_at),
  };
}
