import { z } from 'zod';
import { CAPABILITIES } from '../core/capabilities.ts';
import { limitList } from '../core/limit-schema.ts';
import { modelCache } from './cache-schema.ts';
import { experiments } from './experiment-schema.ts';
import {
  boolean,
  concurrency,
  decimal,
  duration,
  fromNumericText,
  integer,
  list,
  MAX_REFERENCE_LENGTH,
  modelName,
  nullable,
  positiveNumber,
  providerId,
  section,
  text,
} from './fields.ts';
import { microBatch } from './micro-batch-schema.ts';

export const STRATEGIES = [
  'power-of-two',
  'least-inflight',
  'round-robin',
  'weighted',
  'lowest-cost',
  'consistent-hash',
  'prefix-affinity',
  'engine-load',
] as const;

const limitsOf = () => z.preprocess((value) => value ?? [], limitList).prefault([]);

/** One model: the targets and settings behind a name that clients send. */
export const model = () =>
  z.strictObject({
    id: modelName().describe('The name that clients send.'),
    aliases: list(modelName()).describe('More names of the model.'),
    strategy: z
      .enum(STRATEGIES)
      .prefault('power-of-two')
      .describe(
        'How a target is selected. `power-of-two`: the better of two random ones by latency and requests in flight. `least-inflight`: the fewest requests in flight for its weight. `round-robin`: in turn. `weighted`: at random by weight. `lowest-cost`: by price. `consistent-hash`: the same target for a session, user or conversation. `prefix-affinity`: the target that has the beginning of the prompt in its cache. `engine-load`: by the queues that engines report.',
      ),
    strategy_plugin: nullable(text(64)).describe(
      'The id of a plugin that orders the targets of each request before `strategy` does, which decides where the plugin does not, or fails.',
    ),
    targets: z
      .array(
        z.strictObject({
          provider: providerId().describe('The id of a provider.'),
          model: text(300).describe("The upstream model's name at that provider."),
          weight: integer(0).prefault(1).describe('Its share of the requests. 0 disables it.'),
          tier: integer(0, 99)
            .prefault(0)
            .describe(
              'Targets of a higher tier are used only when every target of the lower tiers is unavailable or full.',
            ),
          region: nullable(text(100)).describe(
            'The region of the target, for requests with `x-weir-region`. By default the region of its provider.',
          ),
          limits: limitsOf().describe('Limits of this target over all tenants, as in `limits.tiers`.'),
          max_concurrency: concurrency().describe(
            'Concurrent requests to this target: a number or `adaptive`; null for `routing.admission.max_concurrency`. Models that share a provider and upstream model share this limit: the smallest number holds for their requests together.',
          ),
        }),
      )
      .min(1)
      .describe('The providers and upstream models that serve this model. At least one.'),
    limits: limitsOf().describe('Limits of this model over all tenants, as in `limits.tiers`.'),
    strict: boolean()
      .prefault(false)
      .describe(
        'Rejects (400) requests with settings that the target does not support, instead of a warning in `x-weir-warnings`.',
      ),
    cache: modelCache().describe('What differs from `cache` for this model; `false` caches nothing of it.'),
    prompt_caching: boolean()
      .prefault(true)
      .describe('`false`: Weir adds nothing for the prompt caches of the providers of this model.'),
    roles: list(text(60)).describe(
      'Endpoints for which this is the default model: `sql` serves `/v1/text2sql`.',
    ),
    context_window: nullable(integer(1)).describe(
      'Tokens of prompt and response together; by default from model data.',
    ),
    max_length: nullable(integer(1)).describe('Another name of `context_window`.'),
    max_output_tokens: nullable(integer(1)).describe(
      'The most output tokens of one response. A request for more gets fewer, with a warning in `x-weir-warnings`, or a 400 where it is strict. By default from model data, and left to the provider.',
    ),
    timeout: nullable(duration(1)).describe(
      'How long a target of this model may take for a response that is not streamed, or for the first event of a stream; null for `timeout` of its provider.',
    ),
    best_for: list(text(60)).describe(
      'Words for what the model is good at, such as `code` or `translation`: shown in `/v1/models`, and read by `/v1/suggest-model`.',
    ),
    cost_tier: nullable(text(60)).describe('A word for its price class, shown in `/v1/models`.'),
    response_metadata: boolean()
      .prefault(false)
      .describe(
        'Adds `metadata` with `latency_ms`, `model` and `cost_usd` to complete JSON responses, as the header `x-weir-metadata: 1` does for one request.',
      ),
    price: nullable(
      z.strictObject({
        input: decimal().describe('Input tokens.'),
        output: decimal().describe('Output tokens.'),
        cached_input: nullable(decimal()).describe("Input tokens read from the provider's prompt cache."),
        cache_write: nullable(decimal()).describe('Input tokens written to that cache.'),
      }),
    ).describe('US dollars per million tokens; by default from price data.'),
    capabilities: z
      .partialRecord(z.enum(CAPABILITIES), boolean())
      .prefault({})
      .describe(
        `Capabilities that override model data: ${CAPABILITIES.map((name) => `\`${name}\``).join(', ')}, each true or false.`,
      ),
    fallbacks: list(modelName(MAX_REFERENCE_LENGTH)).describe(
      'Fallbacks in this order when every target fails: a model id, an alias, or `provider-id/upstream-model`.',
    ),
    hedge: nullable(
      z.strictObject({
        percent: z
          .preprocess(fromNumericText, z.number().gt(0).max(100))
          .prefault(5)
          .describe('The largest share of this model’s streams that is hedged.'),
        after: nullable(duration(1)).describe(
          'How long to wait for the first event before hedging; null for the recent 95th percentile of the target.',
        ),
        max_price_ratio: positiveNumber()
          .prefault(2)
          .describe('The highest price of the second target, as a multiple of the first.'),
      }),
    ).describe(
      'Hedging: sends a stream that has no first event yet to a second target as well, and cancels the slower one. null disables it.',
    ),
    micro_batch: microBatch(),
    fallbacks_on: section({
      context_window: list(modelName(MAX_REFERENCE_LENGTH)).describe(
        'When the prompt exceeds the context window.',
      ),
      content_policy: list(modelName(MAX_REFERENCE_LENGTH)).describe(
        'When the provider rejects the prompt by its content policy.',
      ),
      rate_limit: list(modelName(MAX_REFERENCE_LENGTH)).describe(
        'When a target rejects for its rate limit; tried before `fallbacks`.',
      ),
    }).describe('Fallbacks for one kind of failure.'),
    continue_streams: boolean()
      .prefault(false)
      .describe(
        'Continues a text stream that breaks on another target, from where it stopped. Such streams are always translated, never passed through, and both targets are billed.',
      ),
    ...experiments(),
  });
