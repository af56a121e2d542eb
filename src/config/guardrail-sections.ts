import { z } from 'zod';
import { isConfigMap } from './config-document.ts';
import {
  boolean,
  fromNumericText,
  integer,
  list,
  MAX_REFERENCE_LENGTH,
  modelName,
  size,
  text,
} from './fields.ts';
import { MAX_PATTERN, patternFault } from './search-pattern.ts';

export const TEXT_ROLES = ['system', 'user', 'assistant', 'tool'] as const;
export const PATTERN_SETS = ['sql', 'xss'] as const;
export const SANITISED = ['null_bytes', 'control', 'invisible', 'markup'] as const;
/** Characters that a prompt may have by default, where its length is limited. */
const DEFAULT_LENGTH = 10_000;

const judgeModel = () =>
  modelName(MAX_REFERENCE_LENGTH).describe(
    'The model that judges: a model id, an alias, or `provider-id/upstream-model`. Its usage is that of the key that sent the request.',
  );

const shortName = () =>
  z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,39}$/, 'expected a short name in lower case')
    .describe('Its name in findings.');

/** `injection` of a guardrail. */
export const injectionSection = () =>
  z.strictObject({
    threshold: z
      .preprocess(fromNumericText, z.number().min(0.3).max(1))
      .optional()
      .describe('The score from which the guardrail acts. By default 0.6.'),
    roles: z
      .array(z.enum(TEXT_ROLES))
      .min(1)
      .optional()
      .describe(
        'Whose texts are read. By default `user` and `tool`, which has results of tools and documents.',
      ),
    judge: z
      .strictObject({ model: judgeModel() })
      .optional()
      .describe('A model that decides where the rules are in doubt: about scores from 0.3 to 0.9.'),
  });

/** `judge` of a guardrail. */
export const judgeSection = () =>
  z.strictObject({
    model: judgeModel(),
    policy: z.string().min(1).max(10_000).describe('Describes which texts may pass, in words for the model.'),
  });

/** `rules` of a guardrail. */
export const rulesSection = () =>
  z.strictObject({
    length: z
      .strictObject({
        max: integer(1, 100_000_000)
          .prefault(DEFAULT_LENGTH)
          .describe('Characters of all texts that reach the model.'),
      })
      .optional()
      .describe('The longest prompt; `length: {}` allows 10,000 characters.'),
    size: size().optional().describe('The largest body of a request.'),
    tools: integer(0, 10_000).optional().describe('The most tools that a request may offer.'),
    languages: z
      .array(z.string().regex(/^[a-z]{2}$/, 'expected an ISO 639-1 code such as "en"'))
      .min(1)
      .optional()
      .describe('The languages that users and models may write, such as `[en, de]`. A text in doubt passes.'),
    words: z
      .array(text(100))
      .max(10_000)
      .optional()
      .describe(
        'Words and phrases that must not occur, in any case, with their endings, and with letters exchanged, repeated or separated.',
      ),
    topics: list(topic()).describe('Subjects that must not occur, or only with some models.'),
    patterns: z
      .array(
        z.strictObject({
          name: shortName(),
          pattern: z
            .string()
            .min(1)
            .max(MAX_PATTERN)
            .superRefine((pattern, context) => {
              const fault = patternFault(pattern);
              if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
            })
            .describe('The expression.'),
        }),
      )
      .max(100)
      .optional()
      .describe(
        'Regular expressions in the syntax of RE2, in any case. A finding is at most 256 characters long.',
      ),
    sets: z
      .array(z.enum(PATTERN_SETS))
      .optional()
      .describe(
        'Patterns of attacks on other software: `sql` and `xss`. They reject many honest questions about programming.',
      ),
    urls: z
      .strictObject({
        allow: z
          .array(
            z
              .string()
              .regex(
                /^(?:\*\.)?[a-z0-9.-]{1,253}$/,
                'expected a host such as "example.com" or "*.example.com"',
              ),
          )
          .describe('The hosts; `*.example.com` allows subdomains.'),
      })
      .optional()
      .describe('Web addresses with other hosts must not occur.'),
    code: boolean().optional().describe('`false`: texts must not contain program code.'),
    sanitise: z
      .array(z.enum(SANITISED))
      .min(1)
      .optional()
      .describe(
        'What the action `sanitise` removes; everything when absent: null bytes, control characters, invisible characters, and markup.',
      ),
    response_schema: z
      .record(z.string(), z.unknown())
      .optional()
      .superRefine(checkSchema)
      .describe('The JSON schema of responses without tool calls. Streams are held back until their end.'),
    repair: boolean()
      .optional()
      .describe(
        'Whether the model is asked once more where its response does not match `response_schema`. By default true.',
      ),
  });

const topic = () =>
  z.strictObject({
    name: shortName(),
    words: z.array(text(100)).min(1).max(1_000).describe('Words and phrases of the subject.'),
    min: integer(1, 100).prefault(2).describe('The number of different words that a text must have.'),
    models: list(modelName()).describe('Models that may read and write about it; none when absent.'),
  });

/** Members of a schema whose expressions a runtime could take exponential time for. */
const UNSAFE = ['pattern', 'patternProperties', '$ref', '$dynamicRef'];
const MAX_SCHEMA = 100_000;

function checkSchema(schema: unknown, context: z.RefinementCtx): void {
  if (schema === undefined) return;
  const written = JSON.stringify(schema);
  if (written.length > MAX_SCHEMA) {
    context.addIssue({ code: 'custom', message: `must have at most ${MAX_SCHEMA} characters` });
    return;
  }
  const unsafe = UNSAFE.find((member) => written.includes(`"${member}":`));
  if (unsafe) context.addIssue({ code: 'custom', message: `must not contain "${unsafe}"` });
  const fault = schemaFault(schema);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
}

/** @returns why responses cannot be checked against a schema; undefined where they can */
function schemaFault(schema: unknown): string | undefined {
  if (!isSchema(schema)) return 'must be a JSON schema';
  try {
    z.fromJSONSchema(schema);
    return undefined;
  } catch (error) {
    return `is no JSON schema that Weir can check: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** A schema is an object with members of JSON Schema; zod reads those that it knows. */
function isSchema(schema: unknown): schema is Parameters<typeof z.fromJSONSchema>[0] {
  return isConfigMap(schema);
}
