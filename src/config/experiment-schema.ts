import { z } from 'zod';
import {
  duration,
  fromNumericText,
  integer,
  MAX_REFERENCE_LENGTH,
  modelName,
  nullable,
  positiveNumber,
  text,
} from './fields.ts';

const percent = (most = 100) => z.preprocess(fromNumericText, z.number().gt(0).max(most));
const share = () => z.preprocess(fromNumericText, z.number().min(0).max(1));
const reference = () => modelName(MAX_REFERENCE_LENGTH);

/** Keys of a model that send some of its requests somewhere else, to find out whether that is better. */
export const experiments = () => ({
  split: z
    .preprocess(
      (value) => value ?? [],
      z.array(
        z.strictObject({
          name: text(60).describe('The name of the variant in metrics, logs and `x-weir-variant`.'),
          model: reference().describe('The model that serves these requests instead.'),
          percent: percent().describe('Share of the requests in percent.'),
        }),
      ),
    )
    .prefault([])
    .describe(
      'Variants to compare. A session, user or conversation keeps its variant. The other requests go to the model itself, as variant `control`.',
    ),
  canary: nullable(
    z.strictObject({
      model: reference().describe('The model that serves these requests instead.'),
      percent: percent().describe('Share of the requests in percent.'),
      min_requests: integer(1).prefault(50).describe('Requests on each side before the sides are compared.'),
      error_increase: share()
        .prefault(0.05)
        .describe('How much higher the share of failures may be, 0 to 1.'),
      latency_ratio: positiveNumber()
        .prefault(1.5)
        .describe('How much longer a token may take, as a factor.'),
      cost_ratio: positiveNumber().prefault(2).describe('How much more a request may cost, as a factor.'),
      window: duration(1).prefault('30m').describe('Older requests do not count.'),
    }),
  ).describe(
    'A new version that gets a share of the requests. It is rolled back when it fails more often, is slower or costs more than allowed. When the canary fails a request, the model itself serves it.',
  ),
  mirror: nullable(
    z.strictObject({
      model: reference().describe('The model that gets the copies.'),
      percent: percent().describe('Share of the requests in percent.'),
    }),
  ).describe(
    'Sends copies of some requests to another model. Its responses are discarded and compared in the metrics.',
  ),
  escalate: nullable(
    z.strictObject({
      model: reference().describe('The stronger model.'),
      when: z
        .array(z.enum(['refusal', 'schema', 'low_confidence']))
        .min(1)
        .prefault(['refusal', 'schema'])
        .describe(
          'Checks that a response must pass. `refusal`: the model did not refuse. `schema`: the response matches the JSON schema of the request, or is JSON where the request requires JSON. `low_confidence`: the token probabilities reach `min_confidence`.',
        ),
      min_confidence: share()
        .prefault(0.8)
        .describe('The lowest geometric mean of token probabilities that passes `low_confidence`.'),
    }),
  ).describe(
    'Escalation: sends a request to a stronger model when the response of this one fails a check. Only for requests that are not streamed, which are checked before anything is sent.',
  ),
});
