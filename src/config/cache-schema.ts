import { z } from 'zod';
import { boolean, decimal, duration, integer, nullable, size } from './fields.ts';
import { modelSemanticShape, semanticShape } from './semantic-cache-schema.ts';

/** Lifetimes by name, in the written form of a duration. */
const TTL_PRESETS: Readonly<Record<string, string>> = {
  short: '60s',
  response: '1h',
  embedding: '7d',
  prefix: '1d',
  semantic: '1h',
  models: '1h',
};

export const PRESETS = Object.entries(TTL_PRESETS)
  .map(([name, value]) => `\`${name}\` (${value})`)
  .join(', ');

/** A duration, or a preset. @param min milliseconds */
export const ttl = (min: 0 | 1 = 1) =>
  z.preprocess(
    (value) => (typeof value === 'string' && Object.hasOwn(TTL_PRESETS, value) ? TTL_PRESETS[value] : value),
    duration(min),
  );

/** `false` and null switch a part off. */
const part = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.preprocess(
    (value) => (value === false ? null : value === true ? {} : value),
    z.strictObject(shape).nullable(),
  );

const replay = () => z.enum(['instant', 'paced']);

const price = () =>
  nullable(
    z.strictObject({
      input: decimal().describe('Input tokens of the stored response.'),
      output: decimal().describe('Output tokens of the stored response.'),
    }),
  );

const exact = () =>
  part({
    ttl: ttl()
      .prefault('60s')
      .describe(`How long a response is served: a duration, or a preset: ${PRESETS}.`),
    max_ttl: ttl()
      .prefault('1d')
      .describe('The longest lifetime that a request may ask for with `x-weir-cache-ttl`.'),
    max_entries: integer(1, 10_000_000)
      .prefault(10_000)
      .describe(
        'Responses that are kept; in Redis, for each tenant. The least recently used one is removed first.',
      ),
    max_size: size().prefault('128MB').describe('Bytes that the responses in memory take.'),
    max_entry_size: size().prefault('1MB').describe('The largest response that is stored.'),
    sampled: boolean()
      .prefault(false)
      .describe('Also stores responses to requests with a temperature above 0 or with tools.'),
    stale_while_revalidate: duration(0)
      .prefault('0s')
      .describe(
        'How long after its lifetime a response is still served, while the gateway fetches a new one in the background.',
      ),
    stale_if_error: duration(0)
      .prefault('0s')
      .describe('How long after its lifetime a response is still served when all targets fail.'),
    replay: replay()
      .prefault('instant')
      .describe('How stored streams are sent: at once (`instant`), or at their original pace (`paced`).'),
    price: price().describe('US dollars per million tokens of a response from the cache; null for 0.'),
  });

const embeddings = () =>
  part({
    ttl: ttl()
      .prefault('embedding')
      .describe(`How long a vector is served: a duration, or a preset: ${PRESETS}.`),
    max_entries: integer(1, 100_000_000)
      .prefault(100_000)
      .describe(
        'Vectors that are kept; in Redis, for each tenant. The least recently used one is removed first.',
      ),
    max_size: size().prefault('128MB').describe('Bytes that the vectors in memory take.'),
    price: nullable(decimal()).describe(
      'US dollars per million input tokens of a response whose vectors are all from the cache; null for 0.',
    ),
  });

const coalescing = () =>
  part({
    buffer: size()
      .prefault('1MB')
      .describe('Bytes that one slow client may be behind; a slower one is disconnected, the others go on.'),
    across_gateways: boolean()
      .prefault(false)
      .describe(
        'Also between gateways that share a cache in Redis: one makes the call, and the others wait for the stored response, or receive the stream through Redis while it runs. Each miss takes one more round trip.',
      ),
  });

/** The response cache. */
export const cache = () =>
  nullable(
    z.strictObject({
      exact: exact()
        .prefault({})
        .describe('Serves the stored response to a request that is the same. `false` disables it.'),
      embeddings: embeddings()
        .prefault({})
        .describe('Serves stored vectors for input texts that were embedded before. `false` disables it.'),
      coalescing: coalescing()
        .prefault({})
        .describe('Lets identical concurrent requests share one upstream call. `false` disables it.'),
      semantic: part(semanticShape(ttl))
        .prefault(null)
        .describe(
          'Serves the stored response to another question that asks for the same. Requires `exact`. Off by default.',
        ),
      store: nullable(z.enum(['memory', 'redis'])).describe(
        'Where entries are kept. By default `redis` with `storage.redis_url`, else `memory`.',
      ),
      redis_timeout: duration(1)
        .prefault('5ms')
        .describe('How long a request waits for the cache in Redis before it goes on without.'),
    }),
  );

/** What differs for one model. Absent members are those of `cache`. */
export const modelCache = () =>
  nullable(
    z.preprocess(
      (value) =>
        value === false ? { exact: null, embeddings: null, coalescing: null, semantic: null } : value,
      z.strictObject({
        exact: part({
          ttl: ttl().optional().describe('How long a response is served.'),
          sampled: boolean()
            .optional()
            .describe('Also stores responses to requests with a temperature above 0 or with tools.'),
          stale_while_revalidate: duration(0).optional().describe('As in `cache.exact`.'),
          stale_if_error: duration(0).optional().describe('As in `cache.exact`.'),
          replay: replay().optional().describe('As in `cache.exact`.'),
          price: price().optional().describe('As in `cache.exact`.'),
        })
          .optional()
          .describe('Responses of this model. `false` disables it.'),
        embeddings: part({ ttl: ttl().optional().describe('How long a vector is served.') })
          .optional()
          .describe('Vectors of this model. `false` disables it.'),
        coalescing: part({}).optional().describe('`false` disables it for this model.'),
        semantic: part(modelSemanticShape(ttl))
          .optional()
          .describe('Questions to this model. `false` disables it.'),
      }),
    ),
  );
