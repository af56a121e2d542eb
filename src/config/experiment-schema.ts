import { z } from 'zod';
import {
  duration,
  fromNumericText,
  integer,
  LONGEST_REFERENCE,
  modelName,
  nullable,
  positiveNumber,
  text,
} from './fields.ts';

const percent = (most = 100) => z.preprocess(fromNumericText, z.number().gt(0).max(most));
const share = () => z.preprocess(fromNumericText, z.number().min(0).max(1));
const reference = () => modelName(LONGEST_REFERENCE);

/** Keys of a model that send some of its requests somewhere else, to find out whether that is better. */
export const experiments = () => ({
  split: z
    .preprocess(
      (value) => value ?? [],
      z.array(
        z.strictObject({
          name: text(60).describe('What metrics, logs and `x-weir-variant` call it.'),
          model: reference().describe('The model that answers in its place.'),
          percent: percent().describe('Of the requests.'),
        }),
      ),
    )
    .prefault([])
    .describe(
      'Variants to compare. A session, user or conversation stays with one; the rest of the requests go to the model itself, as variant `control`.',
    ),
  canary: nullable(
    z.strictObject({
      model: reference().describe('The model that answers in its place.'),
      percent: percent().describe('Of the requests.'),
      min_requests: integer(1).prefault(50).describe('Requests on each side before they are compared.'),
      error_increase: share()
        .prefault(0.05)
        .describe('How much higher its share of failures may be, 0 to 1.'),
      latency_ratio: positiveNumber()
        .prefault(1.5)
        .describe('How much longer it may take for each token, as a factor.'),
      cost_ratio: positiveNumber().prefault(2).describe('How much dearer a request may be, as a factor.'),
      window: duration(1).prefault('30m').describe('Requests that are older do not count.'),
    }),
  ).describe(
    'A new version that gets some of the requests, and none any more when it fails more often, is slower or dearer than allowed. The model itself answers when it fails.',
  ),
  mirror: nullable(
    z.strictObject({
      model: reference().describe('The model that gets a copy.'),
      percent: percent().describe('Of the requests.'),
    }),
  ).describe(
    'A model that is sent copies of some requests. Its answers are thrown away, and compared in the metrics.',
  ),
  escalate: nullable(
    z.strictObject({
      model: reference().describe('The stronger model.'),
      when: z
        .array(z.enum(['refusal', 'schema', 'low_confidence']))
        .min(1)
        .prefault(['refusal', 'schema'])
        .describe(
          'Answers that it is asked after: `refusal`, the model will not answer; `schema`, the answer does not fit the JSON schema of the request, or is no JSON where that was asked for; `low_confidence`, the model was not sure of its words.',
        ),
      min_confidence: share()
        .prefault(0.8)
        .describe('Geometric mean of the probabilities of its tokens, below which it counts as not sure.'),
    }),
  ).describe(
    'A stronger model that is asked when the answer of this one fails a check. Only of requests that are not streamed: those are checked before anything is sent.',
  ),
});
