import { isRecord } from '../../core/json.ts';

/** Encodes a vector as base64 of little-endian 32-bit floats, as OpenAI's clients expect. */
function toBase64(numbers: readonly number[]): string {
  const bytes = new DataView(new ArrayBuffer(numbers.length * 4));
  numbers.forEach((value, index) => {
    bytes.setFloat32(index * 4, value, true);
  });
  return Buffer.from(bytes.buffer).toString('base64');
}

function fromBase64(text: string): number[] | undefined {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.length % 4 !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(index * 4, true));
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

/**
 * Converts a `data` list to the encoding that the client requested. Official SDKs request base64 by default, and decode a
 * list of numbers as base64, which gives wrong dimensions.
 * @returns undefined when the list has the encoding already
 */
export function reencodeEmbeddings(data: unknown, wanted: 'float' | 'base64'): unknown[] | undefined {
  if (!Array.isArray(data)) return undefined;
  let changed = false;
  const out = data.map((item: unknown) => {
    if (!isRecord(item)) return item;
    const { embedding } = item;
    if (wanted === 'base64' && isNumbers(embedding)) {
      changed = true;
      return { ...item, embedding: toBase64(embedding) };
    }
    if (wanted === 'float' && typeof embedding === 'string') {
      const numbers = fromBase64(embedding);
      if (numbers) {
        changed = true;
        return { ...item, embedding: numbers };
      }
    }
    return item;
  });
  return changed ? out : undefined;
}
