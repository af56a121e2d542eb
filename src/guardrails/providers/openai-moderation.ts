import type { GuardrailServerSettings } from '../../config/guardrail-server-schema.ts';
import { isRecord } from '../../core/json.ts';
import { Findings, invalidResponse, objectOf } from './findings.ts';
import { postJson } from './requests.ts';
import type { ServerAdapter } from './server-adapter.ts';

const DEFAULT_URL = 'https://api.openai.com/v1';
const DEFAULT_MODEL = 'omni-moderation-latest';

/** @see https://platform.openai.com/docs/api-reference/moderations */
export function openAiModerationAdapter(settings: GuardrailServerSettings): ServerAdapter {
  const { url = DEFAULT_URL, api_key: key = '', model = DEFAULT_MODEL, categories, threshold } = settings;
  const wanted = categories && new Set(categories);
  return {
    unit: 'batch',
    async check(texts, _context, ask) {
      const body = { model, input: texts.map(({ text }) => text) };
      const headers = { authorization: `Bearer ${key}`, ...settings.headers };
      const { results } = objectOf(await ask(postJson(`${url}/moderations`, body, headers)));
      if (!Array.isArray(results) || results.length !== texts.length) {
        throw invalidResponse(`the response has no list of ${texts.length} "results"`);
      }
      const findings = new Findings();
      for (const result of results) {
        const { categories: flags, category_scores: scores } = objectOf(result);
        if (!isRecord(flags)) throw invalidResponse('a result has no "categories"');
        for (const [name, isFlagged] of Object.entries(flags)) {
          if (wanted && !wanted.has(name)) continue;
          const score = isRecord(scores) ? scores[name] : undefined;
          const counts =
            threshold === undefined ? isFlagged === true : typeof score === 'number' && score >= threshold;
          if (counts) findings.add(name, score);
        }
      }
      return findings.verdict();
    },
  };
}
