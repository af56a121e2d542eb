import type { MockUpstream } from './mock-upstream.ts';
import type { RecordedRequest } from './recorded-request.ts';
import { json } from './scripts.ts';

/** A vector in which each word of a text has a place: texts with the same words are the same, others are less similar. */
export function wordVector(text: string, dimensions = 64): number[] {
  const vector = Array.from({ length: dimensions }, () => 0);
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    let hash = 7;
    for (const letter of word) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 1_000_003;
    const place = hash % dimensions;
    vector[place] = (vector[place] ?? 0) + 1;
  }
  return vector;
}

/** Responds to requests for embeddings with word vectors, and to others with a function. */
export function respondWithVectors(
  mock: MockUpstream,
  other: (request: RecordedRequest, text: string) => ReturnType<typeof json>,
  dimensions: () => number = () => 64,
): void {
  mock.respondAlways((request) => {
    const body = JSON.parse(request.text());
    if (!request.path.endsWith('/embeddings')) return other(request, request.text());
    const inputs: string[] = [body.input].flat();
    return json({
      object: 'list',
      model: 'e',
      data: inputs.map((input, index) => ({
        object: 'embedding',
        index,
        embedding: wordVector(input, dimensions()),
      })),
      usage: { prompt_tokens: 3, total_tokens: 3 },
    });
  });
}
