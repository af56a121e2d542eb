import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

/** A parameter of a query that is a whole number. */
export const wholeNumber = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, `must be from ${minimum} to ${maximum}`)
    .meta({ type: 'integer', minimum, maximum });

/** Query parameters of paged lists. */
export const paging = {
  limit: wholeNumber(1, MAX_LIMIT)
    .default(DEFAULT_LIMIT)
    .describe(`Maximum number of items. Default: ${DEFAULT_LIMIT}; maximum: ${MAX_LIMIT}.`),
  after: z.string().max(500).optional().describe('The `next` of the previous page.'),
};

export function listOf(item: z.ZodType, name: string) {
  return z
    .object({
      object: z.literal('list'),
      data: z.array(item),
      has_more: z.boolean(),
      next: z.string().nullable().describe('Value of `after` for the next page; null on the last page.'),
    })
    .meta({ id: name });
}

/**
 * Builds one page of a list.
 * @param found the items from the cursor on: one more than `limit` if there are more
 * @param cursor returns the position of an item, as JSON
 */
export function page<Item, Shown>(
  found: readonly Item[],
  limit: number,
  cursor: (last: Item) => unknown,
  show: (item: Item) => Shown,
) {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const more = found.length > limit && last !== undefined;
  return {
    object: 'list' as const,
    data: items.map(show),
    has_more: more,
    next: more ? cursorText(cursor(last)) : null,
  };
}

/** @returns a position as a cursor */
export const cursorText = (position: unknown): string =>
  Buffer.from(JSON.stringify(position)).toString('base64url');

/** Reads a cursor. @throws GatewayError `invalid_request` when `after` is not the `next` of such a list */
export function cursorOf<T>(schema: z.ZodType<T>, after: string | undefined): T | undefined {
  if (after === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(Buffer.from(after, 'base64url').toString('utf8')));
  } catch (cause) {
    throw new GatewayError(
      'invalid_request',
      '"after" is not valid: it must be the "next" of the page before.',
      {
        param: 'after',
        cause,
      },
    );
  }
}

/** Cursor of lists in the order of ids. */
export const idCursor = z.string().max(200);
/** Cursor of lists in the order of time, then id. */
export const timeCursor = z.object({ at: z.int(), id: z.string().max(200) });

/** A time in a response: ISO 8601, in UTC. */
export const time = (unixMs: number) => new Date(unixMs).toISOString();
export const timeOrNull = (unixMs: number | null) => (unixMs === null ? null : time(unixMs));

/** A time in a request: ISO 8601 with its offset. */
export const timeInput = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
  .transform((text) => Date.parse(text));
