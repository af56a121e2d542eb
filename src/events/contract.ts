import { z } from 'zod';

/** What emitter and subscribers of an event agree on. */
export interface EventContract<Schema extends z.ZodType = z.ZodType> {
  /** Rises when a field changes its meaning or is removed. New fields keep it. */
  readonly version: number;
  /** When the event is emitted; for the documentation. */
  readonly summary: string;
  readonly schema: Schema;
}

/** The contract of an event that is stored with the change that it reports. */
export interface DurableEventContract<Data extends z.ZodType = z.ZodType> {
  readonly version: number;
  readonly summary: string;
  readonly data: Data;
  /** Events of one subject are delivered in their order; `key:key_1`, for example. */
  subjectOf(data: z.infer<Data>): string;
  /** For the documentation, and for events that developers trigger. */
  readonly example: z.infer<Data>;
}

/** Defines an event of this process. */
export function event<Shape extends z.ZodRawShape>(summary: string, shape: Shape, version = 1) {
  return { version, summary, schema: z.strictObject(shape) } satisfies EventContract;
}

/**
 * Defines a durable event.
 * @param subjectOf names the thing whose events are delivered in order
 * @param example data as a subscriber receives it
 */
export function durable<Shape extends z.ZodRawShape>(
  summary: string,
  shape: Shape,
  subjectOf: (data: z.infer<z.ZodObject<Shape, z.core.$strict>>) => string,
  example: z.infer<z.ZodObject<Shape, z.core.$strict>>,
  version = 1,
) {
  return { version, summary, data: z.strictObject(shape), subjectOf, example };
}

export const text = z.string();
export const count = z.int().nonnegative();
/** Unix milliseconds. */
export const time = z.int().nonnegative().describe('Unix milliseconds');
/** What was thrown. */
export const error = z.unknown();
