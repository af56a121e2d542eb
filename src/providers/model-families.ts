import type { ReasoningEffort } from '../core/chat/request.ts';

/**
 * The parameters that models accept, by patterns of their names. Data: to add a family, add a row. The first matching row
 * counts. Source: the vendors' API references.
 */
export interface ModelFamily {
  readonly name: string;
  /** Requires `max_completion_tokens` instead of `max_tokens`. */
  readonly maxCompletionTokens?: boolean;
  /** Rejects temperature, top_p and penalties. */
  readonly fixedSampling?: boolean;
  /** Rejects temperature together with top_p. */
  readonly oneSamplingParameter?: boolean;
  readonly maxTemperature?: number;
  /** Accepted reasoning efforts, ascending. */
  readonly efforts?: readonly ReasoningEffort[];
  /** Range of the reasoning budget in tokens, for models with a budget. */
  readonly thinkingBudget?: { readonly min: number; readonly max: number; readonly canDisable: boolean };
  /** The model decides how much to reason; a budget is rejected or ignored. */
  readonly adaptiveThinking?: boolean;
  /** Reasoning is set by a level instead of a budget. */
  readonly thinkingLevels?: readonly ReasoningEffort[];
  /** Supports responses that conform to a JSON schema. */
  readonly structuredOutputs?: boolean;
  /** Parameters of OpenAI's chat that the models reject. */
  readonly refuses?: readonly string[];
  /** Rejects a response format in requests with tools. */
  readonly toolsOrFormat?: boolean;
  /** Rejects a forced choice of tools while it reasons. */
  readonly forcesToolsWithoutReasoning?: boolean;
  /** The models reason where the request does not set an effort, although `none` turns reasoning off. */
  readonly reasonsByDefault?: boolean;
  /** Whether the models continue a last message of the assistant (true) or reject it (false); undefined: the vendor decides. */
  readonly prefill?: boolean;
  /** The chat template requires an assistant message between a tool result and the next message, and no system message within the conversation. */
  readonly strictRoles?: boolean;
  /** Output tokens when the API requires a limit and the client sent none. */
  readonly defaultMaxTokens?: number;
}

interface Row extends ModelFamily {
  /** Matched against the bare name in lower case. */
  readonly pattern: RegExp;
}

const CLAUDE_BUDGET = { min: 1_024, max: 128_000, canDisable: true } as const;
const CLAUDE_EFFORTS = ['low', 'medium', 'high', 'max'] as const;

/** Source: https://docs.x.ai/docs/guides/reasoning */
const GROK_REFUSES = ['presence_penalty', 'frequency_penalty', 'stop'] as const;

