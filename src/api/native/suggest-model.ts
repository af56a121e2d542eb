import { z } from 'zod';
import { CAPABILITIES } from '../../core/capabilities.ts';
import type { HttpRequest } from '../../core/http.ts';
import { readJsonBody } from '../../http/body.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { queryOf } from '../../http/query.ts';
import { jsonResponse } from '../../http/response.ts';
import type { ModelData } from '../../metering/model-data.ts';
import type { PriceContext } from '../../metering/prices.ts';
import { type CandidateFacts, suggestModels } from '../../routing/suggestion.ts';
import { capabilitiesOf, modelObject } from '../models/endpoints.ts';
import { routeFacts } from '../models/facts.ts';
import type { ApiServices, ApiSnapshot } from '../services.ts';
import { validate } from '../validation.ts';

const names = z.array(z.string().min(1).max(400)).max(100).optional();
const price = z.number().min(0).optional();

export const suggestModelRequest = z
  .strictObject({
    task: z.string().min(1, 'a description of the task is expected').max(20_000),
    constraints: z
      .strictObject({
        max_input_price: price.describe('US dollars per million tokens.'),
        max_output_price: price.describe('US dollars per million tokens.'),
        min_context_window: z.number().int().min(1).optional().describe('Tokens.'),
        capabilities: z.array(z.enum(CAPABILITIES)).max(100).optional(),
        providers: names.describe('Ids of providers whose models are considered.'),
        exclude: names.describe('Models that are not considered.'),
      })
      .default({}),
    expected: z
      .strictObject({
        input_tokens: z.number().int().min(0).max(1e9).default(1_000),
        output_tokens: z.number().int().min(0).max(1e9).default(500),
      })
      .prefault({})
      .describe('Tokens of one request, for the price.'),
    limit: z.number().int().min(1).max(50).default(5),
  })
  .meta({
    id: 'SuggestModelRequest',
    example: { task: 'Extract invoice lines from scanned PDFs as JSON', constraints: { max_input_price: 3 } },
  });

export const suggestModelResponse = z
  .object({
    object: z.literal('model_suggestions'),
    suggested_model: z.string().nullable().describe('The first suggestion; null where no model fits.'),
    capabilities: modelObject.shape.capabilities.describe('Of the suggested model.'),
    message: z.string().optional().describe('Why no model fits.'),
    needs: z.array(z.string()).describe('Capabilities that the task needs.'),
    suggestions: z.array(
      z.object({
        model: z.string(),
        provider: z.string(),
        score: z.number(),
        reasons: z.array(z.string()),
        estimated_cost_usd: z.number().optional(),
      }),
    ),
    excluded: z
      .record(z.string(), z.number().int())
      .describe('Number of models that each constraint excluded.'),
  })
  .meta({ id: 'SuggestModelResponse' });

/** All models of this gateway with their known facts. */
function candidates(
  { directory, prices }: Pick<ApiSnapshot, 'directory' | 'prices'>,
  data: ModelData,
  context: PriceContext,
): CandidateFacts[] {
  return directory.list().flatMap(({ id, ownedBy }): CandidateFacts[] => {
    const route = directory.resolve(id);
    if (!route || route.targets.every(({ provider }) => provider.profile.isSimulated)) return [];
    const { price: cost, capabilities, priceVaries: _, ...facts } = routeFacts(route, data, prices, context);
    return [
      {
        ...facts,
        id,
        provider: ownedBy,
        capabilities: { ...capabilities },
        ...(cost?.input === undefined ? {} : { inputPrice: cost.input.base }),
        ...(cost?.output === undefined ? {} : { outputPrice: cost.output.base }),
      },
    ];
  });
}

/** @returns why nothing is suggested, and what to do */
function whyNone(count: number, excluded: Readonly<Record<string, number>>): string {
  if (count === 0) {
    return 'No model fits: this gateway has no models but the simulator. Set the API key of a provider, or configure "providers".';
  }
  const reasons = Object.entries(excluded).map(([reason, models]) => `${models} ${reason}`);
  return `No model fits; of ${count}: ${reasons.join('; ')}. Relax the constraints, or describe the task in other words.`;
}

function isEmptyBody({ headers }: Pick<HttpRequest, 'headers'>): boolean {
  const length = headers.get('content-length');
  return length === null ? !headers.has('transfer-encoding') : length === '0';
}

export function addSuggestModelRoutes(router: HttpRouter, services: ApiServices): void {
  const policy = { access: services.callers.key, body: services.bodyLimit };
  router.route('POST', '/v1/suggest-model', policy, async (httpContext, { tenant }) => {
    const { request, bodyLimit } = httpContext;
    const snapshot = services.snapshot();
    const query = queryOf(request).get('task');
    const json = isEmptyBody(request) ? {} : (await readJsonBody(request, bodyLimit)).json;
    const asked = query === null || json.task !== undefined ? json : { ...json, task: query };
    const { task, constraints, expected, limit } = validate(suggestModelRequest, asked);
    const context = { tenant, at: services.clock.wallTime() };
    const models = candidates(snapshot, services.modelData, context);
    const { suggestions, needs, excluded } = suggestModels(models, {
      task,
      constraints: {
        maxInputPrice: constraints.max_input_price,
        maxOutputPrice: constraints.max_output_price,
        minContextWindow: constraints.min_context_window,
        capabilities: constraints.capabilities,
        providers: constraints.providers,
        exclude: constraints.exclude,
      },
      expected: { inputTokens: expected.input_tokens, outputTokens: expected.output_tokens },
      limit,
    });
    const suggested = suggestions[0]?.model;
    const route = suggested === undefined ? undefined : snapshot.directory.resolve(suggested);
    const body = {
      object: 'model_suggestions',
      suggested_model: suggested ?? null,
      ...(route && capabilitiesOf(routeFacts(route, services.modelData, snapshot.prices, context))),
      ...(suggested === undefined ? { message: whyNone(models.length, excluded) } : {}),
      needs,
      suggestions: suggestions.map(({ estimatedCost, ...rest }) => ({
        ...rest,
        ...(estimatedCost === undefined ? {} : { estimated_cost_usd: estimatedCost }),
      })),
      excluded,
    };
    return jsonResponse(request, 200, JSON.stringify(body), {});
  });
}
