import { z } from 'zod';
import { REDACTION_STYLES, SENSITIVE_KINDS } from '../redaction/kinds.ts';
import { duration, list, modelName, text } from './fields.ts';
import { injectionSection, judgeSection, rulesSection } from './guardrail-sections.ts';
import { checkServer, guardrailServer, isServerKind, type SERVER_KINDS } from './guardrail-server-schema.ts';

const SERVER_KIND_NAMES = [
  'http',
  'openai-moderation',
  'azure-content-safety',
  'bedrock-guardrail',
  'model-armor',
  'lakera',
  'presidio',
] as const satisfies readonly (keyof typeof SERVER_KINDS)[];
export const GUARDRAIL_KINDS = [
  'pii',
  'injection',
  'rules',
  'judge',
  'plugin',
  ...SERVER_KIND_NAMES,
] as const;
export type GuardrailKind = (typeof GUARDRAIL_KINDS)[number];
export const GUARDRAIL_DIRECTIONS = ['input', 'output', 'tool_call', 'tool_result'] as const;
export const GUARDRAIL_ACTIONS = ['redact', 'pseudonymise', 'sanitise', 'block', 'flag', 'shadow'] as const;
/**
 * An item of `guardrails`, and of the guardrails of tenants and keys.
 * @param level only the configuration of the gateway may name servers and plugins: they are reached from its network
 */
export const guardrail = (level: 'gateway' | 'tenant' = 'tenant') =>
  z
    .strictObject({
      id: z
        .string()
        .regex(
          /^[a-z][a-z0-9_-]{0,63}$/,
          'expected lower-case letters, digits, "-" and "_", beginning with a letter',
        )
        .describe('Its name in headers, logs and metrics.'),
      version: text(32)
        .optional()
        .describe(
          'Names this state of the settings in explanations, the log and the audit trail; a digest of the settings when absent.',
        ),
      kind: z
        .enum(GUARDRAIL_KINDS)
        .describe(
          '`pii`: personal data and secrets. `injection`: attacks on the instructions of the model. `rules`: length, words, topics, languages, addresses, code, and the form of responses. `judge`: a model that checks texts against a policy. `plugin`: a plugin. The others ask a server (`docs/guardrail-providers.md`); `http` is one of your own. Plugins and servers are for the configuration of the gateway, not for tenants and keys.',
        ),
      on: z
        .array(z.enum(GUARDRAIL_DIRECTIONS))
        .min(1)
        .prefault(['input', 'output'])
        .describe(
          'Where it applies: `input` is all that goes to the provider, and `output` all that comes back, both with tool calls and results; `tool_call` and `tool_result` are these alone.',
        ),
      action: z
        .enum(GUARDRAIL_ACTIONS)
        .describe(
          '`redact` replaces what it finds. `pseudonymise` replaces it for the provider, and puts it back for the client. `block` rejects the request, or ends the response. `flag` reports in a header. `shadow` only counts.',
        ),
      fail: z
        .enum(['open', 'closed'])
        .optional()
        .describe(
          'What happens to a request when a check fails or takes too long: `open` lets it pass, `closed` rejects it. By default `open` for `flag` and `shadow`, and `closed` for other actions.',
        ),
      timeout: duration(1)
        .optional()
        .describe('How long a guardrail that asks a server or a model may take. By default 2s.'),
      run: z
        .enum(['before', 'beside'])
        .optional()
        .describe(
          'When a guardrail that asks a server or a model checks requests: `before` the provider receives them, or `beside` it, which holds the response back instead. By default `beside` for `flag` and `shadow`, and `before` for `block`. Guardrails that change texts run `before`.',
        ),
      when: z
        .enum(['always', 'requested'])
        .prefault('always')
        .describe(
          'Whether it holds for all requests, or for those that name it in the header `x-weir-guardrails`.',
        ),
      models: list(modelName()).describe('The models that it holds for; all when absent.'),
      kinds: z
        .array(z.enum(SENSITIVE_KINDS))
        .min(1)
        .optional()
        .describe('Kind `pii`: what it looks for; everything when absent.'),
      names: z
        .array(text(200))
        .max(10_000)
        .optional()
        .describe('Kind `pii`: names of people, as whole words in any case, for `name` in `kinds`.'),
      style: z
        .enum(REDACTION_STYLES)
        .optional()
        .describe(
          'Kind `pii`: how `redact` writes: `placeholder` (the default) as `[EMAIL]`, `label` as `[REDACTED_EMAIL]`, `mask`, which keeps a few characters, or `hash`, a keyed hash.',
        ),
      injection: injectionSection().optional().describe('Settings of the kind `injection`.'),
      rules: rulesSection()
        .optional()
        .describe('Settings of the kind `rules`; each rule is off without its key.'),
      judge: judgeSection().optional().describe('Settings of the kind `judge`.'),
      plugin: text(64).optional().describe('Kind `plugin`: the id of the plugin.'),
      server: guardrailServer()
        .optional()
        .describe('Kinds that ask a server: where it is, and what counts as a finding.'),
    })
    .superRefine((value, context) => {
      checkGuardrail(value, context);
      checkServer(value, context);
      checkLevel(value, level, context);
    });

