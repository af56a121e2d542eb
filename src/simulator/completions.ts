import { z } from 'zod';
import { invalidRequest } from './api-error.ts';
import { checkStreamOptions, stopSequences, streamOptions } from './chat-request.ts';
import { usageOf } from './chat-usage.ts';
import { DONE, type Endpoint, type GeneratedResponse, type ResponseEvent } from './generated-response.ts';
import { topics } from './keywords.ts';
import { tokenLogprobs } from './logprobs.ts';
import type { SimulatorOptions } from './options.ts';
import { type ResponseSubject, writeResponse } from './prose.ts';
import { createRandom, hashLabel } from './random.ts';
import { countTokens, type EndReason, firstHalf, limitTokens } from './tokens.ts';
import type { Turns } from './turns.ts';
import { parseBody } from './validation.ts';
import { WORDS } from './words.ts';

/** OpenAI's default of `max_tokens`. */
const USUAL_LENGTH = 16;
/** Limits of one request. */
const MAX_TOTAL_TOKENS = 200_000;
const MAX_CHOICES = 128;
const MAX_LOGPROBS = 50_000;
/** UTF-16 units of prompts that are repeated. */
const MAX_ECHO = 1_000_000;

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
  /** Generates the tokens, from the beginning each time. @returns the finish reason */
  readonly generate: () => Iterator<string, FinishReason>;
}

type FinishReason = EndReason | 'content_filter';

interface Plan {
  readonly choices: readonly ChoicePlan[];
  readonly promptTokens: number;
}

/** The parts of a request that its response repeats or depends on; the prompts are not kept. */
interface Settings {
  readonly model: string;
  readonly logprobs: number | null | undefined;
  readonly withUsage: boolean;
}

/** `POST /completions`. */
export const completionEndpoint: Endpoint = (body) => {
  const request = parseBody(completionRequest, body);
  checkStreamOptions(request);
  if ((request.best_of ?? 128) < (request.n ?? 1))
    throw invalidRequest("'best_of' must not be less than 'n'.", 'best_of');
  return (context) => {
    const { options, fault, randomId, created, turns } = context;
    if (fault === 'refusal')
      throw invalidRequest(
        "The fault 'refusal' is for chat completions only.",
        null,
        'invalid_simulator_option',
      );
    const plan = planCompletion(request, options, fault === 'content_filter');
    const id = `cmpl-${randomId()}`;
    const withUsage = request.stream_options?.include_usage === true;
    const settings = { model: request.model, logprobs: request.logprobs, withUsage };
    return request.stream === true
      ? { kind: 'stream', events: completionEvents(settings, plan, id, created) }
      : whole(settings, plan, id, created, turns);
  };
};

function planCompletion(request: CompletionRequest, options: SimulatorOptions, filtered: boolean): Plan {
  const prompts = readPrompts(request.prompt);
  const n = request.n ?? 1;
  const count = prompts.length * n;
  const length = request.max_tokens ?? options.tokens ?? USUAL_LENGTH;
  if (count > MAX_CHOICES) {
    throw invalidRequest(`The simulator generates at most ${MAX_CHOICES} choices for one request.`, 'n');
  }
  if (count * (options.tokens ?? USUAL_LENGTH) > MAX_TOTAL_TOKENS) {
    throw invalidRequest(`The simulator generates at most ${MAX_TOTAL_TOKENS} tokens for one request.`, 'n');
  }
  const units = prompts.reduce((sum, { text }) => sum + text.length, 0);
  if (request.echo === true && units * n > MAX_ECHO) {
    throw invalidRequest(`The simulator repeats at most ${MAX_ECHO} characters of prompts.`, 'echo');
  }
  const base = String(request.seed ?? options.seed ?? hashLabel(JSON.stringify(request.prompt)));
  const stop = typeof request.stop === 'string' ? [request.stop] : (request.stop ?? []);
  const choices = Array.from({ length: count }, (_, index) => {
    const text = prompts[Math.floor(index / n)]?.text ?? '';
    const seed = `${base}/${index}`;
    const prose = proseTokens(seed, { topics: topics(text), quotes: [] }, options.tokens);
    const tokens = limitedTokens(prose, length, stop);
    return {
      seed,
      echo: request.echo === true ? text : '',
      generate: filtered ? filteredTokens(tokens) : tokens,
    };
  });
  const promptTokens = prompts.reduce((sum, { tokens }) => sum + tokens, countTokens(request.suffix ?? ''));
  return { choices, promptTokens };
}

// These functions return functions that live as long as a stream, and refer to nothing but their arguments.

function proseTokens(
  seed: string,
  subject: ResponseSubject,
  length: number | undefined,
): () => Iterable<string> {
  return () => writeResponse(createRandom(seed), subject, length);
}

function limitedTokens(
  prose: () => Iterable<string>,
  limit: number,
  stop: readonly string[],
): () => Iterator<string, EndReason> {
  return () => limitTokens(prose(), limit, stop);
}

