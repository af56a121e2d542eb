import { z } from 'zod';
import type { Usage } from '../../core/usage.ts';
import { dollarsOfPico } from '../../metering/price.ts';
import { type PriceLine, priceLines } from '../../metering/price-lines.ts';
import { explain } from '../../pipeline/explain.ts';
import type { RequestRecord } from '../../pipeline/request-record.ts';
import { durationOf, type KeptRequest } from '../../storage/kept-request.ts';
import type { LoggedContent } from '../../storage/logged-request.ts';
import type { UsageEvent } from '../../storage/usage-event.ts';
import { openContent } from '../../tenancy/sealed-content.ts';
import { time } from './paging.ts';
import { loggedMessages, messagesOf } from './request-log.ts';
import type { AdminServices } from './services.ts';
import type { VisibleTenant } from './visible-tenants.ts';

const priceLine = z.object({
  of: z.string(),
  tokens: z.number().int(),
  usd_per_million: z.string().nullable(),
  cost: z.string().nullable().describe('US dollars, as an exact decimal; null where the price is not known.'),
});

export const requestDetails = z
  .looseObject({
    id: z.string(),
    source: z
      .enum(['memory', 'log', 'usage'])
      .describe(
        '`memory` of this process or the request `log`, with the routing decision; or the stored `usage`, without it.',
      ),
    tenant: z.string(),
    key: z.string(),
    user: z.string().nullable(),
    trace_id: z.string().nullable(),
    outcome: z.string(),
    looks: z
      .array(z.looseObject({ model: z.string(), strategy: z.string() }))
      .optional()
      .describe('The routing decisions, with the targets that were evaluated.'),
    not_allowed: z
      .array(z.object({ model: z.string(), because: z.string() }))
      .optional()
      .describe(
        'Models that the request did not reach because its key may not use them, and why it would have gone there: `escalation`, `experiment`, `mirror`, or the kind of a fallback.',
      ),
    attempts: z.array(z.looseObject({ provider: z.string(), model: z.string() })),
    cache: z.object({ status: z.string(), kind: z.string().nullable() }).nullable().optional(),
    guardrails: z.array(z.string()).readonly().optional().describe('What guardrails found and did.'),
    checks: z
      .array(z.looseObject({ guardrail: z.string(), version: z.string(), outcome: z.string() }))
      .optional()
      .describe('What each guardrail decided, in their order, with its score, findings and time.'),
    messages: loggedMessages
      .nullable()
      .describe('What was sent and received; null where the tenant has no request log.'),
    price: z
      .array(priceLine)
      .describe('Cost of the response line by line, at the prices of the configuration.'),
  })
  .meta({ id: 'RequestExplanation' });

type Details = z.output<typeof requestDetails>;

/** Gathers everything that is known of a request. */
export class RequestDetails {
  constructor(
    private readonly services: Pick<AdminServices, 'recent' | 'requests' | 'requestLog' | 'snapshot'>,
  ) {}

  /**
   * @param tenants in which it is looked for, when this process does not remember it
   * @param sees whether the caller may see the requests of a member of a tenant
   * @returns undefined for a request that is not kept, or that the caller may not see
   */
  async find(
    id: string,
    tenants: readonly VisibleTenant[],
    sees: (tenant: string, member: string | null | undefined) => boolean,
  ): Promise<Details | undefined> {
    const record = this.services.recent.find(id);
    const isWanted = record && tenants.some(({ tenant }) => tenant === record.tenant);
    if (isWanted && sees(record.tenant, record.member)) {
      const logged = await this.#logged(record.tenant, id);
      return { ...this.#ofRecord(record), messages: logged ? messagesOf(logged) : null };
    }
    for (const { tenant } of tenants) {
      const kept = await this.services.requests.find({ tenant }, id);
      if (kept && !sees(tenant, kept.main.member)) continue;
      const logged = await this.#logged(tenant, id);
      if (logged && sees(tenant, logged.summary.user)) return this.#ofLogged(logged, kept);
      if (kept) return this.#ofKept(tenant, kept);
    }
    return undefined;
  }

  async #logged(tenant: string, id: string): Promise<LoggedContent | undefined> {
    const query = { from: 0, to: Number.MAX_SAFE_INTEGER, filter: { id }, after: undefined, limit: 1 };
    const [found] = await this.services.requestLog.store.list({ tenant }, query);
    return found && openContent(found, await this.services.requestLog.keys.all({ tenant }));
  }

