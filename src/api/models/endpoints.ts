import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { matchesAny } from '../../core/model-scope.ts';
import type { Principal } from '../../core/principal.ts';
import { unknownModel } from '../../dispatch/dispatch-errors.ts';
import type { HttpContext } from '../../http/http-context.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { queryOf } from '../../http/query.ts';
import { jsonResponse } from '../../http/response.ts';
import { NO_BODY, type RoutePolicy } from '../../http/route-policy.ts';
import type { ModelPrice, TokenPrice } from '../../metering/price-data.ts';
import type { ListedModel } from '../../routing/directory.ts';
import { anthropicErrorBody } from '../anthropic/errors.ts';
import type { ApiServices } from '../services.ts';
import { isShown } from '../simulator-access.ts';
import { validate } from '../validation.ts';
import { type RouteFacts, routeFacts } from './facts.ts';

const tokenPrice = z.string().describe('US dollars per million tokens, as an exact decimal.');
const tiers = z
  .array(z.object({ from_tokens: z.number().int(), price: tokenPrice }))
  .optional()
  .describe('Prices that apply from a number of input tokens.');

export const modelObject = z
  .looseObject({
    id: z.string(),
    object: z.literal('model'),
    created: z.number().int(),
    owned_by: z.string(),
    context_window: z.number().int().optional().describe('Tokens; the smallest window of its targets.'),
    max_output_tokens: z.number().int().optional(),
    capabilities: z
      .looseObject({
        best_for: z.array(z.string()).optional().describe('What it is good at, as configured.'),
        cost_tier: z.string().optional().describe('Its price class, as configured.'),
        max_length: z.number().int().optional().describe('The context window in tokens.'),
      })
      .optional()
      .describe('Capabilities that all of its targets have, each true or false; absent ones are unknown.'),
    pricing: z
      .object({
        currency: z.literal('USD'),
        unit: z.literal('million_tokens'),
        input: tokenPrice.optional(),
        output: tokenPrice.optional(),
        cached_input: tokenPrice.optional(),
        cache_write: tokenPrice.optional(),
        input_tiers: tiers,
        output_tiers: tiers,
        varies: z
          .boolean()
          .describe('True when its targets have different prices; these are those of the first target.'),
      })
      .optional(),
    knowledge_cutoff: z.string().optional(),
  })
  .meta({ id: 'Model' });

export const modelList = z
  .object({ object: z.literal('list'), data: z.array(modelObject) })
  .meta({ id: 'ModelList' });

type ModelObject = z.output<typeof modelObject>;

function pricing(price: ModelPrice, varies: boolean): NonNullable<ModelObject['pricing']> {
  const { input, output, cachedInput, cacheWrite } = price;
  const tiersOf = (one: TokenPrice | undefined) =>
    one?.tiers?.map(({ fromTokens, price: its }) => ({ from_tokens: fromTokens, price: its }));
  const inputTiers = tiersOf(input);
  const outputTiers = tiersOf(output);
  return {
    currency: 'USD',
    unit: 'million_tokens',
    ...(input && { input: input.base }),
    ...(output && { output: output.base }),
    ...(cachedInput && { cached_input: cachedInput.base }),
    ...(cacheWrite && { cache_write: cacheWrite.base }),
    ...(inputTiers && { input_tiers: inputTiers }),
    ...(outputTiers && { output_tiers: outputTiers }),
    varies,
  };
}

/** @returns `capabilities` with what the configuration says of the model; nothing where nothing is known */
export function capabilitiesOf({
  capabilities,
  bestFor,
  costTier,
  contextWindow,
}: RouteFacts): Pick<ModelObject, 'capabilities'> {
  const all = {
    ...capabilities,
    ...(bestFor.length === 0 ? {} : { best_for: [...bestFor] }),
    ...(costTier === undefined ? {} : { cost_tier: costTier }),
    ...(contextWindow === undefined ? {} : { max_length: contextWindow }),
  };
  return Object.keys(all).length === 0 ? {} : { capabilities: all };
}

