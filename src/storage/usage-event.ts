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

/** The fields in the order of a line. Add new ones at the end, as optional: old lines lack them. */
const FIELDS = Object.keys(usageEvent.shape);

/** @returns the event as one line: its fields as a JSON list, which is half as long as an object */
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
  return usageEvent.safeParse(Object.fromEntries(FIELDS.map((name, at) => [name, values[at]]))).data;
}
