import { z } from 'zod';

const count = z.number().int();

/** What one attempt of a request has used. Times are Unix milliseconds; money is millionths of a millionth of a US dollar. */
export const usageEvent = z.object({
  /** Unique among all events of all gateways. */
  id: z.string(),
  tenant: z.string(),
  requestId: z.string(),
  at: count,
  keyId: z.string(),
  member: z.string().nullable(),
  /** The model as it is configured; bounded. */
  model: z.string(),
  provider: z.string(),
  upstreamModel: z.string(),
  operation: z.string(),
  tags: z.array(z.string()).readonly(),
  /** Of the request. */
  status: count,
  /** Of the attempt. */
  outcome: z.string(),
  /** 1 for the attempt that the request is counted by, 0 for its others. */
  requests: count,
  inputTokens: count,
  outputTokens: count,
  cachedTokens: count,
  cacheWriteTokens: count,
  reasoningTokens: count,
  /** Null where no price is known. */
  costPico: count.nullable(),
  /** The tokens were counted here, and not by the upstream. */
  estimated: z.boolean(),
  durationMs: count,
  firstEventMs: count.nullable(),
});

export type UsageEvent = Readonly<z.infer<typeof usageEvent>>;

/** The fields in the order of a line. New ones are added at the end, and old lines then lack them. */
const FIELDS = Object.keys(usageEvent.shape);

/** An event as one line of text: its fields as a JSON list, which is half as long as an object. */
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

/** Undefined for a line that is cut off, or none. */
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
