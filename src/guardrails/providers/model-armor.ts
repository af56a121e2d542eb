import { readFileSync } from 'node:fs';
import type { GuardrailServerSettings } from '../../config/guardrail-server-schema.ts';
import type { Clock } from '../../core/clock.ts';
import { isRecord } from '../../core/json.ts';
import type { Transport } from '../../core/transport.ts';
import { CachedTokenSource, serviceAccountGrant } from '../../providers/oauth-tokens.ts';
import { GuardrailFailure } from '../guardrail.ts';
import { Findings, invalidResponse, objectOf } from './findings.ts';
import { postJson } from './requests.ts';
import type { ServerAdapter } from './server-adapter.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** Levels of filter results below their filter. */
const MAX_DEPTH = 6;

/** @see https://cloud.google.com/model-armor/docs/sanitize-prompts-responses */
export function modelArmorAdapter(
  settings: GuardrailServerSettings,
  { transport, clock }: { readonly transport: Transport; readonly clock: Clock },
): ServerAdapter {
  const {
    project = '',
    region = '',
    template = '',
    service_account: account,
    api_key: token = '',
  } = settings;
  const base = settings.url ?? `https://modelarmor.${region}.rep.googleapis.com`;
  const name = [project, region, template].map(encodeURIComponent);
  const url = `${base}/v1/projects/${name[0]}/locations/${name[1]}/templates/${name[2]}`;
  const tokens =
    account === undefined
      ? { token: () => token }
      : new CachedTokenSource(
          serviceAccountGrant(readFileSync(account, 'utf8'), SCOPE, transport, clock),
          clock,
        );
  return {
    unit: 'each',
    async check([checked], _context, ask) {
      const { text = '', stage = 'input' } = checked ?? {};
      const [method, body] =
        stage === 'input'
          ? ['sanitizeUserPrompt', { userPromptData: { text } }]
          : ['sanitizeModelResponse', { modelResponseData: { text } }];
      const headers = { authorization: `Bearer ${await tokens.token()}` };
      const response = objectOf(await ask(postJson(`${url}:${method}`, body, headers)));
      const result = objectOf(response.sanitizationResult);
      const { filterMatchState: state, invocationResult: outcome, filterResults } = result;
      if (state !== 'MATCH_FOUND' && state !== 'NO_MATCH_FOUND') {
        throw invalidResponse('"filterMatchState" is neither MATCH_FOUND nor NO_MATCH_FOUND');
      }
      const findings = new Findings();
      const read = new FilterReader(findings);
      if (state === 'MATCH_FOUND') {
        for (const [filter, found] of entriesOf(filterResults)) read.filter(filter, found);
        if (findings.isEmpty) findings.add('match');
      } else if (outcome === 'FAILURE' || outcome === 'PARTIAL') {
        // Filters that were skipped have found nothing, which says nothing of the text.
        throw new GuardrailFailure('unavailable', 'its filters were not executed completely');
      }
      return findings.verdict(read.text === undefined || read.hasOthers ? undefined : [read.text]);
    },
  };
}

/** The results are a map, or a list of maps with one entry. */
function entriesOf(results: unknown): readonly (readonly [string, unknown])[] {
  if (Array.isArray(results)) return results.flatMap((one) => (isRecord(one) ? Object.entries(one) : []));
  return isRecord(results) ? Object.entries(results) : [];
}

/** Reads the results of filters. Their members differ; each has `matchState` somewhere below. */
class FilterReader {
  /** The text without what Sensitive Data Protection found. */
  text: string | undefined;
  /** Another filter has found something, which no text is without. */
  hasOthers = false;

  constructor(private readonly findings: Findings) {}

  filter(name: string, result: unknown): void {
    if (!hasMatch(result, 0)) return;
    const text = deidentifiedText(result, 0);
    if (text === undefined) this.hasOthers = true;
    else this.text = text;
    const types = matchedTypes(result, 0);
    for (const type of types) this.findings.add(`${name}_${type}`);
    if (types.length === 0) this.findings.add(name);
  }
}

function hasMatch(value: unknown, depth: number): boolean {
  if (!isRecord(value) || depth > MAX_DEPTH) return false;
  if (value.matchState === 'MATCH_FOUND') return true;
  return Object.values(value).some((inner) => hasMatch(inner, depth + 1));
}

/** The kinds of `raiFilterTypeResults` that match. */
function matchedTypes(value: unknown, depth: number): readonly string[] {
  if (!isRecord(value) || depth > MAX_DEPTH) return [];
  const { raiFilterTypeResults: types } = value;
  if (types !== undefined) {
    return entriesOf(types).flatMap(([type, result]) => (hasMatch(result, 0) ? [type] : []));
  }
  return Object.values(value).flatMap((inner) => matchedTypes(inner, depth + 1));
}

function deidentifiedText(value: unknown, depth: number): string | undefined {
  if (!isRecord(value) || depth > MAX_DEPTH) return undefined;
  const { deidentifyResult: result } = value;
  if (isRecord(result)) {
    return isRecord(result.data) && typeof result.data.text === 'string' ? result.data.text : undefined;
  }
  for (const inner of Object.values(value)) {
    const text = deidentifiedText(inner, depth + 1);
    if (text !== undefined) return text;
  }
  return undefined;
}
