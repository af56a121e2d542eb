import { z } from 'zod';
import { checkNoTextFault, type Endpoint, NO_STEPS } from './generated-response.ts';
import { contentWords } from './keywords.ts';
import { countTokens } from './tokens.ts';
import { parseBody } from './validation.ts';

/** Words of a document that cost as much as one token of a text. */
const WORDS_PER_UNIT = 50;

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
  return ({ fault, randomId, turns }) => {
    checkNoTextFault(fault);
    const id = `rerank-${randomId()}`;
    const body = async () => {
      const asked = contentWords(request.query);
      const query = countTokens(request.query);
      const scored: { index: number; relevance_score: number }[] = [];
      let tokens = 0;
      for (const [index, text] of texts.entries()) {
        scored.push({ index, relevance_score: relevance(asked, text) });
        const own = countTokens(text);
        tokens += query + own;
        const turn = turns.next(1 + Math.floor(own / WORDS_PER_UNIT));
        if (turn) await turn;
      }
      const results = scored
        .sort((a, b) => b.relevance_score - a.relevance_score || a.index - b.index)
        .slice(0, request.top_n ?? texts.length)
        .map((result) =>
          request.return_documents === true ? { ...result, document: { text: texts[result.index] } } : result,
        );
      return JSON.stringify({
        id,
        model: request.model,
        results,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
        meta: { billed_units: { search_units: Math.ceil(texts.length / 100) } },
      });
    };
    return { kind: 'json', steps: NO_STEPS, body };
  };
};

/**
 * Scores a document: mostly the share of the query's words that it contains, and a little the share of its words that match.
 * @returns 0 to 1 with six decimals
 */
function relevance(asked: ReadonlySet<string>, text: string): number {
  const found = contentWords(text);
  let shared = 0;
  // Each word of a document is looked up once, however long the query is.
  for (const word of found) if (asked.has(word)) shared += 1;
  if (shared === 0) return 0;
  const covered = shared / asked.size;
  const overlap = shared / (asked.size + found.size - shared);
  return Math.round((0.8 * covered + 0.2 * overlap) * 1e6) / 1e6;
}
