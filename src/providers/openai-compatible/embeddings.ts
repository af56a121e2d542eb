import { isRecord } from '../../core/json.ts';

/** Little-endian 32-bit floats, as OpenAI's clients decode them. */
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
 * The `data` list in the encoding that the client asked for, or `undefined` when it already is. Official SDKs
 * ask for base64 unless told otherwise, and read a list of numbers as if it were base64: dimensions come out wrong.
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
