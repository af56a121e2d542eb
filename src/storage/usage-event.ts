import { z } from 'zod';

const count = z.number().int();

/** What one attempt of a request has used. Times are Unix milliseconds; money is millionths of a millionth of a US dollar. */
export const usageEvent = z.object({
  /** Unique among all events of all gateways, so that one that arrives twice counts once. */
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
  tags: z.array(z.string()),
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

/** Where usage is kept. What was written before is not written again. */
export interface UsageSink {
  /** @throws when it could not be kept; all of it may be tried again */
  write(tenant: string, events: readonly UsageEvent[]): Promise<void>;
}
