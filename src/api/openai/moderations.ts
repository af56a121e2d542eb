import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { HeaderReader } from '../../core/http.ts';
import type { ModerationCall } from '../../core/inference.ts';
import { asString } from '../../core/json.ts';
import { editMembers } from '../../core/json-edit.ts';
import {
  MODERATION_CATEGORIES,
  type ModerationCategory,
  type ModerationInput,
  type ModerationResult,
  type ModerationVerdict,
} from '../../core/moderation.ts';
import type { Principal } from '../../core/principal.ts';
import type { JsonBody } from '../../http/body.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import type { ModelRoute } from '../../routing/directory.ts';
import { addInferenceRoute } from '../inference-route.ts';
import { openAiAffinityKey, PromptView } from '../prompt-view.ts';
import { embeddingDemand } from '../request-demand.ts';
import type { ApiServices, ApiSnapshot } from '../services.ts';
import { resolveFor } from '../simulator-access.ts';
import { validate } from '../validation.ts';

/** The model of requests that name none, as in OpenAI's API. */
const DEFAULT_MODEL = 'omni-moderation-latest';
/** Names of OpenAI's models, which clients send to every server, and the name of the gateway's rules. */
const OWN_MODELS = /^(?:(?:omni|text)-moderation-|weir-moderation)/;

const MAX_INPUTS = 2_048;

const part = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('image_url'), image_url: z.object({ url: z.string().min(1) }) }),
]);

export const moderationRequest = z
  .looseObject({
    model: z
      .string()
      .min(1)
      .max(400)
      .nullish()
      .describe('A model that classifies content; by default `omni-moderation-latest`.'),
    input: z
      .union(
        [
          z.string(),
          z.array(z.string()).min(1, 'at least one input is expected').max(MAX_INPUTS),
          z.array(part).min(1, 'at least one part is expected').max(MAX_INPUTS),
        ],
        'text, a list of texts, or a list of parts is expected',
      )
      .describe('A text; a list of texts, each with a verdict; or the parts of one message.'),
  })
  .meta({ id: 'ModerationRequest', example: { input: 'I will hurt you.' } });

const byCategory = <Field extends z.ZodType>(value: Field) => z.record(z.string(), value);

export const moderationResponse = z
  .looseObject({
    id: z.string(),
    model: z.string().describe('`weir-moderation-1` where the rules of the gateway classified the input.'),
    results: z.array(
      z.looseObject({
        flagged: z.boolean(),
        categories: byCategory(z.boolean()),
        category_scores: byCategory(z.number()),
        category_applied_input_types: byCategory(z.array(z.string())).optional(),
      }),
    ),
  })
  .meta({ id: 'ModerationResponse' });

/** The route of requests that no upstream serves. It has no target: the interceptor `moderation` responds. */
const RULES_ROUTE: ModelRoute = {
  id: 'weir-moderation',
  label: 'weir-moderation',
  strategy: 'power-of-two',
  targets: [],
  fallbacks: [],
  fallbacksOn: {},
  strict: false,
  facts: undefined,
};

/** Adds `POST /v1/moderations`. */
export function addModerationRoutes(router: HttpRouter, services: ApiServices): void {
  addInferenceRoute(router, services, '/v1/moderations', {
    operation: 'moderation',
    parse: (body, snapshot, { request }) => moderationCall(body, request.headers, snapshot.moderationModel),
    resolve: ({ model }, snapshot, principal) => routeOf(model, snapshot, principal),
  });
}

/** @throws GatewayError `model_not_found`, or `invalid_request` for a model that does not classify content */
function routeOf(model: string, snapshot: ApiSnapshot, principal: Principal): ModelRoute {
  const known = snapshot.directory.resolve(model);
  if (known?.targets.some((target) => target.provider.adapter.moderates?.(target))) {
    return resolveFor(snapshot, principal, model);
  }
  if (OWN_MODELS.test(model)) return RULES_ROUTE;
  const route = resolveFor(snapshot, principal, model);
  throw new GatewayError(
    'invalid_request',
    `The model "${route.id.slice(0, 200)}" does not classify content. Leave "model" out, or use a moderation model.`,
    { param: 'model' },
  );
}

function moderationCall(
  { text, json }: JsonBody,
  headers: HeaderReader,
  defaultModel: string | undefined,
): ModerationCall {
  const { input } = validate(moderationRequest, json);
  const named = asString(json.model);
  const model = named ?? defaultModel ?? DEFAULT_MODEL;
  const body = named === undefined ? { ...json, model } : json;
  return {
    operation: 'moderation',
    model,
    stream: false,
    text: named === undefined ? editMembers(text, { model: JSON.stringify(model) }) : text,
    body,
    headers,
    view: () =>
      new PromptView({
        affinityKey: openAiAffinityKey(body),
        messages: json.input,
        requestDemand: () => embeddingDemand(body),
      }),
    moderation: { inputs: inputsOf(input) },
    render: renderModeration,
  };
}

function inputsOf(input: z.infer<typeof moderationRequest>['input']): readonly ModerationInput[] {
  if (typeof input === 'string') return [{ texts: [input], images: 0 }];
  const texts: string[] = [];
  let images = 0;
  let hasParts = false;
  for (const item of input) {
    if (typeof item === 'string') texts.push(item);
    else {
      hasParts = true;
      if (item.type === 'text') texts.push(item.text);
      else images += 1;
    }
  }
  return hasParts ? [{ texts, images }] : texts.map((text) => ({ texts: [text], images: 0 }));
}

function renderModeration({ id, model, verdicts }: ModerationResult): string {
  return JSON.stringify({ id, model, results: verdicts.map(renderVerdict) });
}

function renderVerdict({ scores, flagged }: ModerationVerdict): Readonly<Record<string, unknown>> {
  const each = <Member>(memberOf: (category: ModerationCategory) => Member) =>
    Object.fromEntries(MODERATION_CATEGORIES.map((category) => [category, memberOf(category)]));
  return {
    flagged: flagged.length > 0,
    categories: each((category) => flagged.includes(category)),
    category_scores: each((category) => scores[category] ?? 0),
    category_applied_input_types: each(() => ['text']),
  };
}
