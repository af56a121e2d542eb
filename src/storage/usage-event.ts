import { z } from 'zod';

const count = z.number().int();

/** The usage of one attempt of a request. Times are Unix milliseconds; money is 10^-12 US dollars. */
export const usageEvent = z.object({
  /** Unique among all events of all gateways. */
  id: z.string(),
  tenant: z.string(),
  requestId: z.string(),
  at: count,
  keyId: z.string(),
  member: z.string().nullable(),
  /** The configured model; from a bounded set. */
  model: z.string(),
  provider: z.string(),
  upstreamModel: z.string(),
  operation: z.string(),
  tags: z.array(z.string()).readonly(),
  /** HTTP status of the request. */
  status: count,
  /** Outcome of the attempt. */
  outcome: z.string(),
  /** 1 for one attempt of each request, 0 for its others: their sum is the number of requests. */
  requests: count,
  inputTokens: count,
  outputTokens: count,
  cachedTokens: count,
  cacheWriteTokens: count,
  reasoningTokens: count,
  /** Null where no price is known. */
  costPico: count.nullable(),
  /** True when Weir counted the tokens because the upstream did not report them. */
  estimated: z.boolean(),
  durationMs: count,
  firstEventMs: count.nullable(),
});

export type UsageEvent = Readonly<z.infer<typeof usageEvent>>;

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
  ]);
}

/** @returns undefined for a line that is incomplete or not an event */
export function eventOf(line: string): UsageEvent | undefined {
  let values: unknown;
  try {
    values = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!Array.isArray(values)) return undefined;
  const parsed = usageEvent.safeParse({
    id: values[0],
    tenant: values[1],
    requestId: values[2],
    at: values[3],
    keyId: values[4],
    member: values[5],
    model: values[6],
    provider: values[7],
    upstreamModel: values[8],
    operation: values[9],
    tags: values[10],
    status: values[11],
    outcome: values[12],
    requests: values[13],
    inputTokens: values[14],
    outputTokens: values[15],
    cachedTokens: values[16],
    cacheWriteTokens: values[17],
    reasoningTokens: values[18],
    costPico: values[19],
    estimated: values[20],
    durationMs: values[21],
    firstEventMs: values[22],
  });
  return parsed.data;
}
