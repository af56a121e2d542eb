import type { RequestView } from './request-view.ts';

/** UTF-16 units per token: for estimates where no tokenizer is used. */
const LETTERS_PER_TOKEN = 4;

/** Work of a request in addition to its output tokens, in tokens. */
const TOKENS_FOR_THE_START = 50;

/** Length of a response to a request without an output limit, in tokens, where a likely length is needed. */
export const USUAL_OUTPUT_TOKENS = 500;

/**
 * Estimates the number of tokens of a text. A character of two or three UTF-8 bytes counts for each byte after its first:
 * about one token for each Han, kana, Hangul or emoji character.
 * @param letters UTF-16 units
 * @param bytes UTF-8 bytes; those of ASCII text when absent
 */
export function estimateTokenCount(letters: number, bytes = letters): number {
  return Math.ceil(letters / LETTERS_PER_TOKEN + (bytes - letters) / 2);
}

/** Estimates the number of tokens of a text in any script. */
export function estimateTokensOf(text: string): number {
  return estimateTokenCount(text.length, Buffer.byteLength(text));
}

/** Estimates the input tokens of a request, without its settings and its base64 media. Reads its body, not a tokenizer. */
export function estimateInputTokens({ text, view }: SizedRequest): number {
  const { media, structureBytes } = view().requestDemand();
  const letters = Math.max(0, text.length - media.encodedLength - structureBytes);
  return estimateTokenCount(letters, letters + Buffer.byteLength(text) - text.length);
}

/** What the size of a request is estimated from. */
interface SizedRequest {
  /** The body's JSON text. */
  readonly text: string;
  readonly view: () => RequestView;
}

/**
 * Estimates the length of a text.
 * @returns UTF-16 units
 */
export function estimateLength(tokens: number): number {
  return tokens * LETTERS_PER_TOKEN;
}

/**
 * The work of an attempt in tokens. Durations are divided by it to compare responses of different length.
 * @param outputTokens tokens of the response
 */
export function workUnits(outputTokens: number): number {
  return TOKENS_FOR_THE_START + outputTokens;
}
