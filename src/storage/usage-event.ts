/** The usage of one attempt of a request. Times are Unix milliseconds; money is 10^-12 US dollars. */
export interface UsageEvent {
  /** Unique among all events of all gateways. */
  readonly id: string;
  readonly tenant: string;
  readonly requestId: string;
  readonly at: number;
  readonly keyId: string;
  readonly member: string | null;
  /** The configured model; from a bounded set. */
  readonly model: string;
  readonly provider: string;
  readonly upstreamModel: string;
  readonly operation: string;
  readonly tags: readonly string[];
  /** HTTP status of the request. */
  readonly status: number;
  /** Outcome of the attempt. */
  readonly outcome: string;
  /** 1 for one attempt of each request, 0 for its others: their sum is the number of requests. */
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number;
  /** Null where no price is known. */
  readonly costPico: number | null;
  /** The part of it that output tokens have; absent where it is 0, and in events of earlier versions. */
  readonly outputCostPico?: number | undefined;
  /** True when Weir counted the tokens because the upstream did not report them. */
  readonly estimated: boolean;
  readonly durationMs: number;
  readonly firstEventMs: number | null;
  /** Of a response from the cache: what it would have cost, and how long it would have taken. */
  readonly saved?: { readonly costPico: number; readonly ms: number } | undefined;
  /** What the provider's prompt cache saved; negative where writing to it cost more. */
  readonly promptSavedPico?: number | undefined;
  /** The whole request, with the attempt that counts for it and with requests that reached no target. */
  readonly request?: RequestFacts | undefined;
  /** The application that sent the request, such as `OpenAI/Python`; see `clientOf`. */
  readonly client?: string | undefined;
}

/** A request as its client saw it. */
export interface RequestFacts {
  readonly durationMs: number;
  /** Of a stream: until its first event. */
  readonly firstEventMs: number | null;
  /** Code of the error that ended it. */
  readonly error: string | null;
  readonly traceId: string | null;
  /** Requests that the event stands for: more than 1 where many were rejected for the same reason at once. */
  readonly count: number;
}

/**
 * Outcome of an event that is of no attempt: its requests were rejected before. It has no provider, and neither counts as a
 * request nor as an attempt of usage.
 */
export const REJECTED = 'rejected';

/**
 * @returns the event as one line: its fields as a JSON list, which is half as long as an object. Add new fields at the
 * end, as optional: old lines lack them.
 */
export function lineOf(event: UsageEvent): string {
  return JSON.stringify([
    event.id,
    event.tenant,
    event.requestId,
    event.at,
    event.keyId,
    event.member,
    event.model,
    event.provider,
    event.upstreamModel,
    event.operation,
    event.tags,
    event.status,
    event.outcome,
    event.requests,
    event.inputTokens,
    event.outputTokens,
    event.cachedTokens,
    event.cacheWriteTokens,
    event.reasoningTokens,
    event.costPico,
    event.estimated,
    event.durationMs,
    event.firstEventMs,
    ...moreOf(event),
  ]);
}

/** The optional fields. */
function moreOf({
  saved,
  promptSavedPico,
  request,
  outputCostPico,
  client,
}: UsageEvent): readonly (string | number | null)[] {
  const isLater = outputCostPico !== undefined || client !== undefined;
  if (!saved && promptSavedPico === undefined && !request && !isLater) return NOTHING;
  const ofCaches = [saved?.costPico ?? null, saved?.ms ?? null, promptSavedPico ?? null];
  if (!request) return isLater ? [...ofCaches, ...NO_REQUEST, ...laterOf(outputCostPico, client)] : ofCaches;
  const { durationMs, firstEventMs, error, traceId, count } = request;
  const facts = [...ofCaches, durationMs, firstEventMs, error, traceId, count];
  if (isLater) facts.push(...laterOf(outputCostPico, client));
  return facts;
}

function laterOf(
  outputCostPico: number | undefined,
  client: string | undefined,
): readonly (string | number | null)[] {
  return client === undefined ? [outputCostPico ?? null] : [outputCostPico ?? null, client];
}

const NOTHING: readonly never[] = [];
/** The facts of a request, where an attempt does not count for it. */
const NO_REQUEST = [null, null, null, null, null] as const;

/** @returns undefined for a line that is incomplete or not an event */
export function eventOf(line: string): UsageEvent | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return undefined;
  }
  return Array.isArray(fields) ? checked(fields) : undefined;
}

/** Written out, because a schema library takes twice as long as parsing the line. */
function checked(fields: readonly unknown[]): UsageEvent | undefined {
  const [id, tenant, requestId, at, keyId, member, model, provider] = fields;
  const { 8: upstreamModel, 9: operation, 10: tags, 11: status, 12: outcome, 13: requests } = fields;
  const { 14: inputTokens, 15: outputTokens, 16: cachedTokens, 17: cacheWriteTokens } = fields;
  const { 18: reasoningTokens, 19: costPico, 20: estimated, 21: durationMs, 22: firstEventMs } = fields;
  const { 23: savedPico = null, 24: savedMs = null, 25: promptSavedPico = null } = fields;
  const { 26: requestMs, 27: requestFirstMs, 28: error, 29: traceId, 30: count } = fields;
  const { 31: outputCostPico = null, 32: client = null } = fields;
  if (
    !isText(id) ||
    !isText(tenant) ||
    !isText(requestId) ||
    !isCount(at) ||
    !isText(keyId) ||
    !(member === null || isText(member)) ||
    !isText(model) ||
    !isText(provider) ||
    !isText(upstreamModel) ||
    !isText(operation) ||
    !(Array.isArray(tags) && tags.every(isText)) ||
    !isCount(status) ||
    !isText(outcome) ||
    !isCount(requests) ||
    !isCount(inputTokens) ||
    !isCount(outputTokens) ||
    !isCount(cachedTokens) ||
    !isCount(cacheWriteTokens) ||
    !isCount(reasoningTokens) ||
    !(costPico === null || isCount(costPico)) ||
    typeof estimated !== 'boolean' ||
    !isCount(durationMs) ||
    !(firstEventMs === null || isCount(firstEventMs)) ||
    !(savedPico === null || isCount(savedPico)) ||
    !(savedMs === null || isCount(savedMs)) ||
    !(promptSavedPico === null || isCount(promptSavedPico)) ||
    !(outputCostPico === null || isCount(outputCostPico)) ||
    !(client === null || isText(client))
  ) {
    return undefined;
  }
  let request: RequestFacts | undefined;
  if (requestMs !== undefined && requestMs !== null) {
    if (
      !isCount(requestMs) ||
      !(requestFirstMs === null || isCount(requestFirstMs)) ||
      !(error === null || isText(error)) ||
      !(traceId === null || isText(traceId)) ||
      !isCount(count)
    ) {
      return undefined;
    }
    request = { durationMs: requestMs, firstEventMs: requestFirstMs, error, traceId, count };
  }
  // Spreading shorter lists would copy each field again.
  return {
    id,
    tenant,
    requestId,
    at,
    keyId,
    member,
    model,
    provider,
    upstreamModel,
    operation,
    tags,
    status,
    outcome,
    requests,
    inputTokens,
    outputTokens,
    cachedTokens,
    cacheWriteTokens,
    reasoningTokens,
    costPico,
    estimated,
    durationMs,
    firstEventMs,
    ...(outputCostPico === null ? {} : { outputCostPico }),
    ...(promptSavedPico === null ? {} : { promptSavedPico }),
    ...(savedMs === null ? {} : { saved: { costPico: savedPico ?? 0, ms: savedMs } }),
    ...(request ? { request } : {}),
    ...(client === null ? {} : { client }),
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
