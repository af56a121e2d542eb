import type { GuardrailServerSettings } from '../../config/guardrail-server-schema.ts';
import { asString, records } from '../../core/json.ts';
import type { CheckedText } from '../guardrail.ts';
import { Findings, type FoundSpan, invalidResponse, kindOf, objectOf, withoutSpans } from './findings.ts';
import { postJson } from './requests.ts';
import type { ServerAdapter } from './server-adapter.ts';

const DEFAULT_URL = 'https://api.lakera.ai';

/** @see https://docs.lakera.ai/docs/api/guard */
export function lakeraAdapter(settings: GuardrailServerSettings): ServerAdapter {
  const { url = DEFAULT_URL, api_key: key = '', project } = settings;
  return {
    unit: 'batch',
    async check(texts, _context, ask) {
      const body = {
        messages: texts.map(({ text, role }) => ({ role, content: text })),
        ...(project === undefined ? {} : { project_id: project }),
        ...{ breakdown: true, payload: true },
      };
      const headers = { authorization: `Bearer ${key}`, ...settings.headers };
      const response = objectOf(await ask(postJson(`${url}/v2/guard`, body, headers)));
      if (typeof response.flagged !== 'boolean') throw invalidResponse('the response has no "flagged"');
      const findings = new Findings();
      if (!response.flagged) return findings.verdict();
      const detected = records(response.breakdown).filter((one) => one.detected === true);
      for (const { detector_type: type } of detected) findings.add(type);
      if (findings.isEmpty) findings.add('flagged');
      const payload = records(response.payload);
      // Only what has a place can be redacted: an attack has none.
      const located = new Set(payload.map(({ detector_type: type }) => asString(type)));
      const isLocated =
        detected.length > 0 && detected.every((one) => located.has(asString(one.detector_type)));
      return findings.verdict(isLocated ? withoutPayload(texts, payload) : undefined);
    },
  };
}

/** Parts are found again by their text: whether offsets count code points, or include the end, differs between versions. */
function withoutPayload(
  texts: readonly CheckedText[],
  payload: readonly Readonly<Record<string, unknown>>[],
): readonly string[] | undefined {
  const spans = texts.map((): FoundSpan[] => []);
  for (const { text: part, detector_type: type, message_id: message } of payload) {
    const index = typeof message === 'number' ? message : 0;
    const whole = texts[index]?.text;
    if (typeof part !== 'string' || part === '' || whole === undefined || !whole.includes(part))
      return undefined;
    const kind = kindOf(type);
    for (let start = whole.indexOf(part); start >= 0; start = whole.indexOf(part, start + part.length)) {
      spans[index]?.push({ start, end: start + part.length, kind });
    }
  }
  return texts.map(({ text }, index) => withoutSpans(text, spans[index] ?? []));
}
