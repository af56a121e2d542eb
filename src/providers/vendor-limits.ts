/**
 * Limits that vendors document for the members of a request. Data: code reads the limit and compares no names. A value
 * beyond its limit is shortened, hashed or clamped with a warning, see `limited-format.ts`. Lengths are UTF-16 units.
 */

/** A closed range of numbers. */
export interface NumberRange {
  readonly min: number;
  readonly max: number;
}

/** The names that a vendor accepts. */
export interface NameRule {
  readonly maxLength: number;
  /** Matches a whole name that is accepted. */
  readonly permitted: RegExp;
  /** Matches each character that a name must not contain. Global. */
  readonly forbidden: RegExp;
  /** Matches names with a permitted first character; every permitted character may be first when absent. */
  readonly start?: RegExp;
}

/** @param characters inside of a character class; `first` likewise, for the first character */
function nameRule(maxLength: number, characters: string, first?: string): NameRule {
  return {
    maxLength,
    permitted: new RegExp(`^[${first ?? characters}][${characters}]{0,${maxLength - 1}}$`),
    forbidden: new RegExp(`[^${characters}]`, 'g'),
    ...(first === undefined ? {} : { start: new RegExp(`^[${first}]`) }),
  };
}

/** The most entries of `metadata`, and the most characters of their names and values. */
export interface MetadataLimit {
  readonly entries: number;
  readonly name: number;
  readonly value: number;
}

/** The schemas that a vendor accepts for the parameters of tools. */
export interface ToolSchemaRules {
  /** Rejects `allOf`, `anyOf` and `oneOf` at the top. */
  readonly isFlat?: boolean;
  /** Requires `type: "object"` and `properties` at the top. */
  readonly needsProperties?: boolean;
  /** Requires `items` in the schemas of lists. */
  readonly needsItems?: boolean;
}

/** The limits of one vendor. Absent means none that is documented. */
export interface VendorLimits {
  /** Names of tools. A tool with another name is renamed for the vendor, and calls of it return under its own name. */
  readonly toolName?: NameRule;
  readonly toolSchema?: ToolSchemaRules;
  /** Names of the parameters of tools. Others are renamed for the vendor, and return under their own name. */
  readonly toolProperty?: NameRule;
  /** Most tools of a request. */
  readonly tools?: number;
  /** Most characters of a tool call's id in the history. */
  readonly toolCallId?: number;
  /** Names of the schemas of structured responses. */
  readonly schemaName?: NameRule;
  /** Most stop sequences. */
  readonly stopSequences?: number;
  /** Most characters of the end user's id: `user`, `safety_identifier`, `metadata.user_id`. */
  readonly user?: number;
  /** Most characters of `prompt_cache_key`. */
  readonly promptCacheKey?: number;
  readonly metadata?: MetadataLimit;
  readonly temperature?: NumberRange;
  readonly topP?: NumberRange;
  readonly topK?: NumberRange;
  readonly frequencyPenalty?: NumberRange;
  readonly presencePenalty?: NumberRange;
  readonly seed?: NumberRange;
  /** Alternative responses (`n`). */
  readonly choices?: NumberRange;
  readonly topLogprobs?: NumberRange;
  /** Accepted values of `service_tier`; any when absent. */
  readonly serviceTiers?: readonly string[];
}

const WORD = nameRule(64, 'a-zA-Z0-9_-');
/** Source: the API's error for other names ("Property keys should match pattern"). */
const CLAUDE_PROPERTY = nameRule(64, 'a-zA-Z0-9_.-');
const UNIT: NumberRange = { min: 0, max: 1 };
const ZERO_TO_TWO: NumberRange = { min: 0, max: 2 };
const PENALTY: NumberRange = { min: -2, max: 2 };
const SAMPLING = {
  temperature: ZERO_TO_TWO,
  topP: UNIT,
  frequencyPenalty: PENALTY,
  presencePenalty: PENALTY,
} as const;

