import { z } from 'zod';
import { duration, fromNumericText, integer, modelName, nullable, secret, size, text } from './fields.ts';

const share = () => z.preprocess(fromNumericText, z.number().min(0).max(1));

/** Lifetimes may be presets, which `ttl` reads. */
type Ttl = () => z.ZodType<number>;

const mode = () => z.enum(['shadow', 'serve']);

const MODE =
  '`shadow` finds responses that would be served, reports them, and serves none. `serve` serves them. Run `shadow` first.';

/** The keys of the semantic cache. */
export const semanticShape = (ttl: Ttl) => ({
  mode: mode().prefault('shadow').describe(MODE),
  embedder: nullable(modelName()).describe(
    'The embeddings model, by its name in `models`. By default the built-in embedder, which `weir models pull embedder` installs. With a model, raise `timeout`.',
  ),
  threshold: share()
    .prefault(0.8)
    .describe(
      'The least similarity of a candidate, as a cosine. Similarity only finds candidates: the guard decides. So it is lower than where it decides alone, such as 0.95.',
    ),
  candidates: integer(1, 50)
    .prefault(5)
    .describe('The most candidates of one lookup that the guard compares.'),
  ttl: ttl().prefault('semantic').describe('How long a response is served: a duration, or a preset.'),
  max_entries: integer(1, 1_000_000)
    .prefault(20_000)
    .describe(
      'Questions that are kept, in memory, SQLite and PostgreSQL. The oldest ones are removed first.',
    ),
  max_entries_per_tenant: integer(1, 1_000_000)
    .prefault(5_000)
    .describe('Questions of one tenant that are kept in memory. Its oldest one is removed first.'),
  max_size: size()
    .prefault('128MB')
    .describe('Bytes that the vectors in memory take, and again the responses.'),
  store: nullable(
    z.strictObject({
      kind: z
        .enum(['sqlite', 'postgres', 'qdrant', 'redis'])
        .describe(
          '`sqlite`: a file of the data folder, with sqlite-vec. `postgres`: with the extension pgvector. `qdrant`: over HTTP. `redis`: vector sets of Redis 8.',
        ),
      url: nullable(text(4_000).meta({ 'x-secret': true })).describe(
        'The address of the server. By default `storage.database_url` for `postgres` and `storage.redis_url` for `redis`.',
      ),
      api_key: nullable(secret()).describe('The API key of Qdrant, if it requires one.'),
      collection: text(100)
        .prefault('weir_semantic')
        .describe('What the collections of Qdrant are named after.'),
    }),
  ).describe(
    'Where questions and vectors are kept. By default in the memory of each gateway. A change takes effect after a restart.',
  ),
  timeout: duration(1)
    .prefault('50ms')
    .describe('How long a lookup may take, the vector included. The request goes on without the cache then.'),
  judge: nullable(
    z.strictObject({
      model: modelName().describe('The model that is asked, by its name in `models`.'),
      share: share().prefault(1).describe('The share of hits that it is asked about.'),
      timeout: duration(1).prefault('2s').describe('Without a verdict by then, the hit is not served.'),
    }),
  ).describe('A model that is asked whether both questions ask for the same, before a hit is served.'),
  verify: z
    .strictObject({
      share: share()
        .prefault(0.05)
        .describe(
          'The share of served hits that are also sent upstream and compared. In shadow mode, all are compared; the response is fetched anyway.',
        ),
      max_false_hits: share()
        .prefault(0.05)
        .describe('The share of false hits above which nothing is served to that tenant from that model.'),
      min_samples: integer(1, 200).prefault(20).describe('Compared hits before the share counts.'),
      pause: duration(1).prefault('1d').describe('How long nothing is served then.'),
    })
    .prefault({})
    .describe('Measures false hits, and stops serving where there are too many.'),
});

/** What may differ for one model. */
export const modelSemanticShape = (ttl: Ttl) => ({
  mode: mode().optional().describe(MODE),
  threshold: share().optional().describe('As in `cache.semantic`.'),
  ttl: ttl().optional().describe('How long a response is served.'),
});
