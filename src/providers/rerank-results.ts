import { asCount, isRecord } from '../core/json.ts';
import type { RerankRequest, RerankResult } from '../core/rerank.ts';

/** Reads the results of a reranker. @returns them, best first; undefined when they do not match the documents */
export function readRerankResults(
  value: unknown,
  { documents, topN }: RerankRequest,
): RerankResult['results'] | undefined {
  if (!Array.isArray(value)) return undefined;
  const seen = new Set<number>();
  const results: { index: number; score: number }[] = [];
  for (const item of value) {
    const index = isRecord(item) ? asCount(item.index) : undefined;
    const score: unknown = isRecord(item) ? (item.relevance_score ?? item.score) : undefined;
    if (index === undefined || index >= documents.length || seen.has(index)) return undefined;
    if (typeof score !== 'number') return undefined;
    seen.add(index);
    results.push({ index, score });
  }
  return sortByScore(results, topN);
}

/** Sorts results by descending score, and keeps the first `topN`. */
export function sortByScore(
  results: readonly { readonly index: number; readonly score: number }[],
  topN: number | undefined,
): RerankResult['results'] {
  const sorted = [...results].sort((a, b) => b.score - a.score || a.index - b.index);
  return topN === undefined ? sorted : sorted.slice(0, topN);
}
