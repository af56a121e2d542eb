import { z } from 'zod';
import { invalidRequest } from './api-error.ts';
import { checkStreamOptions, stopSequences, streamOptions } from './chat-request.ts';
import { type ChatUsage, usageOf } from './chat-usage.ts';
import { DONE, type Endpoint, type GeneratedResponse, type ResponseEvent } from './generated-response.ts';
import { topics } from './keywords.ts';
import { tokenLogprobs } from './logprobs.ts';
import { writeResponse } from './prose.ts';
import { createRandom, hashLabel } from './random.ts';
import { countTokens, cutTokens } from './tokens.ts';
import { parseBody } from './validation.ts';
import { WORDS } from './words.ts';

/** OpenAI's default of `max_tokens`. */
const USUAL_LENGTH = 16;
const MAX_TOTAL_TOKENS = 200_000;

const tokenId = z.int().min(0);
const completionRequest = z.looseObject({
  model: z.string(),
  prompt: z.union(
    [
      z.string(),
      z.array(z.string()).min(1),
      z.array(tokenId).min(1),
      z.array(z.array(tokenId).min(1)).min(1),
    ],
    {
      error: 'expected a string, an array of strings, an array of tokens, or an array of token arrays',
    },
  ),
  max_tokens: z.int().min(0).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  n: z.int().min(1).max(128).nullish(),
  best_of: z.int().min(1).max(128).nullish(),
  stream: z.boolean().nullish(),
  stream_options: streamOptions,
  logprobs: z.int().min(0).max(5).nullish(),
  echo: z.boolean().nullish(),
  suffix: z.string().nullish(),
  stop: stopSequences,
  seed: z.int().nullish(),
  user: z.string().nullish(),
});
type CompletionRequest = z.output<typeof completionRequest>;

interface Prompt {
  readonly text: string;
  readonly tokens: number;
}

interface ChoicePlan {
  readonly seed: string;
  /** Text before the response: the prompt with `echo`, else empty. */
  readonly echo: string;
  readonly tokens: readonly string[];
  readonly finishReason: 'stop' | 'length' | 'content_filter';
}

interface Plan {
  readonly choices: readonly ChoicePlan[];
  readonly usage: ChatUsage;
}

/** `POST /completions`. */
export const completionEndpoint: Endpoint = (body) => {
  const request = parseBody(completionRequest, body);
  checkStreamOptions(request);
  if ((request.best_of ?? 128) < (request.n ?? 1))
    throw invalidRequest("'best_of' must not be less than 'n'.", 'best_of');
  const prompts = readPrompts(request.prompt);
  return ({ options, fault, randomId, created }) => {
    if (fault === 'refusal')
      throw invalidRequest(
        "The fault 'refusal' is for chat completions only.",
        null,
        'invalid_simulator_option',
      );
    const count = prompts.length * (request.n ?? 1);
    if (count * (options.tokens ?? USUAL_LENGTH) > MAX_TOTAL_TOKENS) {
      throw invalidRequest(
        `The simulator generates at most ${MAX_TOTAL_TOKENS} tokens for one request.`,
        'n',
      );
    }
    const base = String(request.seed ?? options.seed ?? hashLabel(JSON.stringify(request.prompt)));
    const choices = Array.from({ length: count }, (_, index) => {
      const prompt = prompts[Math.floor(index / (request.n ?? 1))];
      return planChoice(
        request,
        prompt?.text ?? '',
        `${base}/${index}`,
        options.tokens,
        fault === 'content_filter',
      );
    });
    const prompt = prompts.reduce((sum, { tokens }) => sum + tokens, countTokens(request.suffix ?? ''));
    const completion = choices.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const plan = { choices, usage: usageOf({ total: prompt, audio: 0 }, completion, 0) };
    const id = `cmpl-${randomId()}`;
    return request.stream === true
      ? { kind: 'stream', events: completionEvents(request, plan, id, created) }
      : whole(request, plan, id, created);
  };
};

function readPrompts(prompt: CompletionRequest['prompt']): readonly Prompt[] {
  if (typeof prompt === 'string') return [{ text: prompt, tokens: countTokens(prompt) }];
  const ids = prompt.filter((item) => typeof item === 'number');
  if (ids.length > 0) return [decode(ids)];
  return prompt.flatMap((item) => {
    if (typeof item === 'number') return [];
    return typeof item === 'string' ? [{ text: item, tokens: countTokens(item) }] : [decode(item)];
  });
}