/** Source: https://platform.openai.com/docs/api-reference/chat/create, and the API's errors for ids of calls. */
const OPENAI: VendorLimits = {
  toolName: WORD,
  toolSchema: { isFlat: true, needsProperties: true, needsItems: true },
  tools: 128,
  toolCallId: 40,
  schemaName: WORD,
  stopSequences: 4,
  user: 64,
  promptCacheKey: 64,
  metadata: { entries: 16, name: 64, value: 512 },
  ...SAMPLING,
  choices: { min: 1, max: 128 },
  topLogprobs: { min: 0, max: 20 },
  serviceTiers: ['auto', 'default', 'flex', 'scale', 'priority'],
};

/** The limits of every vendor that documents some, by the vendor's name. */
export const VENDOR_LIMITS = {
  openai: OPENAI,
  /** Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference */
  azure: OPENAI,
  /** Source: https://platform.claude.com/docs/en/api/messages */
  anthropic: {
    toolName: nameRule(128, 'a-zA-Z0-9_-'),
    toolSchema: { isFlat: true },
    toolProperty: CLAUDE_PROPERTY,
    user: 256,
    temperature: UNIT,
    topP: UNIT,
  },
  /** Source: https://ai.google.dev/api/generate-content and https://ai.google.dev/api/caching#FunctionDeclaration */
  gemini: {
    toolName: nameRule(64, 'a-zA-Z0-9_.-', 'a-zA-Z_'),
    stopSequences: 5,
    ...SAMPLING,
    seed: { min: -(2 ** 31), max: 2 ** 31 - 1 },
    choices: { min: 1, max: 8 },
    topLogprobs: { min: 0, max: 20 },
  },
  /** Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html */
  bedrock: {
    toolName: WORD,
    toolSchema: { isFlat: true },
    toolProperty: CLAUDE_PROPERTY,
    temperature: UNIT,
    topP: UNIT,
  },
  /** Source: https://docs.mistral.ai/api and the validators of mistral-common. */
  mistral: { ...SAMPLING, toolName: WORD, schemaName: WORD, temperature: { min: 0, max: 1.5 } },
  /** Source: https://docs.cohere.com/v2/reference/chat */
  cohere: {
    toolName: nameRule(128, 'a-zA-Z0-9_', 'a-zA-Z_'),
    stopSequences: 5,
    temperature: UNIT,
    topP: UNIT,
    topK: { min: 0, max: 500 },
    frequencyPenalty: UNIT,
    presencePenalty: UNIT,
  },
  /** Source: https://console.groq.com/docs/api-reference and https://console.groq.com/docs/openai */
  groq: {
    ...SAMPLING,
    toolName: WORD,
    tools: 128,
    schemaName: WORD,
    stopSequences: 4,
    user: 64,
    choices: { min: 1, max: 1 },
    serviceTiers: ['auto', 'on_demand', 'flex', 'performance'],
  },
  /** Source: https://api-docs.deepseek.com/api/create-chat-completion */
  deepseek: {
    ...SAMPLING,
    toolName: WORD,
    tools: 128,
    stopSequences: 16,
    user: 64,
    topLogprobs: { min: 0, max: 20 },
  },
  /** Source: https://docs.x.ai/docs/api-reference */
  xai: { ...SAMPLING, toolName: WORD, stopSequences: 4, user: 64, topLogprobs: { min: 0, max: 8 } },
  /** Its models at OpenAI have OpenAI's limits. Source: https://openrouter.ai/docs/api-reference/parameters */
  openrouter: {
    ...SAMPLING,
    toolName: WORD,
    toolCallId: 40,
    schemaName: WORD,
    user: 128,
    metadata: { entries: 16, name: 64, value: 512 },
    topLogprobs: { min: 0, max: 20 },
  },
  /** A server with OpenAI's format may be a gateway to any of these vendors. An opaque id may always be shorter. */
  generic: { user: 64 },
} as const satisfies Readonly<Record<string, VendorLimits>>;
