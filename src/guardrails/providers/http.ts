import type { GuardrailServerSettings } from '../../config/guardrail-server-schema.ts';
import { listOf } from '../../core/json.ts';
import { Findings, invalidResponse, objectOf } from './findings.ts';
import { postJson } from './requests.ts';
import type { ServerAdapter } from './server-adapter.ts';

/** The version of the contract with servers of operators; docs/guardrail-providers.md describes it. */
const VERSION = 1;
const MAX_FINDINGS = 10_000;

/** The generic contract: texts go to the server, findings and texts come back. */
export function httpAdapter(
  id: string,
  { url = '', headers, threshold = 0 }: Pick<GuardrailServerSettings, 'url' | 'headers' | 'threshold'>,
): ServerAdapter {
  return {
    unit: 'batch',
    async check(texts, { requestId, tenant, model }, ask) {
      const body = {
        version: VERSION,
        guardrail: id,
        request_id: requestId,
        ...{ tenant, model },
        stage: texts[0]?.stage ?? 'input',
        texts: texts.map(({ text, direction, role }) => ({ text, direction, role })),
      };
      const response = objectOf(await ask(postJson(url, body, headers)));
      if (!Array.isArray(response.findings)) throw invalidResponse('the response has no list "findings"');
      const findings = new Findings();
      for (const finding of listOf(response.findings).slice(0, MAX_FINDINGS)) {
        const { kind, score = 1 } = objectOf(finding);
        if (typeof score !== 'number' || !(score >= 0 && score <= 1)) {
          throw invalidResponse('"score" of a finding is not a number from 0 to 1');
        }
        if (score >= threshold) findings.add(kind, score);
      }
      return findings.verdict(textsOf(response.texts, texts.length));
    },
  };
}

function textsOf(value: unknown, count: number): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value) && value.length === count && value.every((text) => typeof text === 'string')) {
    return value;
  }
  throw invalidResponse(`"texts" is not a list of ${count} texts`);
}