type GuardrailShape = {
  readonly kind: GuardrailKind;
  readonly action: (typeof GUARDRAIL_ACTIONS)[number];
  readonly [key: string]: unknown;
};

/** Keys that only some kinds have. */
const KIND_KEYS: Readonly<Record<string, GuardrailKind>> = {
  ...{ kinds: 'pii', names: 'pii', style: 'pii', plugin: 'plugin' },
  ...{ injection: 'injection', rules: 'rules', judge: 'judge' },
};
/** Actions of each kind beside `block`, `flag` and `shadow`. */
const KIND_ACTIONS: Readonly<Record<GuardrailKind, readonly string[]>> = {
  pii: ['redact', 'pseudonymise'],
  injection: [],
  rules: ['redact', 'sanitise'],
  judge: [],
  plugin: ['redact'],
  http: ['redact'],
  'openai-moderation': [],
  'azure-content-safety': [],
  'bedrock-guardrail': ['redact'],
  'model-armor': ['redact'],
  lakera: ['redact'],
  presidio: ['redact'],
};
/** Kinds that do nothing without their section. */
const NEEDS_SECTION: readonly GuardrailKind[] = ['judge'];

function checkLevel(
  { kind, plugin }: { readonly kind: GuardrailKind; readonly plugin?: string | undefined },
  level: 'gateway' | 'tenant',
  context: z.RefinementCtx,
): void {
  const isOutside = kind === 'plugin' || isServerKind(kind);
  if (kind === 'plugin' && plugin === undefined) {
    context.addIssue({ code: 'custom', path: ['plugin'], message: 'is required with kind plugin' });
  }
  if (!isOutside || level === 'gateway') return;
  const message = `cannot be ${kind} here: only the configuration of the gateway names servers and plugins`;
  context.addIssue({ code: 'custom', path: ['kind'], message });
}

function checkGuardrail(value: GuardrailShape, context: z.RefinementCtx): void {
  for (const [key, kind] of Object.entries(KIND_KEYS)) {
    if (value[key] === undefined || value.kind === kind) continue;
    context.addIssue({ code: 'custom', path: [key], message: `only goes with kind ${kind}` });
  }
  const { kind, action } = value;
  if (NEEDS_SECTION.includes(kind) && value[kind] === undefined) {
    context.addIssue({ code: 'custom', path: [kind], message: `is required with kind ${kind}` });
  }
  if (['block', 'flag', 'shadow'].includes(action) || KIND_ACTIONS[kind].includes(action)) return;
  const possible = [...KIND_ACTIONS[kind], 'block', 'flag', 'shadow'].join(', ');
  context.addIssue({
    code: 'custom',
    path: ['action'],
    message: `cannot be ${action} with kind ${kind}: use one of ${possible}`,
  });
}