const FAMILIES: readonly Row[] = [
  {
    name: 'gpt-5-chat',
    pattern: /^gpt-5-chat/,
    maxCompletionTokens: true,
    refuses: ['reasoning_effort', 'verbosity'],
  },
  {
    name: 'gpt-5.x-chat',
    pattern: /^gpt-5\.\d+-chat/,
    maxCompletionTokens: true,
    fixedSampling: true,
    efforts: ['medium'],
  },
  {
    name: 'gpt-4-search',
    pattern: /^gpt-4o(?:-mini)?-search/,
    fixedSampling: true,
    refuses: ['reasoning_effort', 'verbosity', 'parallel_tool_calls', 'n'],
  },
  { name: 'gpt-4', pattern: /^(?:gpt-[34]|chatgpt-4)/, refuses: ['reasoning_effort', 'verbosity'] },
  {
    name: 'gpt-5.6',
    pattern: /^gpt-(?:5\.[6-9]|[6-9])/,
    maxCompletionTokens: true,
    fixedSampling: true,
    reasonsByDefault: true,
    efforts: ['none', 'low', 'medium', 'high', 'xhigh', 'max'],
  },
  {
    name: 'gpt-5.5',
    pattern: /^gpt-5\.5/,
    maxCompletionTokens: true,
    fixedSampling: true,
    efforts: ['none', 'low', 'medium', 'high', 'xhigh'],
  },
  {
    name: 'gpt-5.2',
    pattern: /^gpt-5\.[2-4]/,
    maxCompletionTokens: true,
    fixedSampling: true,
    refuses: ['stop'],
    efforts: ['none', 'low', 'medium', 'high', 'xhigh'],
  },
  {
    name: 'gpt-5.1',
    pattern: /^gpt-5\.1/,
    maxCompletionTokens: true,
    fixedSampling: true,
    refuses: ['stop'],
    efforts: ['none', 'low', 'medium', 'high'],
  },
  {
    name: 'gpt-5',
    pattern: /^gpt-5/,
    maxCompletionTokens: true,
    fixedSampling: true,
    refuses: ['stop'],
    efforts: ['minimal', 'low', 'medium', 'high'],
  },
  {
    name: 'o3',
    pattern: /^(?:o3(?!-mini)|o4)(?:-|$)/,
    maxCompletionTokens: true,
    fixedSampling: true,
    refuses: ['stop', 'parallel_tool_calls'],
    efforts: ['low', 'medium', 'high'],
  },
  {
    name: 'o-series',
    pattern: /^o[134](?:-|$)/,
    maxCompletionTokens: true,
    fixedSampling: true,
    refuses: ['parallel_tool_calls'],
    efforts: ['low', 'medium', 'high'],
  },
  { name: 'grok', pattern: /^grok-(?:2|3(?!-mini))|^grok-.*non-reasoning/ },
  { name: 'grok-3-mini', pattern: /^grok-3-mini/, refuses: GROK_REFUSES },
  {
    name: 'grok-4',
    pattern: /^grok-(?:4(?:-(?!3|5)|\.20|$)|code)/,
    refuses: [...GROK_REFUSES, 'reasoning_effort'],
  },
  { name: 'grok reasoning', pattern: /^grok-/, refuses: GROK_REFUSES },
  {
    name: 'mistral',
    pattern: /^(?:open-)?(?:mi[sx]tral|codestral|ministral|magistral|devstral|pixtral|voxtral)/,
    strictRoles: true,
  },
  /** Source: https://docs.aws.amazon.com/nova/latest/userguide/prompting-structured-output.html */
  { name: 'nova', pattern: /^nova-/, prefill: true },
  { name: 'deepseek-v4', pattern: /^deepseek-v[4-9]/, forcesToolsWithoutReasoning: true },
  { name: 'deepseek-reasoner', pattern: /^deepseek-reasoner/, refuses: ['logprobs', 'top_logprobs'] },
  { name: 'gpt-oss', pattern: /^gpt-oss/, efforts: ['low', 'medium', 'high'] },
  {
    name: 'claude adaptive',
    pattern: /^claude-(?:(?:opus|sonnet|haiku)-(?:4-[7-9]|[5-9])|fable|mythos)/,
    fixedSampling: true,
    adaptiveThinking: true,
    efforts: ['low', 'medium', 'high', 'xhigh', 'max'],
    prefill: false,
    structuredOutputs: true,
    maxTemperature: 1,
    defaultMaxTokens: 32_000,
  },
  {
    name: 'claude 4.6',
    pattern: /^claude-(?:opus|sonnet|haiku)-4-6/,
    oneSamplingParameter: true,
    adaptiveThinking: true,
    thinkingBudget: CLAUDE_BUDGET,
    efforts: CLAUDE_EFFORTS,
    prefill: false,
    structuredOutputs: true,
    maxTemperature: 1,
    defaultMaxTokens: 32_000,
  },
  {
    name: 'claude opus 4.5',
    pattern: /^claude-opus-4-5/,
    oneSamplingParameter: true,
    thinkingBudget: CLAUDE_BUDGET,
    efforts: ['low', 'medium', 'high'],
    prefill: true,
    structuredOutputs: true,
    maxTemperature: 1,
    defaultMaxTokens: 32_000,
  },
  {
    name: 'claude 4.5',
    pattern: /^claude-(?:sonnet|haiku)-4-5|^claude-opus-4-1/,
    oneSamplingParameter: true,
    thinkingBudget: CLAUDE_BUDGET,
    prefill: true,
    structuredOutputs: true,
    maxTemperature: 1,
    defaultMaxTokens: 32_000,
  },
  {
    name: 'claude 4',
    pattern: /^claude-(?:(?:opus|sonnet|haiku)-4|4-|3-7)/,
    thinkingBudget: CLAUDE_BUDGET,
    prefill: true,
    maxTemperature: 1,
    defaultMaxTokens: 32_000,
  },
  { name: 'claude 3.5', pattern: /^claude-3-5/, prefill: true, maxTemperature: 1, defaultMaxTokens: 8_192 },
  { name: 'claude', pattern: /^claude/, prefill: true, maxTemperature: 1, defaultMaxTokens: 4_096 },
  {
    // Source: https://ai.google.dev/gemini-api/docs/latest-model
    name: 'gemini 3.6 flash',
    pattern: /^gemini-(?:3\.5-flash-lite|(?:3\.(?:[6-9]|\d\d)|[4-9](?:\.\d+)?)-flash|flash(?:-lite)?-latest)/,
    thinkingLevels: ['minimal', 'low', 'medium', 'high'],
    prefill: false,
    structuredOutputs: true,
  },
  {
    name: 'gemini 3.6',
    pattern: /^gemini-(?:3\.(?:[6-9]|\d\d)|[4-9])/,
    thinkingLevels: ['low', 'medium', 'high'],
    prefill: false,
    structuredOutputs: true,
  },
  {
    name: 'gemini 3 flash',
    pattern: /^gemini-3(?:\.\d+)?-flash/,
    thinkingLevels: ['minimal', 'low', 'medium', 'high'],
    prefill: true,
    structuredOutputs: true,
  },
  {
    name: 'gemini 3',
    pattern: /^gemini-3/,
    thinkingLevels: ['low', 'high'],
    prefill: true,
    structuredOutputs: true,
  },
  {
    name: 'gemini 2.5 pro',
    pattern: /^gemini-2\.5-pro/,
    thinkingBudget: { min: 128, max: 32_768, canDisable: false },
    toolsOrFormat: true,
    prefill: true,
    structuredOutputs: true,
  },
  {
    name: 'gemini 2.5 flash-lite',
    pattern: /^gemini-2\.5-flash-lite/,
    thinkingBudget: { min: 512, max: 24_576, canDisable: true },
    toolsOrFormat: true,
    prefill: true,
    structuredOutputs: true,
  },
  {
    name: 'gemini 2.5 flash',
    pattern: /^gemini-(?:2\.5-flash|flash)/,
    thinkingBudget: { min: 0, max: 24_576, canDisable: true },
    toolsOrFormat: true,
    prefill: true,
    structuredOutputs: true,
  },
  { name: 'gemini', pattern: /^gemini/, toolsOrFormat: true, prefill: true, structuredOutputs: true },
];

