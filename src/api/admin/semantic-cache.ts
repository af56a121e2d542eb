import { z } from 'zod';
import type { PairState } from '../../cache/semantic/false-hit-monitor.ts';
import type { PairReport, SemanticDecision } from '../../cache/semantic/semantic-report.ts';
import { GatewayError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { requestTexts } from '../../guardrails/request-texts.ts';
import { dollarsOfPico } from '../../metering/price.ts';
import { assertAllowed } from '../../tenancy/actor.ts';
import type { ChangeContext } from '../../tenancy/change-context.ts';
import { openContent } from '../../tenancy/sealed-content.ts';
import { time } from './paging.ts';
import { adminRoute, NO_BODY, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const PICO_PER_NANO = 1_000;
/** Decisions whose questions are read from the log. */
const MAX_TEXTS = 20;
/** Characters of a question. */
const MAX_QUESTION = 600;

const count = z.number().int();
const model = z.string().min(1).max(400);

const decisionObject = z.object({
  at: z.string(),
  request: z.string(),
  result: z.enum(['hit', 'would_hit', 'rejected']),
  similarity: z.number().nullable(),
  matched_request: z.string().nullable().describe('The request that the stored response was made for.'),
  reason: z
    .string()
    .nullable()
    .describe(
      'Why it was not served: `shadow` or `disabled`; of a rejected candidate, the difference that the guard or the judge found.',
    ),
  false_hit: z
    .boolean()
    .nullable()
    .describe('Whether the responses differ; null where they were not compared.'),
  question: z.string().nullable().describe('With `texts=true`, where the request is in the log.'),
  matched_question: z.string().nullable(),
});

const modelObject = z.object({
  ...{
    tenant: z.string(),
    model: z.string(),
    since: z.string().describe('The first lookup of this gateway.'),
  },
  lookups: z.object({ hit: count, would_hit: count, rejected: count, none: count, skipped: count }),
  rejected_by: z.record(z.string(), count).describe('Rejected candidates by the difference that was found.'),
  would_have_saved_usd: z.string().describe('By hits that were not served; an exact decimal.'),
  would_have_saved_seconds: z.number(),
  compared_hits: count.describe('Since then, those of before a pause included.'),
  false_hits: count,
  false_hit_percent: z.number().describe('Of the last compared hits, at most 200, since the last pause.'),
  disabled_until: z.string().nullable().describe('No hit is served until then.'),
  disabled_by: z
    .object({ at: z.string(), compared_hits: count, false_hit_percent: z.number(), max_percent: z.number() })
    .nullable()
    .describe('The comparisons that disabled it last.'),
  recent: z.array(decisionObject).describe('The latest decisions that had a candidate, at most 50.'),
});

const reportObject = z
  .object({ object: z.literal('semantic_cache_report'), models: z.array(modelObject) })
  .meta({ id: 'SemanticCacheReport' });
const enabledObject = z
  .object({ tenant: z.string(), model: z.string(), enabled: z.literal(true) })
  .meta({ id: 'SemanticCacheEnabled' });

interface Questions {
  readonly of: (requestId: string) => string | null;
}
const NO_QUESTIONS: Questions = { of: () => null };

/** What the semantic cache served, would have served, and rejected; and a way to serve again. */
export function semanticCacheRoutes({
  cache,
  auditQueue,
  requestLog,
  access,
}: AdminServices): RegisteredRoute[] {
  const statesOf = (tenant: string | undefined) =>
    new Map(cache.semanticStates(tenant).map((state) => [keyOf(state), state]));

  /** The questions of logged requests. */
  const read = async (tenant: string, ids: ReadonlySet<string>): Promise<Questions> => {
    const keys = await requestLog.keys.all({ tenant });
    const found = new Map<string, string>();
    for (const id of ids) {
      const query = { from: 0, to: Number.MAX_SAFE_INTEGER, filter: { id }, after: undefined, limit: 1 };
      const [row] = await requestLog.store.list({ tenant }, query);
      const question = row && questionOf(openContent(row, keys)?.request);
      if (question) found.set(id, question);
    }
    return { of: (id) => found.get(id) ?? null };
  };

  const enable = async (by: ChangeContext, tenant: string, name: string) => {
    cache.enableSemantic(tenant, name);
    // A tenant that does not exist has no trail.
    const trail = access.tenant(tenant) ? tenant : undefined;
    await auditQueue.record(trail, by, 'cache.semantic_enable', 'cache', { tenant, model: name });
    return { body: { tenant, model: name, enabled: true } };
  };

  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/cache/semantic',
      permission: 'platform:read',
      summary: 'Get what the semantic cache found, by tenant and model',
      description: 'Of the gateway that responds, since its start.',
      ...NO_BODY,
      query: z.object({ tenant: z.string().max(63).optional() }),
      response: reportObject,
      handle: async ({ query: { tenant } }) => {
        const states = statesOf(tenant);
        const models = cache
          .semanticReport(tenant)
          .map((pair) => render(pair, states.get(keyOf(pair)), NO_QUESTIONS, pair.decisions));
        return { body: { object: 'semantic_cache_report', models } };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/cache/semantic',
      permission: 'usage:read',
      summary: 'Get what the semantic cache found for a tenant, by model',
      description: `Of the gateway that responds, since its start. \`texts=true\` adds the questions of the latest ${MAX_TEXTS} decisions of a model from the request log, which needs the permission \`requests:read\` and becomes an entry of the audit trail.`,
      ...NO_BODY,
      query: z.object({ model: model.optional(), texts: z.enum(['true', 'false']).optional() }),
      response: reportObject,
      handle: async ({ scope: { tenant }, query, actor, by }) => {
        const hasTexts = query.texts === 'true';
        if (hasTexts) assertAllowed(actor, 'requests:read', tenant);
        if (hasTexts && query.model === undefined) {
          throw new GatewayError('invalid_request', '"texts" needs "model": name one.', { param: 'model' });
        }
        const states = statesOf(tenant);
        const pairs = cache
          .semanticReport(tenant)
          .filter(({ model: name }) => query.model === undefined || query.model === name);
        const models: z.output<typeof modelObject>[] = [];
        for (const pair of pairs) {
          const shown = hasTexts ? pair.decisions.slice(0, MAX_TEXTS) : pair.decisions;
          const ids = new Set(shown.flatMap((one) => [one.requestId, one.matchedRequestId ?? []].flat()));
          const questions = hasTexts ? await read(tenant, ids) : NO_QUESTIONS;
          models.push(render(pair, states.get(keyOf(pair)), questions, shown));
        }
        if (hasTexts) {
          const requests = models.reduce((sum, { recent }) => sum + recent.length, 0);
          await auditQueue.record(tenant, by, 'request_log.read', `tenant:${tenant}`, { requests });
        }
        return { body: { object: 'semantic_cache_report', models } };
      },
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/cache/semantic/enable',
      permission: 'platform:write',
      summary: 'Serve hits of the semantic cache again, where it was disabled by false hits',
      description: 'In the gateway that responds. Its hits are measured again.',
      body: z
        .strictObject({ tenant: z.string().min(1).max(63), model })
        .meta({ id: 'PlatformSemanticCachePair', example: { tenant: 'acme', model: 'chat' } }),
      ...NO_QUERY,
      response: enabledObject,
      handle: ({ body, by }) => enable(by, body.tenant, body.model),
    }),
    adminRoute({
      method: 'POST',
      path: '/admin/v1/tenants/:tenant/cache/semantic/enable',
      permission: 'tenant:write',
      summary: 'Serve hits of the semantic cache to a tenant again, where it was disabled by false hits',
      description: 'In the gateway that responds. Its hits are measured again.',
      body: z.strictObject({ model }).meta({ id: 'SemanticCachePair', example: { model: 'chat' } }),
      ...NO_QUERY,
      response: enabledObject,
      handle: ({ scope, body, by }) => enable(by, scope.tenant, body.model),
    }),
  ];
}

