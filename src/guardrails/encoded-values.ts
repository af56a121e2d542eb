import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { GuardrailFailure, type TextStream, type TextVerdict } from './guardrail.ts';

/** Bytes that the compressed texts of one text may have in all. More is a failure: the guardrail's policy decides. */
export const MAX_INFLATED = 1_000_000;
/** UTF-16 units of an encoded text that a stream holds back. More is a failure. */
export const MAX_HELD_ENCODED = 262_144;
/** An encoded text may be encoded again. */
export const MAX_DEPTH = 3;
/** UTF-16 units of the shortest encoded text that is decoded. */
const SHORTEST = 16;

/** Base64 in either alphabet, with or without padding; hexadecimal digits are in it. */
const RUN = /(?<![\w+/=-])[\w+/-]{16,}={0,2}(?![\w+/=-])/g;
/** Base64 in lines, as in messages and certificates. */
const LINES = /(?<![\w+/=-])(?:[A-Za-z0-9+/]{40,76}\r?\n){1,20000}[A-Za-z0-9+/]{1,76}={0,2}(?![\w+/=-])/g;
const HEX = /^(?:[0-9a-f]{2})+$/i;
/** The last run of a text that has arrived in part, with the lines before it. */
const OPEN_RUN = /(?<![\w+/=-])(?:[A-Za-z0-9+/]{40,76}\r?\n)*(?:[\w+/-]{16,}={0,2}|[\w+/-]{0,15})\r?\n?$/;
/** Units at the beginning of a run that show whether a text is encoded in it. */
const SAMPLE = 1_024;
/** Share of characters that no text has, up to which bytes are one. */
const MAX_STRANGE = 0.05;
// biome-ignore lint/suspicious/noControlCharactersInRegex: what no text has
const STRANGE = /[\ufffd\x00-\x08\x0e-\x1f]/g;

/** A text that is encoded in another one. */
export interface EncodedPiece {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly value: string;
  /** @returns another text in the same encoding */
  readonly encode: (value: string) => string;
}

/** How much may still be decompressed for one text. */
export interface InflateBudget {
  left: number;
}

/**
 * Finds the texts that are encoded in a text: base64, also of gzip and zlib data, and hexadecimal digits.
 * @throws GuardrailFailure where compressed texts are larger than the budget
 */
export function* encodedPieces(text: string, budget: InflateBudget): Generator<EncodedPiece> {
  if (!hasLongRun(text)) return;
  let from = 0;
  for (const { index, 0: lines } of text.matchAll(LINES)) {
    yield* runsIn(text, from, index, budget);
    const piece = decodedPiece(lines.replace(/\s/g, ''), budget);
    if (piece) yield { ...piece, start: index, end: index + lines.length };
    else yield* runsIn(text, index, index + lines.length, budget);
    from = index + lines.length;
  }
  yield* runsIn(text, from, text.length, budget);
}

function* runsIn(text: string, from: number, end: number, budget: InflateBudget): Generator<EncodedPiece> {
  for (const { index, 0: run } of text.slice(from, end).matchAll(RUN)) {
    const piece = decodedPiece(run, budget);
    if (piece) yield { ...piece, start: from + index, end: from + index + run.length };
  }
}

function decodedPiece(
  run: string,
  budget: InflateBudget,
): Pick<EncodedPiece, 'value' | 'encode'> | undefined {
  if (run.length % 2 === 0 && HEX.test(run)) {
    const value = textOf(Buffer.from(run, 'hex'));
    if (value !== undefined) return { value, encode: (other) => Buffer.from(other).toString('hex') };
  }
  const encoding = /[-_]/.test(run) ? 'base64url' : 'base64';
  if (run.length > SAMPLE && !isPlausible(Buffer.from(run.slice(0, SAMPLE), encoding))) return undefined;
  const bytes = Buffer.from(run, encoding);
  const inflated = inflate(bytes, budget);
  const value = textOf(inflated?.bytes ?? bytes);
  if (value === undefined) return undefined;
  const compress = inflated?.compress ?? Buffer.from;
  return { value, encode: (other) => compress(Buffer.from(other)).toString(encoding) };
}