/** Converts token ids to words of the simulator. */
function decode(ids: readonly number[]): Prompt {
  return { text: ids.map((id) => WORDS.n[id % WORDS.n.length]).join(' '), tokens: ids.length };
}

function planChoice(
  request: CompletionRequest,
  prompt: string,
  seed: string,
  length: number | undefined,
  filtered: boolean,
): ChoicePlan {
  const text = writeResponse(createRandom(seed), { topics: topics(prompt), toolResults: [] }, length);
  const stop = typeof request.stop === 'string' ? [request.stop] : (request.stop ?? []);
  const cut = cutTokens(text, request.max_tokens ?? length ?? USUAL_LENGTH, stop);
  const echo = request.echo === true ? prompt : '';
  if (!filtered) return { seed, echo, tokens: cut.tokens, finishReason: cut.reason };
  const tokens = cut.tokens.slice(0, Math.ceil(cut.tokens.length / 2));
  return { seed, echo, tokens, finishReason: 'content_filter' };
}

function whole(request: CompletionRequest, plan: Plan, id: string, created: number): GeneratedResponse {
  const body = JSON.stringify({
    id,
    object: 'text_completion',
    created,
    model: request.model,
    choices: plan.choices.map((choice, index) => ({
      text: choice.echo + choice.tokens.join(''),
      index,
      logprobs: logprobs(request, choice, 0, choice.tokens.length),
      finish_reason: choice.finishReason,
    })),
    usage: plan.usage,
    system_fingerprint: 'fp_simulator',
  });
  return { kind: 'json', body, steps: Math.max(...plan.choices.map(({ tokens }) => tokens.length)) };
}

/**
 * Log probabilities in the legacy form: parallel arrays. Offsets count characters of the choice's text, including the echo.
 */
function logprobs(
  request: CompletionRequest,
  choice: ChoicePlan,
  from: number,
  to: number,
  offset?: number,
): unknown {
  if (typeof request.logprobs !== 'number') return null;
  const top = Math.max(1, request.logprobs);
  const tokens = choice.tokens.slice(from, to);
  const candidates = tokens.map((token, place) => tokenLogprobs(choice.seed, from + place, token, top));
  let at = offset ?? choice.echo.length;
  return {
    tokens,
    token_logprobs: candidates.map(([chosen]) => chosen?.logprob ?? null),
    top_logprobs:
      request.logprobs === 0
        ? null
        : candidates.map((list) => Object.fromEntries(list.map(({ token, logprob }) => [token, logprob]))),
    text_offset: tokens.map((token) => {
      at += token.length;
      return at - token.length;
    }),
  };
}

function* completionEvents(
  request: CompletionRequest,
  plan: Plan,
  id: string,
  created: number,
): Generator<ResponseEvent> {
  const withUsage = request.stream_options?.include_usage === true;
  const head = `data: {"id":${JSON.stringify(id)},"object":"text_completion","created":${created},"model":${JSON.stringify(request.model)},"system_fingerprint":"fp_simulator","choices":[`;
  const tail = withUsage ? '],"usage":null}\n\n' : ']}\n\n';
  const chunk = (index: number, text: string, logprob: unknown, finish: string | null) =>
    `${head}{"text":${JSON.stringify(text)},"index":${index},"logprobs":${JSON.stringify(logprob)},"finish_reason":${JSON.stringify(finish)}}${tail}`;

  const offsets = plan.choices.map(({ echo }) => echo.length);
  for (const [index, { echo }] of plan.choices.entries()) {
    if (echo !== '') yield { text: chunk(index, echo, null, null), step: 0, closing: false };
  }
  const longest = Math.max(...plan.choices.map(({ tokens }) => tokens.length));
  for (let step = 0; step <= longest; step++) {
    for (const [index, choice] of plan.choices.entries()) {
      const token = choice.tokens[step];
      if (token !== undefined) {
        const logprob = logprobs(request, choice, step, step + 1, offsets[index]);
        offsets[index] = (offsets[index] ?? 0) + token.length;
        yield { text: chunk(index, token, logprob, null), step, closing: false };
      } else if (step === choice.tokens.length) {
        yield {
          text: chunk(index, '', null, choice.finishReason),
          step: Math.max(0, step - 1),
          closing: true,
        };
      }
    }
  }
  const step = Math.max(0, longest - 1);
  if (withUsage) yield { text: `${head}],"usage":${JSON.stringify(plan.usage)}}\n\n`, step, closing: true };
  yield { text: DONE, step, closing: true };
}
