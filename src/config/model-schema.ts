import { z } from 'zod';
import { CAPABILITIES } from '../core/capabilities.ts';
import { limitList } from '../core/limit-schema.ts';
import { experiments } from './experiment-schema.ts';
import {
  boolean,
  concurrency,
  decimal,
  duration,
  fromNumericText,
  integer,
  LONGEST_REFERENCE,
  list,
  modelName,
  nullable,
  positiveNumber,
  providerId,
  section,
  text,
} from './fields.ts';

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

/** What stands behind one name that clients send. */
export const model = () =>
  z.strictObject({
    id: modelName().describe('The name that clients send.'),
    aliases: list(modelName()).describe('More names for the same model.'),
    strategy: z
      .enum(STRATEGIES)
      .prefault('power-of-two')
      .describe(
        'How a target is picked: `power-of-two`, the faster and less busy of two; `least-inflight`, the one with the fewest requests in flight for its weight; `round-robin`, in turn; `weighted`, by chance; `lowest-cost`, by price; `consistent-hash`, always the same for a session, user or conversation; `prefix-affinity`, where the beginning of the prompt is in the cache; `engine-load`, by what engines say of their queues.',
      ),
    targets: z
      .array(
        z.strictObject({
          provider: providerId().describe('The id of a provider.'),
          model: text(300).describe("The model's name at that provider."),
          weight: integer(0).prefault(1).describe('Its share of the requests. 0 takes it out of use.'),
          tier: integer(0, 99)
            .prefault(0)
            .describe(
              'Targets of a higher tier are used only when none of a lower one can be, or all of them are busy.',
            ),
          region: nullable(text(100)).describe(
            'Where it computes, for clients that insist on a region with `x-weir-region`; else that of its provider.',
          ),
          limits: limitsOf().describe('Limits of this target, over all tenants, as in `limits.tiers`.'),
          max_concurrency: concurrency().describe(
            'Requests that it may have at the same time: a number, or `adaptive`; null for `routing.admission.max_concurrency`.',
          ),
        }),
      )
      .min(1)
      .describe('The providers and upstream models that can answer. At least one.'),
    limits: limitsOf().describe('Limits of the model, over all tenants, as in `limits.tiers`.'),
    strict: boolean()
      .prefault(false)
      .describe(
        'Whether to refuse (400) what a target cannot be told in full, instead of a warning in `x-weir-warnings`.',
      ),
    roles: list(text(60)).describe(
      'What the model is for, where a request names none: `sql` answers `/v1/text2sql`.',
    ),
    context_window: nullable(integer(1)).describe(
      'Tokens of prompt and answer together; else from model data.',
    ),
    max_output_tokens: nullable(integer(1)).describe('Tokens of one answer at most; else from model data.'),
    price: nullable(
      z.strictObject({
        input: decimal().describe('For input.'),
        output: decimal().describe('For output.'),
        cached_input: nullable(decimal()).describe("For input from the provider's prompt cache."),
        cache_write: nullable(decimal()).describe('For input that is written to that cache.'),
      }),
    ).describe('US dollars per million tokens; else from price data.'),
    capabilities: z
      .partialRecord(z.enum(CAPABILITIES), boolean())
      .prefault({})
      .describe(
        `What the model can do, where model data does not know better: ${CAPABILITIES.map((name) => `\`${name}\``).join(', ')}, each true or false.`,
      ),
    fallbacks: list(modelName(LONGEST_REFERENCE)).describe(
      'What to try, in this order, when no target can answer: a model id, an alias, or `provider-id/upstream-model`.',
    ),
    hedge: nullable(
      z.strictObject({
        percent: z
          .preprocess(fromNumericText, z.number().gt(0).max(100))
          .prefault(5)
          .describe('Of the streams of this model at most.'),
        after: nullable(duration(1)).describe(
          'How long without a first event; null for the 95th percentile of the target of late.',
        ),
        max_price_ratio: positiveNumber().prefault(2).describe('How much dearer the second target may be.'),
      }),
    ).describe(
      'Whether a second target is asked beside a first that is slow to begin a stream; the slower one is cancelled. null for never.',
    ),
    fallbacks_on: section({
      context_window: list(modelName(LONGEST_REFERENCE)).describe('When the conversation is too long.'),
      content_policy: list(modelName(LONGEST_REFERENCE)).describe(
        'When the provider will not handle the prompt.',
      ),
      rate_limit: list(modelName(LONGEST_REFERENCE)).describe(
        'When a target is over its limit; before `fallbacks`.',
      ),
    }).describe('Models to go to for one kind of failure.'),
    continue_streams: boolean()
      .prefault(false)
      .describe(
        'Whether another target goes on with a stream of text that breaks, from where it stopped. Such streams are always translated, never handed on byte for byte, and are billed at both targets.',
      ),
    ...experiments(),
  });
