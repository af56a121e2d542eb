import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import { readJsonBody } from '../http/body.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { HttpRouter } from '../http/http-router.ts';
import { queryFields, queryOf } from '../http/query.ts';
import { httpResponse, jsonResponse } from '../http/response.ts';
import { NO_BODY, type RouteAccess } from '../http/route-policy.ts';
import { costPico, dollarsOfPico } from '../metering/price.ts';
import type { Tokenizer } from '../metering/tokenizer.ts';
import type { SqlUsageStore } from '../storage/sql/usage-store.ts';
import { dimensionsOf, UsageReports, usageFilter } from './admin/usage-report.ts';
import { assertModelAllowed } from './authenticate.ts';
import { chatCall } from './chat-call.ts';
import { openAiChatDialect } from './openai/chat/dialect.ts';
import { chatRequest } from './openai/schemas.ts';
import type { ApiServices } from './services.ts';
import { resolveFor } from './simulator-access.ts';
import { validate } from './validation.ts';

export interface UsageEndpoints {
  readonly usage: SqlUsageStore;
  readonly tokenizer: Tokenizer;
}

/** Filter for one key: without dimensions that would reveal other keys. */
export const ownUsageFilter = usageFilter.omit({ key: true, user: true });

/** The same for one user. */
export const userUsageFilter = ownUsageFilter.extend({
  tenant: z.string().max(63).optional().describe('Only with the admin key. Default: its own tenant.'),
});

const money = z.string().describe('US dollars, as an exact decimal.');
export const estimateResponse = z
  .object({
    object: z.literal('estimate'),
    model: z.string(),
    input_tokens: z.number().int(),
    max_output_tokens: z.number().int().nullable().describe('Null when the response length is not limited.'),
    estimated: z.literal(true),
    targets: z.array(
      z.object({
        provider: z.string(),
        model: z.string(),
        input_cost: money.nullable().describe('Null without a known price.'),
        max_cost: money
          .nullable()
          .describe(
            'Cost with the longest response; null when its length is not limited or no price is known.',
          ),
      }),
    ),
    currency: z.literal('USD'),
  })
  .meta({ id: 'Estimate' });

/** Adds the routes for a key's usage and for cost estimates. */
export function addUsageRoutes(
  router: HttpRouter,
  services: ApiServices,
  { usage, tokenizer }: UsageEndpoints,
): void {
  const { key } = services.callers;
  const reports = new UsageReports(usage, services.clock);

  const report = async (
    { request }: HttpContext,
    tenant: string,
    filter: z.output<typeof ownUsageFilter>,
    of: { readonly key: string } | { readonly user: string },
  ) => {
    for (const name of ['tag', 'client'] as const) {
      if (filter[name] === undefined && !dimensionsOf(filter.group_by).includes(name)) continue;
      const message = `"${name}" is not valid: ${name}s are counted for the whole tenant, not by key or user.`;
      throw new GatewayError('invalid_request', message, { param: name });
    }
    const zone = services.access.tenant(tenant)?.document.time_zone ?? 'UTC';
    const asked = reports.request(filter, zone);
    const own = { ...asked, query: { ...asked.query, ...of } };
    const { body, text, headers } = reports.response(own, await reports.rows(tenant, own));
    if (text) return httpResponse(200, text.body, { ...headers, 'content-type': text.type });
    const totals = await reports.totals(tenant, own);
    return jsonResponse(request, 200, JSON.stringify({ ...Object(body), ...totals }), {});
  };

  router.route('GET', '/v1/usage', { access: key, body: NO_BODY }, (httpContext, { tenant, keyId }) => {
    const filter = validate(ownUsageFilter, queryFields(queryOf(httpContext.request)));
    return report(httpContext, tenant, filter, { key: keyId });
  });

  /** API keys read the usage of the user or service account that owns them, admin keys that of all. */
  const ownUser: RouteAccess<Principal> = {
    name: 'api key of the user',
    admit: async (httpContext) => {
      const principal = await key.admit(httpContext);
      if (principal.kind === 'admin' || principal.member === httpContext.params.user) return principal;
      throw new GatewayError(
        'permission_denied',
        'An API key reads the usage of its own user. Others are read with the admin key, or at /admin/v1/tenants/{tenant}/usage?user=...',
      );
    },
  };
  router.route('GET', '/v1/usage/:user', { access: ownUser, body: NO_BODY }, (httpContext, principal) => {
    const { tenant: wanted, ...filter } = validate(
      userUsageFilter,
      queryFields(queryOf(httpContext.request)),
    );
    const user = httpContext.params.user ?? '';
    if (wanted !== undefined && principal.kind !== 'admin' && wanted !== principal.tenant) {
      throw new GatewayError('permission_denied', '"tenant" is only for the admin key.', { param: 'tenant' });
    }
    const tenant = wanted ?? principal.tenant;
    if (!services.access.member(tenant, user)) throw new GatewayError('not_found', 'There is no such user.');
    return report(httpContext, tenant, filter, { user });
  });

  const estimate = { access: key, body: services.bodyLimit };
  router.route('POST', '/v1/estimate', estimate, async (httpContext, principal) => {
    const { request, bodyLimit } = httpContext;
    const snapshot = services.snapshot();
    const body = await readJsonBody(request, bodyLimit);
    validate(chatRequest, body.json);
    const call = chatCall('chat', openAiChatDialect, body, request.headers);
    assertModelAllowed(principal, call.model);
    const route = resolveFor(snapshot, principal, call.model);
    const chat = call.chat();
    const inputTokens = await tokenizer.estimate(chat, route.targets[0]?.model ?? call.model);
    const limit = chat.maxOutputTokens ?? null;
    const context = {
      tenant: principal.tenant,
      at: services.clock.wallTime(),
      isBatch: call.view().isBatch,
    };
    const { choices } = call.view().requestDemand();
    const targets = route.targets.map((target) => {
      const price = snapshot.prices.of(target, route.facts, context);
      const output = limit ?? services.modelData.of(target, route.facts).maxOutputTokens ?? null;
      const cost = (outputTokens: number) => {
        const pico = price && costPico(price, { inputTokens, outputTokens, raw: {} });
        return pico === undefined ? null : dollarsOfPico(pico);
      };
      return {
        ...{ provider: target.provider.id, model: target.model },
        input_cost: cost(0),
        max_cost: output === null ? null : cost(output * choices),
      };
    });
    const answer: z.output<typeof estimateResponse> = {
      ...{ object: 'estimate', model: call.model, input_tokens: inputTokens, max_output_tokens: limit },
      ...{ estimated: true, targets, currency: 'USD' },
    };
    return jsonResponse(request, 200, JSON.stringify(answer), {});
  });
}
