import type { EmbeddingRequest } from '../core/embedding.ts';
import type { RerankRequest } from '../core/rerank.ts';
import type { EmbeddingFormat, RerankFormat } from './format.ts';
import { sortByScore } from './rerank-results.ts';

function asEmbedding({ query, documents }: RerankRequest): EmbeddingRequest {
  return { inputs: [query, ...documents], encoding: 'float', extensions: {} };
}

/** Cosine similarity of two vectors; 0 when one is the zero vector. */
function similarity(a: readonly number[], b: readonly number[]): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    dot += value * other;
    aa += value * value;
    bb += other * other;
  }
  const cosine = dot / (Math.sqrt(aa) * Math.sqrt(bb));
  return Number.isFinite(cosine) ? Math.max(-1, Math.min(1, cosine)) : 0;
}

/** Ranks documents by the cosine similarity of embeddings, for providers without a reranker. */
export function rerankThroughEmbeddings(embeddings: EmbeddingFormat): RerankFormat {
  return {
    build(request, target, context) {
      context.warn({
        kind: 'changed',
        param: 'model',
        message: 'The target has no reranker; documents were ranked by the similarity of embeddings.',
      });
      return embeddings.build(asEmbedding(request), target, context);
    },

    parse(response, target, request) {
      const { vectors, usage } = embeddings.parse(response, target, asEmbedding(request));
      const [query = [], ...documents] = vectors;
      const results = documents.map((vector, index) => ({ index, score: similarity(query, vector) }));
      return { results: sortByScore(results, request.topN), ...(usage === undefined ? {} : { usage }) };
    },
  };
}
