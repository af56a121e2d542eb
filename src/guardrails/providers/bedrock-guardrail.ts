import type { GuardrailServerSettings } from '../../config/guardrail-server-schema.ts';
import type { Clock } from '../../core/clock.ts';
import { isRecord, records } from '../../core/json.ts';
import { defaultAwsCredentials } from '../../platform/aws-signature.ts';
import { bedrockAuthorizer } from '../../providers/bedrock/sign.ts';
import { bedrockUrl } from '../../providers/bedrock/url.ts';
import { Findings, invalidResponse, kindOf, objectOf } from './findings.ts';
import { postJson } from './requests.ts';
import type { ServerAdapter } from './server-adapter.ts';

/** The policies of an assessment, and the names of their findings: a member of the finding, or one name for all. */
const POLICIES: readonly {
  readonly path: readonly [string, string];
  readonly name: string;
  readonly member?: string;
}[] = [
  { path: ['topicPolicy', 'topics'], name: 'topic' },
  { path: ['contentPolicy', 'filters'], name: 'content', member: 'type' },
  { path: ['wordPolicy', 'customWords'], name: 'word' },
  { path: ['wordPolicy', 'managedWordLists'], name: 'word_list', member: 'type' },
  { path: ['sensitiveInformationPolicy', 'piiEntities'], name: 'pii', member: 'type' },
  { path: ['sensitiveInformationPolicy', 'regexes'], name: 'regex' },
  { path: ['contextualGroundingPolicy', 'filters'], name: 'grounding', member: 'type' },
];

/** @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html */
export function bedrockGuardrailAdapter(
  settings: GuardrailServerSettings,
  clock: Pick<Clock, 'wallTime'>,
): ServerAdapter {
  const { region = '', guardrail = '', version = 'DRAFT', api_key: credential } = settings;
  const {
    access_key_id: accessKeyId,
    secret_access_key: secretAccessKey,
    session_token: sessionToken,
  } = settings;
  const base = settings.url ?? bedrockUrl(region);
  const url = `${base}/guardrail/${encodeURIComponent(guardrail)}/version/${encodeURIComponent(version)}/apply`;
  const given =
    accessKeyId === undefined || secretAccessKey === undefined
      ? undefined
      : { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  const authorize = bedrockAuthorizer(
    region,
    given ? () => Promise.resolve(given) : defaultAwsCredentials(),
    () => new Date(clock.wallTime()),
  );
  return {
    unit: 'each',
    async check([checked], _context, ask) {
      const { text = '', stage = 'input' } = checked ?? {};
      const body = { source: stage === 'input' ? 'INPUT' : 'OUTPUT', content: [{ text: { text } }] };
      const request = await authorize(postJson(url, body), { credential });
      const response = objectOf(await ask(request));
      const { action } = response;
      if (action !== 'NONE' && action !== 'GUARDRAIL_INTERVENED') {
        throw invalidResponse('"action" is neither NONE nor GUARDRAIL_INTERVENED');
      }
      const findings = new Findings();
      if (action === 'NONE') return findings.verdict();
      for (const assessment of records(response.assessments)) readAssessment(assessment, findings);
      if (findings.isEmpty) findings.add('intervened');
      const outputs = records(response.outputs).flatMap((output) =>
        typeof output.text === 'string' ? [output.text] : [],
      );
      return findings.verdict(outputs.length === 0 ? undefined : [outputs.join('')]);
    },
  };
}

function readAssessment(assessment: Readonly<Record<string, unknown>>, findings: Findings): void {
  for (const { path, name, member } of POLICIES) {
    const [policy, list] = path;
    const found = assessment[policy];
    for (const finding of records(isRecord(found) ? found[list] : undefined)) {
      if (finding.action === 'NONE') continue;
      findings.add(member === undefined ? name : `${name}_${kindOf(finding[member])}`);
    }
  }
}
