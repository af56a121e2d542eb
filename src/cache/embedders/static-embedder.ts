import { decodeUtf8 } from '../../core/bytes.ts';
import { isRecord, listOf, parseJsonText } from '../../core/json.ts';
import { BpeTokenizer } from './bpe-tokenizer.ts';
import { type Embedder, normalised } from './embedder.ts';

/** Later tokens are not read: the direction of a long text changes little. */
const MAX_TOKENS = 512;

/**
 * A table with one vector for each token: the vector of a text is the mean of those of its tokens. Takes microseconds, so that
 * it runs on the main thread.
 *
 * @see https://github.com/dleemiller/WordLlama
 */
export class StaticEmbedder implements Embedder {
  readonly id: string;
  readonly #tokenizer: BpeTokenizer;
  /** Half-precision values, row by row. */
  readonly #table: Uint16Array;
  readonly #dimensions: number;
  readonly #floats: Float32Array;

  /**
   * @param id names the version of the table
   * @param weights a `safetensors` file with one matrix of half-precision values
   * @param tokenizer the text of the `tokenizer.json` that belongs to it
   * @throws TypeError where the files are not of that form
   */
  constructor(id: string, weights: Uint8Array, tokenizer: string) {
    const { table, dimensions } = readMatrix(weights);
    this.id = id;
    this.#table = table;
    this.#dimensions = dimensions;
    this.#tokenizer = BpeTokenizer.parse(tokenizer);
    this.#floats = halfFloats();
  }

  embed(text: string): Float32Array | undefined {
    const ids = this.#tokenizer.encode(text);
    const sum = new Float32Array(this.#dimensions);
    const most = Math.min(ids.length, MAX_TOKENS);
    for (let place = 0; place < most; place += 1) {
      const from = (ids[place] ?? 0) * this.#dimensions;
      for (let at = 0; at < this.#dimensions; at += 1) {
        sum[at] = (sum[at] ?? 0) + (this.#floats[this.#table[from + at] ?? 0] ?? 0);
      }
    }
    return normalised(sum);
  }
}

/** @see https://github.com/huggingface/safetensors#format */
function readMatrix(file: Uint8Array): { readonly table: Uint16Array; readonly dimensions: number } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headLength = file.length < 8 ? 0 : Number(view.getBigUint64(0, true));
  const start = 8 + headLength;
  const head = start < file.length ? parseJsonText(decodeUtf8(file.subarray(8, start))) : undefined;
  const matrix = isRecord(head)
    ? Object.values(head).find((one) => isRecord(one) && one.dtype === 'F16')
    : undefined;
  const [rows, columns] = isRecord(matrix) ? listOf(matrix.shape) : [];
  const [from, until] = isRecord(matrix) ? listOf(matrix.data_offsets) : [];
  if (typeof rows !== 'number' || typeof columns !== 'number' || typeof from !== 'number') {
    throw new TypeError('the weights have no matrix of half-precision values');
  }
  if (until !== from + rows * columns * 2 || start + until > file.length) {
    throw new TypeError('the weights are not complete');
  }
  const bytes = file.slice(start + from, start + until);
  return { table: new Uint16Array(bytes.buffer, 0, rows * columns), dimensions: columns };
}

/** The values of all half-precision numbers. */
function halfFloats(): Float32Array {
  const floats = new Float32Array(65_536);
  for (let bits = 0; bits < floats.length; bits += 1) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) floats[bits] = sign * 2 ** -14 * (fraction / 1024);
    else if (exponent === 0x1f) floats[bits] = 0;
    else floats[bits] = sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
  }
  return floats;
}
