import { z } from 'zod';

/**
 * The fields of OpenAI's requests that the gateway uses, and the types of well-known fields. All other fields are
 * allowed, because the body is forwarded unchanged and the upstream validates its own parameters. (Object schemas that
 * strip unknown fields are twice as fast to check as ones that copy them.)
 */

const model = z
  .string()
  .min(1, 'a model name is expected')
  .max(400)
  .describe('A model id, an alias, or `provider-id/model`.');
const stream = z.boolean().nullish().describe('Answer as an event stream.');
const streamOptions = z.object({ include_usage: z.boolean().nullish() }).nullish();
const stop = z.union([z.string(), z.array(z.string())]).nullish();
/** Seeds are 64-bit for upstreams, so they may be larger than `int()` allows; their text is forwarded unchanged. */
const seed = z.number().refine(Number.isInteger, 'a whole number is expected').meta({ type: 'integer' });
const positive = z.number().int().min(1).nullish();

/** Some vendors' clients leave the type of a function out, which the APIs of those vendors allow. */
const tool = z
  .object({ type: z.string().nullish(), function: z.object({}).nullish() })
  .refine(({ type, function: called }) => type != null || called != null, {
    message: 'the type of the tool is expected, or its "function"',
    path: ['type'],
  });
const contentPart = z.object({ type: z.string() });
const message = z.object({
  role: z.string().min(1),
  content: z
    .union([z.string(), z.array(contentPart), z.null()], 'text, a list of content parts, or null is expected')
    .optional(),
});

export const chatRequest = z
  .object({
    model,
    messages: z.array(message).min(1, 'at least one message is expected'),
    stream,
    stream_options: streamOptions,
    max_tokens: positive,
    max_completion_tokens: positive,
    temperature: z.number().nullish(),
    top_p: z.number().nullish(),
    n: positive,
    stop,
    seed: seed.nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.number().int().min(0).nullish(),
    response_format: z.object({ type: z.string() }).nullish(),
    tools: z.array(tool).nullish(),
    tool_choice: z.union([z.string(), z.object({})]).nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    user: z.string().nullish(),
  })
  .meta({
    id: 'ChatCompletionRequest',
    example: { model: 'simulator', messages: [{ role: 'user', content: 'Say hello.' }] },
  });

const tokens = z.array(z.number().int().min(0)).min(1);
const texts = z.array(z.string()).min(1);

export const completionRequest = z
  .object({
    model,
    prompt: z.union(
      [z.string(), texts, tokens, z.array(tokens).min(1)],
      'text, a list of texts, or lists of token ids are expected',
    ),
    stream,
    stream_options: streamOptions,
    max_tokens: z.number().int().min(0).nullish(),
    temperature: z.number().nullish(),
    top_p: z.number().nullish(),
    n: positive,
    stop,
  })
  .meta({ id: 'CompletionRequest', example: { model: 'simulator', prompt: 'Once upon a time' } });

const pieces = z.array(z.union([z.string(), z.number().int().min(0)])).min(1);
/** Engines also take texts and token ids in one list, and objects such as `{ prompt_string, multimodal_data }`. */
const inputObject = z.record(z.string(), z.unknown());
const mixedInputs = z
  .array(z.union([z.string().min(1), z.number().int().min(0), pieces, inputObject]))
  .min(1);

export const embeddingRequest = z
  .object({
    model,
    input: z.union(
      [
        z.string().min(1),
        z.array(z.string().min(1)).min(1),
        tokens,
        z.array(tokens).min(1),
        inputObject,
        mixedInputs,
      ],
      'text that is not empty, a list of such texts, or lists of token ids are expected',
    ),
    dimensions: positive,
    encoding_format: z.enum(['float', 'base64']).nullish(),
    user: z.string().nullish(),
  })
  .meta({
    id: 'EmbeddingRequest',
    example: { model: 'simulator-embedding', input: 'A weir measures a flow.' },
  });

export const usage = z.looseObject({
  prompt_tokens: z.number().int(),
  completion_tokens: z.number().int().optional(),
  total_tokens: z.number().int(),
});

export const chatResponse = z
  .looseObject({
    id: z.string(),
    object: z.literal('chat.completion'),
    created: z.number().int(),
    model: z.string(),
    choices: z.array(
      z.looseObject({
        index: z.number().int(),
        message: z.looseObject({}),
        finish_reason: z.string().nullable(),
      }),
    ),
    usage: usage.optional(),
  })
  .meta({ id: 'ChatCompletion' });

export const completionResponse = z
  .looseObject({
    id: z.string(),
    object: z.literal('text_completion'),
    model: z.string(),
    choices: z.array(z.looseObject({ index: z.number().int(), text: z.string() })),
    usage: usage.optional(),
  })
  .meta({ id: 'Completion' });

export const embeddingResponse = z
  .looseObject({
    object: z.literal('list'),
    model: z.string(),
    data: z.array(
      z.looseObject({ index: z.number().int(), embedding: z.union([z.string(), z.array(z.number())]) }),
    ),
    usage: usage.optional(),
  })
  .meta({ id: 'EmbeddingList' });

export const errorResponse = z
  .object({
    error: z.looseObject({
      message: z.string(),
      type: z.string(),
      code: z.string(),
      param: z.string().nullable(),
    }),
  })
  .meta({ id: 'Error' });