/** @returns the content of gzip or zlib data; undefined for other data */
function inflate(
  bytes: Buffer,
  budget: InflateBudget,
): { readonly bytes: Buffer; readonly compress: (bytes: Buffer) => Buffer } | undefined {
  const [first, second] = bytes;
  const isGzip = first === 0x1f && second === 0x8b;
  const isZlib = first === 0x78 && (second === 0x01 || second === 0x5e || second === 0x9c || second === 0xda);
  if (!isGzip && !isZlib) return undefined;
  const options = { maxOutputLength: Math.max(1, budget.left) };
  try {
    const content = isGzip ? gunzipSync(bytes, options) : inflateSync(bytes, options);
    budget.left -= content.length;
    return { bytes: content, compress: isGzip ? gzipSync : deflateSync };
  } catch (error) {
    if (!isTooLarge(error)) return undefined;
    throw new GuardrailFailure('failed', `a compressed text is larger than ${MAX_INFLATED} bytes`, {
      cause: error,
    });
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}

/** Whether bytes begin as a text or compressed data do. */
function isPlausible(bytes: Buffer): boolean {
  const [first, second] = bytes;
  if ((first === 0x1f && second === 0x8b) || first === 0x78) return true;
  return textOf(bytes) !== undefined;
}

/** @returns the text in bytes; undefined for other data */
export function textOf(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8');
  const strange = text.match(STRANGE)?.length ?? 0;
  return text === '' || strange > text.length * MAX_STRANGE ? undefined : text;
}

/** Whether a text has a run without a space that is long enough. Looks at every sixteenth unit only. */
function hasLongRun(text: string): boolean {
  for (let at = SHORTEST - 1; at < text.length; at += SHORTEST) {
    if (!isRunCode(text.charCodeAt(at))) continue;
    let [start, end] = [at, at + 1];
    while (start > 0 && isRunCode(text.charCodeAt(start - 1))) start -= 1;
    while (end < text.length && end - start < SHORTEST && isRunCode(text.charCodeAt(end))) end += 1;
    if (end - start >= SHORTEST) return true;
  }
  return false;
}

/** Letters, digits, `+`, `/`, `-`, `_`. */
function isRunCode(code: number): boolean {
  if ((code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f) return true;
  return (code >= 0x2f && code <= 0x39) || code === 0x2b || code === 0x2d;
}

/** Checks the encoded texts of a stream: an encoded text is held back until its end. */
export class EncodedStream implements TextStream {
  #held = '';
  readonly #budget: InflateBudget = { left: MAX_INFLATED };

  /**
   * @param inner what reads the stream first
   * @param check changes the encoded texts of a text
   * @param shortest units of a run that is held back: those of an encoded text where `inner` sends whole words, else 1
   */
  constructor(
    private readonly inner: TextStream,
    private readonly check: (text: string, budget: InflateBudget) => TextVerdict,
    private readonly shortest = SHORTEST,
  ) {}

  get held(): number {
    return this.inner.held + this.#held.length;
  }

  push(piece: string): TextVerdict {
    const verdict = this.inner.push(piece);
    // A word that is shorter is not encoded.
    if (this.#held === '' && verdict.text.length < this.shortest) return verdict;
    return this.#take(verdict, false);
  }

  end(): TextVerdict {
    const verdict = this.inner.end();
    return this.#held === '' && verdict.text.length < this.shortest ? verdict : this.#take(verdict, true);
  }

  #take(verdict: TextVerdict, isEnd: boolean): TextVerdict {
    const text = this.#held + verdict.text;
    const from = isEnd ? text.length : openRun(text, this.shortest);
    this.#held = text.slice(from);
    if (this.#held.length > MAX_HELD_ENCODED) {
      throw new GuardrailFailure('failed', `an encoded text is longer than ${MAX_HELD_ENCODED} characters`);
    }
    const checked = this.check(text.slice(0, from), this.#budget);
    if (checked.counts.size === 0) return { ...verdict, text: checked.text };
    const counts = new Map<string, number>(verdict.counts);
    for (const [kind, count] of checked.counts) counts.set(kind, (counts.get(kind) ?? 0) + count);
    return { ...verdict, text: checked.text, counts };
  }
}

/** @returns where a run begins whose end has not arrived, and which may be an encoded text; the length for none */
function openRun(text: string, shortest: number): number {
  let start = text.length;
  while (start > 0 && (isRunCode(text.charCodeAt(start - 1)) || isLineEnd(text, start - 1))) start -= 1;
  if (text.length - start < shortest) return text.length;
  const open = OPEN_RUN.exec(text.slice(start));
  if (!open || open[0].trimEnd().length < shortest) return text.length;
  const run = open[0].replace(/\s/g, '');
  const sample = Buffer.from(run.slice(0, SAMPLE), 'base64');
  return run.length < 64 || isPlausible(sample) || HEX.test(run) ? start + open.index : text.length;
}

function isLineEnd(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code === 0x0a || code === 0x0d || code === 0x3d;
}
