import { z } from 'zod';
import { dollarsOfPico } from '../../metering/price.ts';
import { durationOf, type KeptRequest } from '../../storage/kept-request.ts';
import { REJECTED } from '../../storage/usage-event.ts';
import { time } from './paging.ts';

/** A request in a list. */
export const requestRow = z.object({
  id: z.string(),
  at: z.string().describe('When it ended.'),
  tenant: z.string(),
  key: z.string(),
  user: z.string().nullable(),
  model: z.string(),
  provider: z.string().nullable().describe('Null for a request that reached no target.'),
  upstream_model: z.string().nullable(),
  operation: z.string(),
  tags: z.array(z.string()).readonly(),
  status: z.number().int(),
  error: z.string().nullable().describe('Code of the error that ended it.'),
  outcome: z
    .string()
    .describe(
      '`done`, `failed`, `client_gone`, `stopped`, `cached`, `lost` when its gateway was killed, or `rejected` when it reached no target.',
    ),
  attempts: z.number().int(),
  input_tokens: z.number().int(),
  output_tokens: z.number().int(),
  cached_tokens: z.number().int(),
  reasoning_tokens: z.number().int(),
  cost: z.string().nullable().describe('US dollars, as an exact decimal; null without a known price.'),
  estimated: z.boolean(),
  duration_ms: z.number().int(),
  first_event_ms: z.number().int().nullable().describe('Of a stream.'),
  trace_id: z.string().nullable(),
  count: z.number().int().describe('Requests that the row stands for: many that were rejected at once.'),
});

export function renderRequest(tenant: string, request: KeptRequest): z.output<typeof requestRow> {
  const { main, attempts, costPico } = request;
  const sum = (of: (one: KeptRequest['main']) => number) =>
    attempts.reduce((total, one) => total + of(one), 0);
  const isRejected = main.outcome === REJECTED;
  return {
    id: main.requestId,
    at: time(main.at),
    tenant,
    key: main.keyId,
    user: main.member,
    model: main.model,
    provider: isRejected ? null : main.provider,
    upstream_model: isRejected ? null : main.upstreamModel,
    operation: main.operation,
    tags: main.tags,
    status: main.status,
    error: main.request?.error ?? null,
    outcome: main.outcome,
    attempts: attempts.length,
    input_tokens: sum(({ inputTokens }) => inputTokens),
    output_tokens: sum(({ outputTokens }) => outputTokens),
    cached_tokens: sum(({ cachedTokens }) => cachedTokens),
    reasoning_tokens: sum(({ reasoningTokens }) => reasoningTokens),
    cost: costPico === undefined ? null : dollarsOfPico(costPico),
    estimated: attempts.some(({ estimated }) => estimated),
    duration_ms: durationOf(request),
    first_event_ms: main.request?.firstEventMs ?? null,
    trace_id: main.request?.traceId ?? null,
    count: main.request?.count ?? 1,
  };
}
