import { z } from 'zod';
import { checkNoTextFault, type Endpoint } from './generated-response.ts';
import { contentWords } from './keywords.ts';
import { countTokens } from './tokens.ts';
import { parseBody } from './validation.ts';

const rerankRequest = z.looseObject({
  model: z.string(),
  query: z.string().min(1),
  documents: z
    .array(
      z.union([z.string(), z.looseObject({ text: z.string() })], {
        error: "expected a string or an object with a 'text'",
      }),
    )
    .min(1)
    .max(1000),
  top_n: z.int().min(1).nullish(),
  return_documents: z.boolean().nullish(),
});

/** `POST /rerank`, in the format that Cohere and Jina share. */
export const rerankEndpoint: Endpoint = (body) => {
  const request = parseBody(rerankRequest, body);
  const texts = request.documents.map((document) =>
    typeof document === 'string' ? document : document.text,
  );
  return ({ fault, randomId }) => {
    checkNoTextFault(fault);
    const asked = contentWords(request.query);
    const results = texts
      .map((text, index) => ({ index, relevance_score: relevance(asked, text) }))
      .sort((a, b) => b.relevance_score - a.relevance_score || a.index - b.index)
      .slice(0, request.top_n ?? texts.length)
      .map((result) =>
        request.return_documents === true ? { ...result, document: { text: texts[result.index] } } : result,
      );
    const query = countTokens(request.query);
    const tokens = texts.reduce((sum, text) => sum + query + countTokens(text), 0);
    const response = {
      id: `rerank-${randomId()}`,
      model: request.model,
      results,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
      meta: { billed_units: { search_units: Math.ceil(texts.length / 100) } },
    };
    return { kind: 'json', body: JSON.stringify(response), steps: 0 };
  };
};

/**
 * Scores a document: mostly the share of the query's words that it contains, and a little the share of its words that match.
 * @returns 0 to 1 with six decimals
 */
function relevance(asked: ReadonlySet<string>, text: string): number {
  const found = contentWords(text);
  let shared = 0;
  for (const word of asked) if (found.has(word)) shared += 1;
  if (shared === 0) return 0;
  const covered = shared / asked.size;
  const overlap = shared / (asked.size + found.size - shared);
  return Math.round((0.8 * covered + 0.2 * overlap) * 1e6) / 1e6;
}
