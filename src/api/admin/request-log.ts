import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { LoggedContent } from '../../storage/logged-request.ts';
import { LogSearch } from './log-search.ts';
import { cursorOf, timeInput, wholeNumber } from './paging.ts';
import { requestRow } from './request-row.ts';
import { adminRoute, NO_BODY, NO_INPUT, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const DAY_MS = 86_400_000;
const MAX_LIMIT = 100;

const text = z.string().min(1).max(400).optional();

export const loggedMessages = z
  .object({
    request: z.unknown().describe('The body that the client sent, redacted; a text where it is no JSON.'),
    response: z
      .unknown()
      .describe(
        'The response, redacted: JSON in the dialect of the client, or the canonical form of a stream. Null where there was none.',
      ),
    truncated: z.array(z.enum(['request', 'response'])).readonly(),
  })
  .meta({ id: 'LoggedMessages' });

const loggedRequest = requestRow.extend(loggedMessages.shape).meta({ id: 'LoggedRequest' });

const logQuery = z.object({
  from: timeInput.optional().describe('Inclusive. Default: a day ago.'),
  to: timeInput.optional().describe('Exclusive. Default: now.'),
  ...{ user: text, key: text, model: text, provider: text, tag: text, id: text, error: text },
  text: text.describe('A text within the request or the response, in any case.'),
  limit: wholeNumber(1, MAX_LIMIT).default(20).describe(`Default: 20; maximum: ${MAX_LIMIT}.`),
  after: z.string().max(500).optional().describe('The `next` of the previous page.'),
});

export const logPlace = z.object({ at: z.int(), id: z.string().max(200) });

export const messagesOf = ({ request, response, truncated }: LoggedContent) => ({
  request,
  response,
  truncated,
});

/** The log of a tenant's prompts and responses: reading, erasing, and its key. */
export function requestLogRoutes(services: AdminServices): RegisteredRoute[] {
  const { clock, auditQueue } = services;
  const { store, keys } = services.requestLog;
  const search = new LogSearch(store, keys);
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/request-log',
      permission: 'requests:read',
      summary: 'Export logged prompts and responses, newest first',
      description: 'Each call becomes an entry of the audit trail.',
      ...NO_BODY,
      query: logQuery,
      response: z
        .object({
          object: z.literal('list'),
          data: z.array(loggedRequest),
          has_more: z.boolean(),
          next: z.string().nullable(),
          partial: z.boolean().describe('The search ended before the page was full: continue with `next`.'),
        })
        .meta({ id: 'LoggedRequestList' }),
      handle: async ({ scope, query, by }) => {
        const { user, key, model, provider, tag, id, error, limit } = query;
        const now = clock.wallTime();
        const { contents, next, isPartial } = await search.page(
          scope,
          {
            ...{ from: query.from ?? now - DAY_MS, to: query.to ?? now + 1, limit },
            filter: { user, key, model, provider, tag, id, error },
            after: cursorOf(logPlace, query.after),
          },
          query.text,
        );
        const details = { requests: contents.length, user, key, id };
        await auditQueue.record(scope.tenant, by, 'request_log.read', `tenant:${scope.tenant}`, details);
        return {
          body: {
            object: 'list',
            data: contents.map((content) => ({ ...content.summary, ...messagesOf(content) })),
            has_more: next !== undefined,
            next: next ? Buffer.from(JSON.stringify(next)).toString('base64url') : null,
            partial: isPartial,
          },
        };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: '/admin/v1/tenants/:tenant/request-log',
      permission: 'tenant:write',
      summary: 'Erase logged prompts and responses, such as those of one person',
      description:
        'Of a user, a key, a request, or from before a time; several of them narrow it. With `dry_run=true`, it counts and erases nothing. What is being written meanwhile is not covered: end the person’s access first.',
      ...NO_BODY,
      query: z.object({
        ...{ user: text, key: text, request: text },
        before: timeInput.optional(),
        all: z.enum(['true', 'false']).optional().describe('Everything: needed where nothing else is named.'),
        dry_run: z.enum(['true', 'false']).optional(),
      }),
      response: z
        .object({
          erased: z.boolean().describe('False for a dry run.'),
          requests: z.number().int(),
          bytes: z.number().int().describe('Of the sealed contents.'),
        })
        .meta({ id: 'RequestLogErased' }),
      handle: async ({ scope, query, by }) => {
        const { user, key, request: requestId, before } = query;
        const wanted = { user, key, requestId, before };
        if (query.all !== 'true' && Object.values(wanted).every((value) => value === undefined)) {
          throw new GatewayError(
            'invalid_request',
            'Name what to erase: "user", "key", "request" or "before"; or everything, with "all=true".',
          );
        }
        // What waits to be written would come back.
        await services.requestLog.flush();
        const { rows, bytes } = await store.count(scope, wanted);
        if (query.dry_run === 'true') return { body: { erased: false, requests: rows, bytes } };
        const requests = await store.erase(scope, wanted);
        await auditQueue.record(scope.tenant, by, 'request_log.erase', `tenant:${scope.tenant}`, {
          ...{ user, key, request: requestId, before, requests },
        });
        return { body: { erased: true, requests, bytes } };
      },
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/tenants/:tenant/request-log/rotate-key',
      permission: 'tenant:write',
      summary: 'Seal logged prompts and responses with a new key from now on',
      description:
        'The keys before open what they sealed. Each is deleted when its last request is, which makes copies in backups unreadable.',
      ...NO_INPUT,
      response: z.object({ version: z.number().int() }).meta({ id: 'RequestLogKey' }),
      handle: async ({ scope, by }) => {
        const version = await keys.rotate(scope);
        await auditQueue.record(scope.tenant, by, 'request_log.rotate_key', `tenant:${scope.tenant}`, {
          version,
        });
        return { body: { version } };
      },
    }),
  ];
}