const keyOf = ({ tenant, model: name }: { readonly tenant: string; readonly model: string }) =>
  JSON.stringify([tenant, name]);
const percentOf = (share: number) => Math.round(share * 10_000) / 100;

function render(
  pair: PairReport,
  state: PairState | undefined,
  questions: Questions,
  decisions: readonly SemanticDecision[],
): z.output<typeof modelObject> {
  const { hit, would_hit, rejected, none, skipped } = pair;
  const { disabledUntil, disabledBy, share = 0 } = state ?? {};
  return {
    ...{ tenant: pair.tenant, model: pair.model, since: time(pair.since) },
    lookups: { hit, would_hit, rejected, none, skipped },
    rejected_by: Object.fromEntries(pair.rejectedBy),
    would_have_saved_usd: dollarsOfPico(Math.round(pair.wouldSaveNanoUsd) * PICO_PER_NANO),
    would_have_saved_seconds: Math.round(pair.wouldSaveMs) / 1_000,
    ...{ compared_hits: pair.compared, false_hits: pair.false_hits, false_hit_percent: percentOf(share) },
    disabled_until: disabledUntil === undefined ? null : time(disabledUntil),
    disabled_by: disabledBy
      ? {
          ...{ at: time(disabledBy.at), compared_hits: disabledBy.samples },
          ...{ false_hit_percent: percentOf(disabledBy.share), max_percent: percentOf(disabledBy.maxShare) },
        }
      : null,
    recent: decisions.map(({ at, requestId, result, similarity, matchedRequestId, reason, isFalse }) => ({
      ...{ at: time(at), request: requestId, result, similarity: similarity ?? null },
      ...{ matched_request: matchedRequestId ?? null, reason: reason ?? null, false_hit: isFalse ?? null },
      question: questions.of(requestId),
      matched_question: matchedRequestId === undefined ? null : questions.of(matchedRequestId),
    })),
  };
}

/** The last text of the user, which the semantic cache compares. */
function questionOf(request: unknown): string | undefined {
  if (!isRecord(request)) return undefined;
  const texts = requestTexts(request).filter(({ kind, role }) => kind === 'input' && role === 'user');
  return texts.at(-1)?.text.slice(0, MAX_QUESTION);
}
