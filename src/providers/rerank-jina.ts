import { asCount, isRecord } from '../core/json.ts';
import type { RerankRequest } from '../core/rerank.ts';
import { decodeJson, invalidResponse } from './decode.ts';
import type { RerankFormat } from './format.ts';
import { readRerankResults } from './rerank-results.ts';
import type { Target } from './types.ts';

/** Reranking in Jina's format, which vLLM and llama.cpp's server share. */
export function jinaRerank(endpoint: (target: Target) => string): RerankFormat {
  return {
    build({ query, documents, topN, extensions }: RerankRequest, target) {
      const top = topN === undefined ? {} : { top_n: topN };
      const body = { ...extensions, model: target.model, query, documents, ...top };
      return { url: endpoint(target), body: JSON.stringify(body) };
    },

    parse(response, { provider }, request) {
      const { json } = decodeJson(response, provider);
      const results = readRerankResults(json.results, request);
      if (!results) throw invalidResponse(provider, 'responded without results that match the documents.');
      const raw = isRecord(json.usage) ? json.usage : undefined;
      const tokens = asCount(raw?.prompt_tokens) ?? asCount(raw?.total_tokens);
      if (raw === undefined) return { results };
      return { results, usage: { ...(tokens === undefined ? {} : { inputTokens: tokens }), raw } };
    },
  };
}
