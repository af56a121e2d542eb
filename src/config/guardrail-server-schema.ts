import { z } from 'zod';
import { baseUrl, duration, fromNumericText, headers, integer, secret, secretText, text } from './fields.ts';

/** Kinds of guardrails that ask a server, with the keys of `server` that each takes; those with `!` are required. */
export const SERVER_KINDS = {
  http: ['url!', 'headers', 'threshold'],
  'openai-moderation': ['url', 'api_key!', 'model', 'categories', 'threshold', 'headers'],
  'azure-content-safety': [
    'url!',
    'api_key!',
    'categories',
    'severity',
    'blocklists',
    'prompt_attacks',
    'headers',
  ],
  'bedrock-guardrail': [
    ...[
      'url',
      'api_key',
      'region!',
      'guardrail!',
      'version',
      'access_key_id',
      'secret_access_key',
      'session_token',
    ],
  ],
  'model-armor': ['url', 'project!', 'region!', 'template!', 'service_account', 'api_key'],
  lakera: ['url', 'api_key!', 'project', 'headers'],
  presidio: ['url!', 'language', 'entities', 'threshold', 'headers'],
} as const satisfies Record<string, readonly string[]>;

export type ServerKind = keyof typeof SERVER_KINDS;

export function isServerKind(kind: string): kind is ServerKind {
  return Object.hasOwn(SERVER_KINDS, kind);
}

const names = () => z.array(text(200)).min(1).max(200);
const share = () => z.preprocess(fromNumericText, z.number().min(0).max(1));

/** The key `server` of a guardrail. */
export const guardrailServer = () =>
  z.strictObject({
    url: baseUrl()
      .optional()
      .describe('The address of the server. Required for `http`, `azure-content-safety` and `presidio`.'),
    api_key: secret().optional().describe('Its API key, preferably as `${NAME}`.'),
    headers: headers().describe('HTTP headers that are added to each request.'),
    cache: duration(0)
      .prefault('5m')
      .describe('How long a verdict on the same text holds for the same tenant; 0s keeps none.'),
    model: text(200)
      .optional()
      .describe('Kind `openai-moderation`: the model; by default `omni-moderation-latest`.'),
    categories: names()
      .optional()
      .describe(
        'Kinds `openai-moderation` and `azure-content-safety`: the categories that count; all when absent.',
      ),
    threshold: share()
      .optional()
      .describe(
        'The lowest score that counts. Kind `openai-moderation`: by default the verdict of the server. Kind `presidio`: by default 0.5. Kind `http`: by default 0.',
      ),
    severity: integer(1, 7)
      .optional()
      .describe('Kind `azure-content-safety`: the lowest severity that counts: 2, 4 or 6; by default 4.'),
    blocklists: names().optional().describe('Kind `azure-content-safety`: names of block lists.'),
    prompt_attacks: z
      .boolean()
      .optional()
      .describe('Kind `azure-content-safety`: asks Prompt Shields about requests, too.'),
    region: text(100)
      .optional()
      .describe(
        'The region of the server, for the residency of tenants; with kinds `bedrock-guardrail` and `model-armor`, also the region to call.',
      ),
    guardrail: text(2_048).optional().describe('Kind `bedrock-guardrail`: the id or ARN of the guardrail.'),
    version: text(20).optional().describe('Kind `bedrock-guardrail`: its version; by default `DRAFT`.'),
    access_key_id: secret()
      .optional()
      .describe(
        'Kind `bedrock-guardrail`: access key; by default from the environment, the profile or the instance role.',
      ),
    secret_access_key: secret().optional().describe('Kind `bedrock-guardrail`: its secret.'),
    session_token: secret()
      .optional()
      .describe('Kind `bedrock-guardrail`: the token of temporary credentials.'),
    project: text(200).optional().describe('Kinds `model-armor` and `lakera`: the project.'),
    template: text(200).optional().describe('Kind `model-armor`: the template.'),
    service_account: secretText()
      .optional()
      .describe('Kind `model-armor`: the path of a service account key; or `api_key` with an access token.'),
    language: text(10).optional().describe('Kind `presidio`: the language; by default `en`.'),
    entities: names().optional().describe('Kind `presidio`: the entities that count; all when absent.'),
  });

type Output = z.output<ReturnType<typeof guardrailServer>>;
type Frozen<T> = T extends readonly (infer Item)[] ? readonly Item[] : T extends object ? Readonly<T> : T;

export type GuardrailServerSettings = { readonly [Key in keyof Output]: Frozen<Output[Key]> };

interface ServerShape {
  readonly kind: string;
  readonly server?: object | undefined;
}

/** Adds an issue for each key of `server` that its kind does not take, and for each that is missing. */
export function checkServer({ kind, server }: ServerShape, context: z.RefinementCtx): void {
  const issue = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
  if (!isServerKind(kind)) {
    if (server !== undefined)
      issue(['server'], `only goes with kind ${Object.keys(SERVER_KINDS).join(', ')}`);
    return;
  }
  const keys: readonly string[] = SERVER_KINDS[kind];
  const given = Object.entries(server ?? {}).flatMap(([key, value]) => (isGiven(value) ? [key] : []));
  for (const key of given) {
    if (key === 'cache' || key === 'region' || keys.includes(key) || keys.includes(`${key}!`)) continue;
    issue(['server', key], `does not go with kind ${kind}`);
  }
  for (const key of keys) {
    if (!key.endsWith('!') || given.includes(key.slice(0, -1))) continue;
    issue(['server', key.slice(0, -1)], `is required with kind ${kind}`);
  }
  if (kind === 'model-armor' && !given.includes('service_account') && !given.includes('api_key')) {
    issue(['server', 'service_account'], `is required with kind ${kind}`);
  }
}

function isGiven(value: unknown): boolean {
  return (
    value !== undefined && (typeof value !== 'object' || value === null || Object.keys(value).length > 0)
  );
}
