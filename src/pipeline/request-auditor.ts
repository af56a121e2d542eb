import type { Principal } from '../core/principal.ts';
import { failureTextRedactor, type RedactText } from '../redaction/failure-text.ts';
import type { AuditQueue } from '../tenancy/audit-queue.ts';
import type { Sources } from '../tenancy/change-context.ts';
import type { GuardrailResult } from './guardrail-run.ts';
import { MinuteQuota } from './minute-quota.ts';
import type { Outcome, RequestContext } from './request-context.ts';
import { RequestDigests } from './request-digests.ts';
import { costSoFar } from './usage-meter.ts';

/** Audit entries of one key about blocked requests, in a minute. */
const BLOCKED_PER_MINUTE = 60;

/** Records the inference requests of tenants that ask for it in their audit trails. No request waits for it. */
export class RequestAuditor {
  readonly #blockedEntries: MinuteQuota;

  constructor(
    private readonly queue: Pick<AuditQueue, 'add'>,
    private readonly sources: Sources,
    private readonly redact: RedactText = failureTextRedactor(),
  ) {
    this.#blockedEntries = new MinuteQuota(BLOCKED_PER_MINUTE, () => sources.clock.wallTime());
  }

  /** @returns undefined for tenants that do not ask for it */
  begin({ auditsRequests }: Principal): RequestDigests | undefined {
    return auditsRequests ? new RequestDigests() : undefined;
  }

  /** @param endedAt monotonic milliseconds */
  completed(request: RequestContext, outcome: Outcome, endedAt: number): void {
    if (request.guardrails?.blocked) this.#blocked(request, request.guardrails.blocked);
    const { audit: digests, identity } = request;
    if (!digests) return;
    const { principal, address = '', id } = identity;
    const common = {
      id: this.sources.newId('aud'),
      at: this.sources.clock.wallTime(),
      ...{ actor: `key:${principal.keyId}`, actor_name: principal.keyName, action: 'inference.request' },
      ...{ subject: `model:${this.#modelOf(request, outcome)}`, address, request_id: id },
    };
    const details = detailsOf(request, outcome, endedAt);
    this.queue.add(principal.tenant, () => ({
      ...common,
      details: JSON.stringify({
        ...details,
        request_sha256: digests.request,
        response_sha256: digests.response,
      }),
    }));
  }

  /** Records what a guardrail blocked, for every tenant; at most some entries of a key each minute. */
  #blocked(
    { identity }: RequestContext,
    { guardrail, stage, counts, score, outcome }: GuardrailResult,
  ): void {
    const { principal, address = '', id } = identity;
    const suppressed = this.#blockedEntries.take(`${principal.tenant} ${principal.keyId}`);
    if (suppressed === undefined) return;
    const entry = {
      id: this.sources.newId('aud'),
      at: this.sources.clock.wallTime(),
      ...{ actor: `key:${principal.keyId}`, actor_name: principal.keyName, action: 'guardrail.block' },
      ...{ subject: `guardrail:${guardrail.id}`, address, request_id: id },
      details: JSON.stringify({
        ...{
          version: guardrail.policy.version,
          direction: stage,
          score,
          findings: Object.fromEntries(counts),
        },
        ...(outcome === 'error' && { failed: true }),
        ...(suppressed > 0 && { entries_left_out: suppressed }),
      }),
    };
    this.queue.add(principal.tenant, () => entry);
  }

  /** The model of a failed request may be a key that a client pasted into the wrong field. */
  #modelOf({ controls: { model = '' } }: RequestContext, outcome: Outcome): string {
    return outcome.kind === 'failed' ? this.redact(model) : model;
  }
}

function detailsOf(request: RequestContext, outcome: Outcome, endedAt: number) {
  const { identity, timing, usage, response, cache, upstream } = request;
  const attempt = upstream.respondedBy ?? upstream.attempts.at(-1);
  return {
    endpoint: identity.route,
    user: identity.principal.member,
    provider: cache?.served ? 'cache' : attempt?.provider,
    upstream_model: cache?.served?.model ?? attempt?.model,
    status: response.status ?? 200,
    outcome: outcome.kind,
    error: outcome.kind === 'failed' ? outcome.error.code : undefined,
    latency_ms: Math.round(endedAt - timing.startedAt),
    input_tokens: usage.usage?.inputTokens,
    output_tokens: usage.usage?.outputTokens,
    cost: usage.usage === undefined ? undefined : costSoFar(request),
    guardrails: request.guardrails?.summary.length ? request.guardrails.summary : undefined,
  };
}
