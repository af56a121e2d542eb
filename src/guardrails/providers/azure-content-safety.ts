import type { GuardrailServerSettings } from '../../config/guardrail-server-schema.ts';
import { isRecord, listOf, records } from '../../core/json.ts';
import type { CheckedText } from '../guardrail.ts';
import { Findings, invalidResponse, objectOf } from './findings.ts';
import { postJson } from './requests.ts';
import type { AskServer, ServerAdapter } from './server-adapter.ts';

const API_VERSION = '2024-09-01';
/** Code points of the longest text of one request. */
const MAX_CHARACTERS = 10_000;
const DEFAULT_SEVERITY = 4;
const HIGHEST_SEVERITY = 6;

/** @see https://learn.microsoft.com/azure/ai-services/content-safety/quickstart-text */
export function azureContentSafetyAdapter(settings: GuardrailServerSettings): ServerAdapter {
  const { url = '', api_key: key = '', categories, severity = DEFAULT_SEVERITY, blocklists } = settings;
  const headers = { 'ocp-apim-subscription-key': key, ...settings.headers };
  const operation = (name: string) => `${url}/contentsafety/${name}?api-version=${API_VERSION}`;

  async function analyze(text: string, findings: Findings, ask: AskServer): Promise<void> {
    const body = {
      text,
      ...(categories ? { categories } : {}),
      ...(blocklists ? { blocklistNames: blocklists, haltOnBlocklistHit: false } : {}),
      outputType: 'FourSeverityLevels',
    };
    const response = objectOf(await ask(postJson(operation('text:analyze'), body, headers)));
    if (!Array.isArray(response.categoriesAnalysis)) {
      throw invalidResponse('the response has no list "categoriesAnalysis"');
    }
    for (const { category, severity: level = 0 } of records(response.categoriesAnalysis)) {
      if (typeof level !== 'number') throw invalidResponse('"severity" is not a number');
      if (level >= severity) findings.add(category, level / HIGHEST_SEVERITY);
    }
    for (const _ of listOf(response.blocklistsMatch)) findings.add('blocklist');
  }

  async function shield({ text, role }: CheckedText, findings: Findings, ask: AskServer): Promise<void> {
    const isDocument = role === 'tool';
    for (const piece of piecesOf(text)) {
      const body = isDocument ? { userPrompt: '', documents: [piece] } : { userPrompt: piece, documents: [] };
      const response = objectOf(await ask(postJson(operation('text:shieldPrompt'), body, headers)));
      const { userPromptAnalysis, documentsAnalysis } = response;
      if (!isRecord(userPromptAnalysis) && !Array.isArray(documentsAnalysis)) {
        throw invalidResponse('the response has no analysis of the prompt');
      }
      if (isRecord(userPromptAnalysis) && userPromptAnalysis.attackDetected === true) {
        findings.add('prompt_attack');
      }
      if (records(documentsAnalysis).some(({ attackDetected }) => attackDetected === true)) {
        findings.add('document_attack');
      }
    }
  }

  return {
    unit: 'each',
    async check(texts, _context, ask) {
      const findings = new Findings();
      for (const text of texts) {
        for (const piece of piecesOf(text.text)) await analyze(piece, findings, ask);
        if (settings.prompt_attacks && text.stage === 'input' && text.role !== 'assistant') {
          await shield(text, findings, ask);
        }
      }
      return findings.verdict();
    },
  };
}

/** Texts above the limit in pieces that overlap a little, so that no phrase is lost between two. */
function piecesOf(text: string): readonly string[] {
  if (text.length <= MAX_CHARACTERS) return [text];
  const characters = [...text];
  const pieces: string[] = [];
  for (let start = 0; start < characters.length; start += MAX_CHARACTERS - 200) {
    pieces.push(characters.slice(start, start + MAX_CHARACTERS).join(''));
  }
  return pieces;
}
