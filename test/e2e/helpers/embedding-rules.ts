import { asObject, type Json } from './json.ts';

/** Little-endian 32-bit floats in base64, and back; written with typed arrays, apart from the product's way. */
export function encodeFloats(numbers: readonly number[]): string {
  return Buffer.from(new Float32Array(numbers).buffer).toString('base64');
}

export function decodeFloats(text: string): number[] {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return [...new Float32Array(bytes.buffer)];
}

function vector(value: unknown, wanted: 'float' | 'base64'): unknown {
  if (typeof value === 'string') return wanted === 'base64' ? value : decodeFloats(value);
  if (!Array.isArray(value)) throw new Error(`not an embedding: ${JSON.stringify(value)}`);
  return wanted === 'float' ? value : encodeFloats(value.map(Number));
}

/** The answer that a client must get for the upstream's: its name for the model, the encoding that it asked for. */
export function expectedEmbeddings(answer: Json, model: string, wanted: 'float' | 'base64'): Json {
  if (!Array.isArray(answer.data)) throw new Error('an embeddings answer has data');
  const data = answer.data.map((item: unknown) => {
    const entry = asObject(item);
    return { ...entry, embedding: vector(entry.embedding, wanted) };
  });
  return { ...answer, model, data };
}
