import type { EmbeddingRequest } from '../core/embedding.ts';
import { asCount, isRecord, listOf, parseJsonText } from '../core/json.ts';
import { splitCount } from '../core/split-count.ts';

const FLOAT_BYTES = 4;

/**
 * Reads a response in OpenAI's format for embeddings.
 * @param text its body
 * @returns the vectors in the order of the inputs; empty where the body is not such a response, or lacks one
 */
export function readVectors(text: string): readonly (readonly number[])[] {
  const body = parseJsonText(text);
  const data = isRecord(body) ? listOf(body.data) : [];
  const vectors: (readonly number[])[] = [];
  for (const [place, item] of data.entries()) {
    if (!isRecord(item)) return [];
    const vector = vectorOf(item.embedding);
    const index = asCount(item.index) ?? place;
    if (!vector || index >= data.length || vectors[index] !== undefined) return [];
    vectors[index] = vector;
  }
  const [first] = vectors;
  const isWhole = Array.from(vectors).every(
    (vector) => vector !== undefined && vector.length === first?.length,
  );
  return isWhole ? vectors : [];
}

function vectorOf(value: unknown): readonly number[] | undefined {
  if (typeof value === 'string') return floatsOf(Buffer.from(value, 'base64'));
  if (!Array.isArray(value) || value.length === 0) return undefined;
  return value.every((one) => typeof one === 'number') ? value : undefined;
}

/** Little-endian 32-bit floats. */
function floatsOf(bytes: Buffer): readonly number[] | undefined {
  if (bytes.length === 0 || bytes.length % FLOAT_BYTES !== 0) return undefined;
  return Array.from({ length: bytes.length / FLOAT_BYTES }, (_, index) =>
    bytes.readFloatLE(index * FLOAT_BYTES),
  );
}

/**
 * Splits the input tokens of a request between its inputs, by their length.
 * @returns whole numbers that add up to `total`
 */
export function sharesOfTokens(inputs: EmbeddingRequest['inputs'], total: number): readonly number[] {
  return splitCount(total, inputs.map(lengthOf));
}

function lengthOf(input: EmbeddingRequest['inputs'][number]): number {
  return typeof input === 'string' || Array.isArray(input) ? input.length : JSON.stringify(input).length;
}
