import { z } from 'zod';
import { invalidRequest } from './api-error.ts';
import { checkNoTextFault, type Endpoint, NO_STEPS } from './generated-response.ts';
import { isFunctionWord, words } from './keywords.ts';
import { createRandom } from './random.ts';
import { countTokens } from './tokens.ts';
import { parseBody } from './validation.ts';

const USUAL_DIMENSIONS = 1536;
const MAX_INPUTS = 2048;
const MAX_INPUT_TOKENS = 8192;
const MAX_TOTAL_TOKENS = 300_000;
/** Largest total of numbers in the vectors of one request. More would block the event loop. */
const MAX_NUMBERS = 4_194_304;
/** Coordinates that each word changes. */
const SPREAD = 16;
/** Weight of function words, relative to content words. */
const FUNCTION_WORD_WEIGHT = 0.1;

const tokenId = z.int().min(0);
const embeddingRequest = z.looseObject({
  model: z.string(),
  input: z.union(
    [
      z.string(),
      z.array(z.string()).min(1),
      z.array(tokenId).min(1),
      z.array(z.array(tokenId).min(1)).min(1),
    ],
    {
      error:
        'expected a string, an array of strings, an array of tokens, or an array of token arrays, none of them empty',
    },
  ),
  dimensions: z.int().min(1).max(4096).nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  user: z.string().nullish(),
});

interface Input {
  readonly words: () => readonly string[];
  readonly tokens: number;
}

/** `POST /embeddings`. */
export const embeddingEndpoint: Endpoint = (body) => {
  const request = parseBody(embeddingRequest, body);
  const dimensions = request.dimensions ?? USUAL_DIMENSIONS;
  const inputs = readInputs(request.input);
  checkInputs(inputs, dimensions);
  return ({ options, fault, turns }) => {
    checkNoTextFault(fault);
    const tokens = inputs.reduce((sum, input) => sum + input.tokens, 0);
    const usage = { prompt_tokens: tokens, total_tokens: tokens };
    const body = async () => {
      const data: string[] = [];
      for (const [index, input] of inputs.entries()) {
        const vector = embed(input.words(), dimensions, options.seed ?? '0');
        const embedding = request.encoding_format === 'base64' ? toBase64(vector) : Array.from(vector);
        data.push(JSON.stringify({ object: 'embedding', index, embedding }));
        const turn = turns.next(vectorWeight(dimensions, input.tokens));
        if (turn) await turn;
      }
      const rest = JSON.stringify({ model: request.model, usage }).slice(1);
      return `{"object":"list","data":[${data.join(',')}],${rest}`;
    };
    return { kind: 'json', steps: NO_STEPS, body };
  };
};

/** @returns the work of a vector, in tokens of a text */
function vectorWeight(dimensions: number, tokens: number): number {
  return Math.ceil((dimensions + 50 * tokens) / 100);
}

function readInputs(input: z.output<typeof embeddingRequest>['input']): readonly Input[] {
  if (typeof input === 'string') return [readText(input)];
  const ids = input.filter((item) => typeof item === 'number');
  if (ids.length > 0) return [readTokens(ids)];
  return input.flatMap((item) => {
    if (typeof item === 'number') return [];
    return [typeof item === 'string' ? readText(item) : readTokens(item)];
  });
}

function readText(text: string): Input {
  const found = () => {
    const all = words(text);
    return all.length > 0 ? all : [text];
  };
  return { words: found, tokens: countTokens(text) };
}

function readTokens(ids: readonly number[]): Input {
  return { words: () => ids.map((id) => `#${id}`), tokens: ids.length };
}

function checkInputs(inputs: readonly Input[], dimensions: number): void {
  if (inputs.length > MAX_INPUTS)
    throw invalidRequest(`'input' must have at most ${MAX_INPUTS} items.`, 'input');
  if (inputs.length * dimensions > MAX_NUMBERS) {
    throw invalidRequest(
      `The simulator generates at most ${MAX_NUMBERS} numbers for one request: send fewer inputs.`,
      'input',
    );
  }
  if (inputs.some((input) => input.tokens === 0))
    throw invalidRequest("'input' must not be an empty string.", 'input');
  if (inputs.some((input) => input.tokens > MAX_INPUT_TOKENS)) {
    const message = `This model's maximum context length is ${MAX_INPUT_TOKENS} tokens.`;
    throw invalidRequest(message, 'input', 'context_length_exceeded');
  }
  if (inputs.reduce((sum, input) => sum + input.tokens, 0) > MAX_TOTAL_TOKENS) {
    throw invalidRequest(
      `The inputs of a request must have at most ${MAX_TOTAL_TOKENS} tokens in all.`,
      'input',
    );
  }
}

/**
 * Generates a vector of length 1: the sum of a few coordinates per word, so that texts with common words are similar.
 * Adjacent words count a little, so that the order of words matters.
 */
export function embed(inputWords: readonly string[], dimensions: number, seed: string): Float32Array {
  const weights = new Map<string, number>();
  const add = (feature: string, weight: number) => weights.set(feature, (weights.get(feature) ?? 0) + weight);
  let before = '';
  for (const word of inputWords) {
    const weight = isFunctionWord(word) ? FUNCTION_WORD_WEIGHT : 1;
    add(word, weight);
    add(`${before} ${word}`, weight * 0.1);
    before = word;
  }
  const sum = new Float64Array(dimensions);
  for (const [feature, weight] of weights) {
    const random = createRandom(`${seed}/embedding/${feature}`);
    const part = Math.sqrt(weight);
    for (let i = 0; i < SPREAD; i++) {
      const at = random.int(dimensions);
      sum[at] = (sum[at] ?? 0) + (random.int(2) === 0 ? part : -part);
    }
  }
  return normalize(sum);
}

function normalize(sum: Float64Array): Float32Array {
  let squares = 0;
  for (const value of sum) squares += value * value;
  const vector = new Float32Array(sum.length);
  if (squares === 0) {
    // Words can cancel each other in very few dimensions.
    vector[0] = 1;
    return vector;
  }
  const length = Math.sqrt(squares);
  for (let i = 0; i < sum.length; i++) vector[i] = (sum[i] ?? 0) / length;
  return vector;
}

/** Encodes numbers as base64 of little-endian 32-bit floats on every machine. */
function toBase64(vector: Float32Array): string {
  const view = new DataView(new ArrayBuffer(vector.length * 4));
  for (const [index, value] of vector.entries()) view.setFloat32(index * 4, value, true);
  const bytes = new Uint8Array(view.buffer);
  let binary = '';
  // The number of arguments of a call is limited.
  for (let at = 0; at < bytes.length; at += 8192)
    binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary);
}
