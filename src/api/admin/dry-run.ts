import { z } from 'zod';
import type { ClientDialect } from '../../core/chat/dialect.ts';
import { DEFAULT_TENANT } from '../../core/principal.ts';
import { readJsonBody } from '../../http/body.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { type DryRun, dryRun } from '../../routing/dry-run.ts';
import { RequestFacts } from '../../routing/request-facts.ts';
import { anthropicMessagesDialect } from '../anthropic/dialect.ts';
import { openAiChatDialect } from '../openai/chat/dialect.ts';
import { openAiCompletionsDialect } from '../openai/completions/dialect.ts';
import { responsesDialect } from '../openai/responses/dialect.ts';
import { routingConstraintsOf } from '../routing-constraints.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import { adminJson } from './access.ts';

/** RFC 9110, sections 5.1 and 5.5. */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

export const dryRunRequest = z
  .strictObject({
    request: z.looseObject({ model: z.string().min(1) }).describe('The body of the request.'),
    headers: z
      .record(
        z.string().regex(HEADER_NAME, 'is not the name of a header').max(200),
        z
          .string()
          .regex(HEADER_VALUE, 'has a line end or another character that no header carries')
          .max(8_192),
      )
      .optional()
      .describe('Its headers, for example `x-weir-session`.'),
    tenant: z.string().min(1).optional(),
  })
  .meta({
    id: 'RouteDryRun',
    example: { request: { model: 'chat', messages: [{ role: 'user', content: 'Hello.' }] } },
  });

export const dryRunResponse = z
  .object({
    model: z.string().nullable().describe('The model that the name resolves to; null when there is none.'),
    did_you_mean: z.array(z.string()),
    variant: z.string().nullable(),
    road: z
      .array(
        z.object({
          provider: z.string(),
          model: z.string(),
          key: z.number().int().nullable(),
          expected_cost_usd: z.string().nullable(),
        }),
      )
      .describe('In the order in which they are tried: each after the one before it has failed.'),
    waits_for: z.array(z.string()).describe('Targets at their concurrency limit.'),
    looks: z.array(
      z.object({
        model: z.string(),
        because: z.string(),
        strategy: z.string(),
        left_out: z.array(z.object({ provider: z.string(), model: z.string(), reason: z.string() })),
      }),
    ),
  })
  .meta({ id: 'RouteDryRunResult' });

export function describeDryRun(result: DryRun): z.output<typeof dryRunResponse> {
  return {
    model: result.model ?? null,
    did_you_mean: [...result.suggestions],
    variant: result.variant ?? null,
    road: result.path.map(({ target, expectedCost }) => ({
      provider: target.provider.id,
      model: target.model,
      key: target.provider.account ?? null,
      expected_cost_usd: expectedCost ?? null,
    })),
    waits_for: result.queuedFor.map(({ provider, model }) => `${provider.id}/${model}`),
    looks: result.decisions.map(({ model, reason, strategy, evaluated }) => ({
      model,
      because: reason,
      strategy,
      left_out: evaluated.flatMap(({ target, exclusion }) =>
        exclusion === undefined
          ? []
          : [{ provider: target.provider.id, model: target.model, reason: exclusion }],
      ),
    })),
  };
}

export type DryRunInput = z.output<typeof dryRunRequest>;

/** Detects the dialect of a body by the members that only one dialect has. */
function dialectOf(body: Readonly<Record<string, unknown>>): ClientDialect {
  if (body.messages !== undefined) {
    if (body.system !== undefined) return anthropicMessagesDialect;
    const dialects = [openAiChatDialect, anthropicMessagesDialect];
    return dialects.find((dialect) => dialect.requestView(body).hasImages()) ?? openAiChatDialect;
  }
  return body.input === undefined ? openAiCompletionsDialect : responsesDialect();
}

/**
 * Extracts the facts that routing uses from a request that is not sent.
 * @param residency regions that the tenant allows
 * @throws GatewayError for invalid headers
 */
export function factsOf(
  { request, headers = {}, tenant = DEFAULT_TENANT }: DryRunInput,
  residency?: readonly string[],
): RequestFacts {
  const all = new Headers(headers);
  const view = () => dialectOf(request).requestView(request);
  return new RequestFacts(
    { operation: 'chat', view, headers: all, text: JSON.stringify(request) },
    tenant,
    residency ? { ...routingConstraintsOf(all), residency } : routingConstraintsOf(all),
  );
}

/** Adds the route that dry-runs a request against the current state of targets. */
export function addDryRunRoute(router: HttpRouter, services: ApiServices): void {
  const policy = { access: services.callers.permitted('platform:read'), body: services.bodyLimit };
  router.route('POST', '/admin/v1/route', policy, async (httpContext) => {
    const { snapshot, clock, access } = services;
    const { directory, router } = snapshot();
    const { json } = await readJsonBody(httpContext.request, httpContext.bodyLimit);
    const input = validate(dryRunRequest, json);
    const residency = access.tenant(input.tenant ?? DEFAULT_TENANT)?.residency?.allowed;
    const facts = factsOf(input, residency);
    const result = dryRun(directory, router, input.request.model, facts, clock.now());
    return adminJson(httpContext, describeDryRun(result));
  });
}
