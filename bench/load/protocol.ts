/** What the bench says to its load process, and what that answers: one JSON object per line, one job at a time. */
import { z } from 'zod';

/** Where requests go and what they carry; a body is sent as it is. */
export const endpoint = z.object({
  hostname: z.string(),
  port: z.number().int(),
  path: z.string(),
  headers: z.record(z.string(), z.string()),
});
export type Endpoint = z.infer<typeof endpoint>;

const target = { endpoint, body: z.string() };

/** API keys and models that requests use in turn, each list from the start when it is over. */
export const rotation = z.object({ keys: z.array(z.string()).min(1), models: z.array(z.string()).min(1) });
export type Rotation = z.infer<typeof rotation>;

export const job = z.discriminatedUnion('type', [
  /** One request; the answer comes back as text. */
  z.object({ type: z.literal('probe'), ...target }),
  /** Closed loop: each connection sends its next request when the last is answered. */
  z.object({
    type: z.literal('closed'),
    ...target,
    requests: z.number(),
    connections: z.number(),
    /** Replaces the key of the endpoint and the model of the body; undefined sends the same request each time. */
    rotation: rotation.optional(),
    /** Number of requests that earlier jobs sent with this rotation: it goes on from there. */
    rotated: z.number().optional(),
  }),
  /** Open loop: requests leave at a fixed rate, whether earlier ones are answered or not. */
  z.object({
    type: z.literal('rate'),
    ...target,
    perSecond: z.number(),
    durationMs: z.number(),
    /** Requests of the first so many milliseconds are sent but not timed: connections open, code gets hot. */
    untimedMs: z.number(),
    maxConnections: z.number(),
  }),
  /** Streams read to their end, started at a fixed rate. */
  z.object({
    type: z.literal('streams'),
    ...target,
    count: z.number(),
    startsPerSecond: z.number(),
    /** The first so many streams are read but not timed: connections open meanwhile. */
    untimed: z.number().optional(),
    /** Read this many events, then close the connection; undefined reads all. */
    abortAfter: z.number().optional(),
    maxOpen: z.number(),
  }),
  /** Opens more streams until `count` are open, and keeps them. */
  z.object({ type: z.literal('hold'), ...target, count: z.number(), maxPending: z.number() }),
  /** How many of the held streams are still open. */
  z.object({ type: z.literal('held') }),
  /** Closes all held streams. */
  z.object({ type: z.literal('release') }),
]);
export type Job = z.infer<typeof job>;

/** Times in microseconds. */
export const distribution = z.object({
  count: z.number(),
  mean: z.number(),
  p50: z.number(),
  p90: z.number(),
  p95: z.number(),
  p99: z.number(),
  max: z.number(),
});

/** How many requests failed, and the first few reasons. */
const failures = { failed: z.number(), reasons: z.array(z.string()) };

export const results = {
  probe: z.object({ status: z.number(), body: z.string(), ...failures }),
  closed: z.object({ completed: z.number(), latency: distribution, ...failures }),
  rate: z.object({ completed: z.number(), latency: distribution, ...failures }),
  streams: z.object({
    completed: z.number(),
    events: z.number(),
    /** From the request's first byte out to the first event's last byte in. */
    firstEvent: distribution,
    /** Between two events of one stream. */
    gap: distribution,
    ...failures,
  }),
  hold: z.object({ open: z.number(), ...failures }),
  held: z.object({ open: z.number(), events: z.number(), dropped: z.number() }),
  release: z.object({ closed: z.number() }),
} as const;

export type ResultOf<T extends Job['type']> = z.infer<(typeof results)[T]>;

export const reply = z.object({
  id: z.number(),
  result: z.unknown().optional(),
  error: z.string().optional(),
});
export const command = z.object({ id: z.number(), job });
