import { z } from 'zod';
import { dollarsOfPico } from '../../metering/price.ts';
import type { UsageEvent } from '../../storage/usage-event.ts';
import { cursorOf, listOf, time, timeInput, wholeNumber } from './paging.ts';
import { adminRoute, NO_BODY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const DAY_MS = 86_400_000;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;

const text = z.string().min(1).max(400).optional();

const eventRow = z
  .object({
    id: z.string(),
    request_id: z.string(),
    at: z.string(),
    key: z.string(),
    user: z.string().nullable(),
    model: z.string(),
    provider: z.string(),
    upstream_model: z.string(),
    operation: z.string(),
    tags: z.array(z.string()).readonly(),
    status: z.number().int().describe('Status of the request.'),
    outcome: z
      .string()
      .describe(
        'Outcome of the attempt: `done`, `failed`, `client_gone`, `stopped` when the gateway did not need its response, `cached` for a response from the cache, or `lost` when its gateway was killed.',
      ),
    counts_as_request: z.boolean().describe('True for one attempt of each request.'),
    input_tokens: z.number().int(),
    output_tokens: z.number().int(),
    cached_tokens: z.number().int(),
    cache_write_tokens: z.number().int(),
    reasoning_tokens: z.number().int(),
    cost: z.string().nullable().describe('US dollars, as an exact decimal; null without a known price.'),
    input_cost: z.string().nullable().describe('The part of it that is not of output tokens.'),
    output_cost: z.string().nullable().describe('The part of output tokens, reasoning included.'),
    estimated: z.boolean(),
    duration_ms: z.number().int(),
    first_event_ms: z.number().int().nullable(),
  })
  .meta({ id: 'UsageEvent' });

function renderEvent(event: UsageEvent): z.output<typeof eventRow> {
  return {
    id: event.id,
    request_id: event.requestId,
    at: time(event.at),
    key: event.keyId,
    user: event.member,
    model: event.model,
    provider: event.provider,
    upstream_model: event.upstreamModel,
    operation: event.operation,
    tags: event.tags,
    status: event.status,
    outcome: event.outcome,
    counts_as_request: event.requests > 0,
    input_tokens: event.inputTokens,
    output_tokens: event.outputTokens,
    cached_tokens: event.cachedTokens,
    cache_write_tokens: event.cacheWriteTokens,
    reasoning_tokens: event.reasoningTokens,
    ...costsOf(event),
    estimated: event.estimated,
    duration_ms: event.durationMs,
    first_event_ms: event.firstEventMs,
  };
}

const place = z.object({ at: z.int(), id: z.string().max(200), line: z.int() });

/** The single events behind the sums. */
export function usageEventRoutes({ usage, clock }: AdminServices): RegisteredRoute[] {
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/usage/events',
      permission: 'usage:read',
      summary: 'List the attempts that usage reports are computed from',
      description: 'In the order in which gateways stored them, which is almost chronological.',
      ...NO_BODY,
      query: z.object({
        from: timeInput.optional().describe('Inclusive. Default: a day ago.'),
        to: timeInput.optional().describe('Exclusive. Default: now.'),
        ...{ key: text, user: text, model: text, provider: text, tag: text, request_id: text },
        limit: wholeNumber(1, MAX_LIMIT)
          .default(DEFAULT_LIMIT)
          .describe(`Maximum number of items. Default: ${DEFAULT_LIMIT}; maximum: ${MAX_LIMIT}.`),
        after: z.string().max(500).optional().describe('The `next` of the previous page.'),
      }),
      response: listOf(eventRow, 'UsageEventList'),
      handle: async ({ scope, query }) => {
        const { key, user, model, provider, tag, request_id, limit } = query;
        const now = clock.wallTime();
        const is = (wanted: string | undefined, value: string | null) =>
          wanted === undefined || wanted === value;
        const matches = (event: UsageEvent) =>
          is(key, event.keyId) &&
          is(user, event.member) &&
          is(model, event.model) &&
          is(provider, event.provider) &&
          is(request_id, event.requestId) &&
          (tag === undefined || event.tags.includes(tag));
        const range = { from: query.from ?? now - DAY_MS, to: query.to ?? now + 1 };
        const after = cursorOf(place, query.after);
        const { events, next } = await usage.events(scope, { ...range, matches }, after, limit);
        return {
          body: {
            object: 'list',
            data: events.map(renderEvent),
            has_more: next !== undefined,
            next: next ? Buffer.from(JSON.stringify(next)).toString('base64url') : null,
          },
        };
      },
    }),
  ];
}

/** Amounts in US dollars; null without a known price. */
function costsOf({ costPico, outputCostPico = 0 }: UsageEvent) {
  const dollars = (pico: number) => (costPico === null ? null : dollarsOfPico(BigInt(pico)));
  const cost = costPico ?? 0;
  return {
    cost: dollars(cost),
    input_cost: dollars(cost - outputCostPico),
    output_cost: dollars(outputCostPico),
  };
}
