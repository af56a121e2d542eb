import { z } from 'zod';
import { duration, integer, size } from './fields.ts';

/** Milliseconds. More than that is a delay, not a batch. */
const LONGEST_WINDOW = 10_000;

/** How requests for embeddings are joined. `true` is all defaults; `false` and null join nothing. */
export const microBatch = () =>
  z
    .preprocess(
      (value) => (value === false || value === undefined ? null : value === true ? {} : value),
      z
        .strictObject({
          window: duration(1)
            .refine((milliseconds) => milliseconds <= LONGEST_WINDOW, 'must be at most 10s')
            .prefault('3ms')
            .describe('How long the first request waits for others, at most 10s.'),
          max_inputs: integer(2, 10_000)
            .prefault(64)
            .describe(
              'The most inputs of one upstream call; a call that is full is sent at once. A request with as many inputs is sent alone.',
            ),
          max_bytes: size()
            .prefault('256KB')
            .describe('The largest size of the joined request bodies together.'),
        })
        .nullable(),
    )
    .describe(
      'Joins requests for embeddings that one tenant sends to the same target within a few milliseconds into one upstream call. `true` joins with the defaults; `false` and null join nothing.',
    );
