import { z } from 'zod';

const DAY_MS = 86_400_000;
const MIB = 1024 * 1024;

/** A tenant's log of prompts and responses. */
export const requestLogDocument = z.strictObject({
  days: z.int().min(1).max(3_650).default(30).describe('Days that requests are kept.'),
  max_mb: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1_000)
    .describe('MiB that are kept at most, sealed; beyond that, the oldest requests are deleted.'),
});
export type RequestLogDocument = z.infer<typeof requestLogDocument>;

/** @returns how long, in milliseconds, and how much, in bytes, a tenant's log is kept */
export function logBounds({ days, max_mb }: RequestLogDocument) {
  return { keepMs: days * DAY_MS, maxBytes: max_mb * MIB };
}