function filteredTokens(tokens: () => Iterator<string, unknown>): () => Iterator<string, FinishReason> {
  return function* () {
    yield* firstHalf(tokens);
    return 'content_filter';
  };
}

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

function whole(settings: Settings, plan: Plan, id: string, created: number, turns: Turns): GeneratedResponse {
  return {
    kind: 'json',
    async steps() {
      let longest = 0;
      for (const choice of plan.choices) {
        longest = Math.max(longest, (await collect(settings, choice, turns)).tokens);
      }
      return longest;
    },
    async body() {
      const choices: unknown[] = [];
      let tokens = 0;
      for (const [index, choice] of plan.choices.entries()) {
        const found = await collect(settings, choice, turns);
        choices.push({
          text: choice.echo + found.text,
          index,
          logprobs: found.logprobs,
          finish_reason: found.finishReason,
        });
        tokens += found.tokens;
      }
      return JSON.stringify({
        id,
        object: 'text_completion',
        created,
        model: settings.model,
        choices,
        usage: usageOf({ total: plan.promptTokens, audio: 0 }, tokens, 0),
        system_fingerprint: 'fp_simulator',
      });
    },
  };
}

async function collect(settings: Settings, choice: ChoicePlan, turns: Turns) {
  const tokens: string[] = [];
  const iterator = choice.generate();
  let next = iterator.next();
  for (; next.done !== true; next = iterator.next()) {
    if (typeof settings.logprobs === 'number' && tokens.length * (1 + settings.logprobs) >= MAX_LOGPROBS) {
      throw invalidRequest(
        `The simulator generates at most ${MAX_LOGPROBS} log probabilities for one choice of a response that is not streamed.`,
        'logprobs',
      );
    }
    tokens.push(next.value);
    const turn = turns.next();
    if (turn) await turn;
  }
  return {
    text: tokens.join(''),
    tokens: tokens.length,
    logprobs: logprobs(settings, choice, tokens, 0, choice.echo.length),
    finishReason: next.value,
  };
}

/**
 * Log probabilities in the legacy form: parallel arrays. Offsets count characters of the choice's text, including the echo.
 */
function logprobs(
  settings: Settings,
  choice: ChoicePlan,
  tokens: readonly string[],
  from: number,
  offset: number,
): unknown {
  if (typeof settings.logprobs !== 'number') return null;
  const top = Math.max(1, settings.logprobs);
  const candidates = tokens.map((token, place) => tokenLogprobs(choice.seed, from + place, token, top));
  let at = offset;
  return {
    tokens,
    token_logprobs: candidates.map(([chosen]) => chosen?.logprob ?? null),
    top_logprobs:
      settings.logprobs === 0
        ? null
        : candidates.map((list) => Object.fromEntries(list.map(({ token, logprob }) => [token, logprob]))),
    text_offset: tokens.map((token) => {
      at += token.length;
      return at - token.length;
    }),
  };
}

/** A choice of which events are left. */
interface OpenChoice {
  readonly index: number;
  readonly choice: ChoicePlan;
  readonly tokens: Iterator<string, FinishReason>;
  /** UTF-16 units of the choice's text so far. */
  offset: number;
}

function* completionEvents(
  settings: Settings,
  plan: Plan,
  id: string,
  created: number,
): Generator<ResponseEvent> {
  const { withUsage } = settings;
  const head = `data: {"id":${JSON.stringify(id)},"object":"text_completion","created":${created},"model":${JSON.stringify(settings.model)},"system_fingerprint":"fp_simulator","choices":[`;
  const tail = withUsage ? '],"usage":null}\n\n' : ']}\n\n';
  const chunk = (index: number, text: string, logprob: unknown, finish: string | null) =>
    `${head}{"text":${JSON.stringify(text)},"index":${index},"logprobs":${JSON.stringify(logprob)},"finish_reason":${JSON.stringify(finish)}}${tail}`;

  let open: OpenChoice[] = plan.choices.map((choice, index) => ({
    index,
    choice,
    tokens: choice.generate(),
    offset: choice.echo.length,
  }));
  for (const { index, choice } of open) {
    if (choice.echo !== '') yield { text: chunk(index, choice.echo, null, null), step: 0, closing: false };
  }
  let count = 0;
  let last = 0;
  for (let step = 0; open.length > 0; step += 1) {
    const left: OpenChoice[] = [];
    for (const entry of open) {
      const { index, choice } = entry;
      const next = entry.tokens.next();
      if (next.done === true) {
        yield { text: chunk(index, '', null, next.value), step: Math.max(0, step - 1), closing: true };
        continue;
      }
      left.push(entry);
      count += 1;
      last = step;
      const logprob = logprobs(settings, choice, [next.value], step, entry.offset);
      entry.offset += next.value.length;
      yield { text: chunk(index, next.value, logprob, null), step, closing: false };
    }
    open = left;
  }
  if (withUsage) {
    const usage = usageOf({ total: plan.promptTokens, audio: 0 }, count, 0);
    yield { text: `${head}],"usage":${JSON.stringify(usage)}}\n\n`, step: last, closing: true };
  }
  yield { text: DONE, step: last, closing: true };
}
