import { asCount, asString, isRecord } from '../../core/json.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { RerankFormat } from '../format.ts';
import { readRerankResults } from '../rerank-results.ts';
import { apiUrl } from './url.ts';

/** Cohere's reranker. */
export const cohereRerank: RerankFormat = {
  build({ query, documents, topN, extensions }, { provider, model }) {
    const { max_tokens_per_doc: maxTokens, priority } = extensions;
    const body = {
      model,
      query,
      documents,
      ...(topN === undefined ? {} : { top_n: topN }),
      ...(maxTokens === undefined ? {} : { max_tokens_per_doc: maxTokens }),
      ...(priority === undefined ? {} : { priority }),
    };
    return { url: apiUrl(provider, '/v2/rerank'), body: JSON.stringify(body) };
  },

  parse(response, { provider }, request) {
    const { json } = decodeJson(response, provider);
    const results = readRerankResults(json.results, request);
    if (!results) throw invalidResponse(provider, 'responded without results that fit the documents.');
    const billed =
      isRecord(json.meta) && isRecord(json.meta.billed_units) ? json.meta.billed_units : undefined;
    const id = asString(json.id);
    const searchUnits = asCount(billed?.search_units);
    return {
      ...(id === undefined ? {} : { id }),
      results,
      ...(searchUnits === undefined ? {} : { searchUnits }),
      ...(billed === undefined ? {} : { usage: { raw: billed } }),
    };
  },
};
