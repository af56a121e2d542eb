import { z } from 'zod';
import { REDACTION_STYLES, SENSITIVE_KINDS } from '../redaction/kinds.ts';
import { list, modelName, text } from './fields.ts';

export const GUARDRAIL_KINDS = ['pii'] as const;
export const GUARDRAIL_DIRECTIONS = ['input', 'output', 'tool_call', 'tool_result'] as const;
export const GUARDRAIL_ACTIONS = ['redact', 'pseudonymise', 'block', 'flag', 'shadow'] as const;

/** An item of `guardrails`. */
export const guardrail = () =>
  z.strictObject({
    id: z
      .string()
      .regex(
        /^[a-z][a-z0-9_-]{0,63}$/,
        'expected lower-case letters, digits, "-" and "_", beginning with a letter',
      )
      .describe('Its name in headers, logs and metrics.'),
    kind: z.enum(GUARDRAIL_KINDS).describe('`pii`: personal data and secrets.'),
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
    kinds: z
      .array(z.enum(SENSITIVE_KINDS))
      .min(1)
      .optional()
      .describe('What it looks for; everything when absent.'),
    names: list(text(200)).describe('Names of people, as whole words in any case, for the kind `name`.'),
    style: z
      .enum(REDACTION_STYLES)
      .prefault('placeholder')
      .describe(
        'How `redact` writes: `[EMAIL]`, `[REDACTED_EMAIL]`, a mask that keeps a few characters, or a keyed hash.',
      ),
    models: list(modelName()).describe('The models that it holds for; all when absent.'),
  });