function describe({ id, ownedBy }: ListedModel, created: number, facts: RouteFacts | undefined): ModelObject {
  const { contextWindow, maxOutputTokens, price, knowledgeCutoff } = facts ?? {};
  return {
    id,
    object: 'model',
    created,
    owned_by: ownedBy,
    ...(contextWindow === undefined ? {} : { context_window: contextWindow }),
    ...(maxOutputTokens === undefined ? {} : { max_output_tokens: maxOutputTokens }),
    ...(facts === undefined ? {} : capabilitiesOf(facts)),
    ...(price && facts ? { pricing: pricing(price, facts.priceVaries) } : {}),
    ...(knowledgeCutoff === undefined ? {} : { knowledge_cutoff: knowledgeCutoff }),
  };
}

/** The same in the form that Anthropic's SDK reads. */
function forAnthropic({ id, created, context_window, max_output_tokens }: ModelObject) {
  return {
    type: 'model',
    id,
    display_name: id,
    created_at: new Date(created * 1000).toISOString(),
    ...(context_window === undefined ? {} : { max_input_tokens: context_window }),
    ...(max_output_tokens === undefined ? {} : { max_tokens: max_output_tokens }),
  };
}

const page = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(20),
  after_id: z.string().optional(),
  before_id: z.string().optional(),
});

/** A page as Anthropic's API cuts its lists. */
function anthropicPage(models: readonly ModelObject[], query: URLSearchParams): unknown {
  const { limit, after_id: after, before_id: before } = validate(page, Object.fromEntries(query));
  const indexOf = (id: string) => {
    const index = models.findIndex((model) => model.id === id);
    if (index >= 0) return index;
    throw new GatewayError('invalid_request', `There is no model "${id.slice(0, 200)}" to go on from.`);
  };
  const end = before === undefined ? models.length : indexOf(before);
  const start =
    after !== undefined ? indexOf(after) + 1 : before === undefined ? 0 : Math.max(0, end - limit);
  const data = models.slice(start, Math.min(end, start + limit)).map(forAnthropic);
  return {
    data,
    has_more: before === undefined ? start + limit < end : start > 0,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  };
}

/** Adds the model routes. Models are listed with their known facts, in the format of the client's API. */
export function addModelRoutes(router: HttpRouter, services: ApiServices): void {
  const created = services.startedAtSeconds;
  const factsOf = (id: string, tenant: string) => {
    const { directory, prices } = services.snapshot();
    const route = directory.resolve(id);
    return route && routeFacts(route, services.modelData, prices, { tenant, at: services.clock.wallTime() });
  };
  const speaksAnthropic = ({ request }: HttpContext) => request.headers.has('anthropic-version');
  const policy: RoutePolicy<Principal> = {
    access: services.callers.key,
    body: NO_BODY,
    selectDialect: (httpContext) => {
      if (speaksAnthropic(httpContext)) httpContext.renderError = anthropicErrorBody;
    },
  };

  router.route('GET', '/v1/models', policy, async (httpContext, principal) => {
    const anthropic = speaksAnthropic(httpContext);
    const { scopes, tenant } = principal;
    const snapshot = services.snapshot();
    const data = snapshot.directory
      .list()
      .filter(({ id }) => !scopes?.models || matchesAny(scopes.models, id))
      .filter(({ id }) => isShown(snapshot, principal, id))
      .map((model) => describe(model, created, factsOf(model.id, tenant)));
    const body = anthropic ? anthropicPage(data, queryOf(httpContext.request)) : { object: 'list', data };
    return jsonResponse(httpContext.request, 200, JSON.stringify(body), {});
  });

  router.route('GET', '/v1/models/:id{.+}', policy, async (httpContext, principal) => {
    const anthropic = speaksAnthropic(httpContext);
    const { scopes, tenant } = principal;
    const id = httpContext.params.id ?? '';
    const snapshot = services.snapshot();
    const { directory } = snapshot;
    const isAllowed = (!scopes?.models || matchesAny(scopes.models, id)) && isShown(snapshot, principal, id);
    const listed = isAllowed ? directory.list().find((model) => model.id === id) : undefined;
    const target = isAllowed ? directory.resolve(id)?.targets[0] : undefined;
    const found = listed ?? (target ? { id, ownedBy: target.provider.id } : undefined);
    if (!found) {
      const similar = directory.suggest(id).filter((name) => isShown(snapshot, principal, name));
      throw unknownModel(id, similar, directory.missingVendors(id));
    }
    const model = describe(found, created, factsOf(id, tenant));
    return jsonResponse(
      httpContext.request,
      200,
      JSON.stringify(anthropic ? forAnthropic(model) : model),
      {},
    );
  });
}