  #ofLogged(logged: LoggedContent, kept: KeptRequest | undefined): Details {
    const { summary, explanation } = logged;
    return {
      ...explanation,
      ...{ id: summary.id, source: 'log', tenant: summary.tenant, key: summary.key, user: summary.user },
      ...{ trace_id: summary.trace_id, outcome: summary.outcome, cost: summary.cost, tags: summary.tags },
      attempts: requestDetails.shape.attempts.parse(explanation.attempts),
      looks: requestDetails.shape.looks.parse(explanation.looks),
      not_allowed: requestDetails.shape.not_allowed.parse(explanation.not_allowed),
      checks: requestDetails.shape.checks.parse(explanation.checks),
      messages: messagesOf(logged),
      price: kept?.attempts.includes(kept.main) ? this.#linesOf(summary.tenant, kept.main) : [],
    };
  }

  #ofRecord(record: RequestRecord): Details {
    const { prices } = this.services.snapshot();
    const { usage, attempts, decisions, tenant, at, isBatch, cache } = record;
    const last = attempts.at(-1);
    const decided = decisions
      .flatMap(({ evaluated, facts }) => evaluated.map(({ target }) => ({ target, facts })))
      .find(({ target }) => target.provider.id === last?.provider && target.model === last.model);
    const price = decided && prices.of(decided.target, decided.facts, { tenant, at, isBatch });
    return {
      ...explain(record, prices),
      source: 'memory',
      messages: null,
      key: record.keyId,
      user: record.member ?? null,
      trace_id: record.traceId ?? null,
      cache: cache ? { status: cache.status, kind: cache.kind ?? null } : null,
      guardrails: record.guardrails,
      price: usage ? priceLines(price, usage).map(renderLine) : [],
    };
  }

  #ofKept(tenant: string, request: KeptRequest): Details {
    const { main, attempts, costPico } = request;
    const startedAt = main.at - durationOf(request);
    return {
      id: main.requestId,
      source: 'usage',
      messages: null,
      tenant,
      key: main.keyId,
      user: main.member,
      trace_id: main.request?.traceId ?? null,
      model: main.model,
      at: time(startedAt),
      status: main.status,
      outcome: main.outcome,
      ...(main.request?.error ? { error: main.request.error } : {}),
      duration_ms: durationOf(request),
      first_event_ms: main.request?.firstEventMs ?? undefined,
      cost: costPico === undefined ? null : dollarsOfPico(costPico),
      tags: main.tags,
      attempts: attempts.map(renderAttempt),
      price: attempts.includes(main) ? this.#linesOf(tenant, main) : [],
    };
  }

  #linesOf(tenant: string, event: UsageEvent): z.output<typeof priceLine>[] {
    const { prices, providers, directory } = this.services.snapshot();
    const provider = providers.find(({ id }) => id === event.provider);
    const facts = directory.resolve(event.model)?.facts;
    const target = provider && { provider, model: event.upstreamModel, weight: 1 };
    const usage: Usage = {
      ...{ inputTokens: event.inputTokens, outputTokens: event.outputTokens },
      ...{ cachedInputTokens: event.cachedTokens, cacheWriteTokens: event.cacheWriteTokens, raw: {} },
    };
    const price = target && prices.of(target, facts, { tenant, at: event.at });
    return priceLines(price, usage).map(renderLine);
  }
}

function renderAttempt(event: UsageEvent) {
  return {
    provider: event.provider,
    model: event.upstreamModel,
    outcome: event.outcome,
    duration_ms: event.durationMs,
    first_event_ms: event.firstEventMs ?? undefined,
    input_tokens: event.inputTokens,
    output_tokens: event.outputTokens,
    ...(event.estimated ? { estimated: true } : {}),
    cost_usd: event.costPico === null ? undefined : dollarsOfPico(event.costPico),
  };
}

function renderLine({ of, tokens, perMillion, cost }: PriceLine): z.output<typeof priceLine> {
  return { of, tokens, usd_per_million: perMillion, cost };
}