const PLAIN: ModelFamily = { name: 'other' };

/**
 * The lower-case name without publisher, region, path and version: `us.anthropic.claude-opus-4-1-v1:0` gives
 * `claude-opus-4-1`.
 */
export function bareName(model: string): string {
  return model
    .toLowerCase()
    .replace(/^.*\//, '')
    .replace(/^(?:[a-z-]{2,10}\.)?[a-z0-9]+\.(?=[a-z])/, '')
    .replace(/[@:].*$/, '');
}

/** @returns the family of an upstream model; one without restrictions for an unknown name */
export function familyOf(model: string): ModelFamily {
  const name = bareName(model);
  return FAMILIES.find(({ pattern }) => pattern.test(name)) ?? PLAIN;
}

/** Sampling parameters that a reasoning model chooses itself, and the values that mean the same as their absence. */
const SAMPLING_DEFAULTS: Readonly<Record<string, unknown>> = {
  temperature: 1,
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  logprobs: false,
  top_logprobs: 0,
  logit_bias: undefined,
};
const SAMPLING_NAMES = Object.keys(SAMPLING_DEFAULTS);

/** Whether the value of a refused parameter means the same as its absence, so that leaving it out changes nothing. */
export function isRefusedDefault(name: string, value: unknown): boolean {
  if (value === null || (name === 'parallel_tool_calls' && value === true)) return true;
  return name in SAMPLING_DEFAULTS && value === SAMPLING_DEFAULTS[name];
}

/**
 * The parameters of OpenAI's chat that a model rejects.
 * @param effort the reasoning effort of the request; undefined where it sets none
 */
export function refusedParameters(family: ModelFamily, effort: unknown): readonly string[] {
  const { fixedSampling, efforts, reasonsByDefault, refuses = NO_PARAMETERS } = family;
  // A model with optional reasoning accepts sampling parameters until reasoning is on.
  const isOptional = efforts?.includes('none') ?? false;
  const reasons = effort === undefined ? !isOptional || reasonsByDefault === true : effort !== 'none';
  if (!fixedSampling || !reasons) return refuses;
  return refuses.length === 0 ? SAMPLING_NAMES : [...SAMPLING_NAMES, ...refuses];
}

const NO_PARAMETERS: readonly string[] = [];

/** Budgets in tokens that replace an effort, for models with a budget. */
const BUDGETS: Readonly<Record<ReasoningEffort, number>> = {
  none: 0,
  minimal: 512,
  low: 1_024,
  medium: 8_192,
  high: 24_576,
  xhigh: 48_000,
  max: 120_000,
};

/** Converts an effort to a budget in tokens, within the family's range. */
export function effortToBudget(effort: ReasoningEffort, limits: { min: number; max: number }): number {
  return Math.min(limits.max, Math.max(limits.min, BUDGETS[effort]));
}

/** Converts a budget in tokens to the largest effort that it allows. */
export function budgetToEffort(budget: number): ReasoningEffort {
  if (budget <= 0) return 'none';
  if (budget < 4_000) return 'low';
  return budget < 16_000 ? 'medium' : 'high';
}

/** Whether a value is a known effort. */
export function isEffort(value: unknown): value is ReasoningEffort {
  return ORDER.some((effort) => effort === value);
}

const ORDER: readonly ReasoningEffort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

/** @returns the accepted effort nearest to the requested one; the lower of two at the same distance */
export function nearestEffort(
  effort: ReasoningEffort,
  known: readonly ReasoningEffort[],
): ReasoningEffort | undefined {
  const wanted = ORDER.indexOf(effort);
  const distance = (one: ReasoningEffort) => Math.abs(ORDER.indexOf(one) - wanted);
  return [...known].sort((a, b) => distance(a) - distance(b) || ORDER.indexOf(a) - ORDER.indexOf(b))[0];
}
