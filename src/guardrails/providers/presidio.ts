import type { GuardrailServerSettings } from '../../config/guardrail-server-schema.ts';
import {
  codePointOffsets,
  Findings,
  type FoundSpan,
  invalidResponse,
  kindOf,
  objectOf,
  withoutSpans,
} from './findings.ts';
import { postJson } from './requests.ts';
import type { ServerAdapter } from './server-adapter.ts';

const DEFAULT_THRESHOLD = 0.5;

/** @see https://microsoft.github.io/presidio/api-docs/api-docs.html */
export function presidioAdapter(settings: GuardrailServerSettings): ServerAdapter {
  const { url = '', language = 'en', entities, threshold = DEFAULT_THRESHOLD, headers } = settings;
  return {
    unit: 'each',
    async check([checked], { requestId }, ask) {
      const text = checked?.text ?? '';
      const body = {
        ...{ text, language, score_threshold: threshold, correlation_id: requestId },
        ...(entities ? { entities } : {}),
      };
      const results = await ask(postJson(`${url}/analyze`, body, headers));
      if (!Array.isArray(results)) throw invalidResponse('the response is not a list');
      const findings = new Findings();
      const unitOf = codePointOffsets(text);
      const spans = results.flatMap((result: unknown): FoundSpan[] => {
        const { start, end, entity_type: type, score } = objectOf(result);
        if (!isOffset(start) || !isOffset(end) || end <= start || unitOf(start) >= text.length) {
          throw invalidResponse('a finding is not in the text');
        }
        if (typeof score === 'number' && score < threshold) return [];
        findings.add(type, score);
        return [{ start: unitOf(start), end: unitOf(end), kind: kindOf(type) }];
      });
      return findings.verdict([withoutSpans(text, spans)]);
    },
  };
}

function isOffset(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}
