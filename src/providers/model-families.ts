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
  /** Output tokens when the API requires a limit and the client sent none. */
  readonly defaultMaxTokens?: number;
}

interface Row extends ModelFamily {
  /** Matched against the bare name in lower case. */
  readonly pattern: RegExp;
}

const CLAUDE_BUDGET = { min: 1_024, max: 128_000, canDisable: true } as const;
const CLAUDE_EFFORTS = ['low', 'medium', 'high', 'max'] as const;

const FAMILIES: readonly Row[] = [
  { name: 'gpt-5-chat', pattern: /^gpt-5(?:\.\d+)?-chat/, maxCompletionTokens: true },
  {
    name: 'gpt-5.6',
    pattern: /^gpt-(?:5\.[6-9]|[6-9])/,
    maxCompletionTokens: true,
    fixedSampling: true,
    efforts: ['none', 'low', 'medium', 'high', 'xhigh', 'max'],
  },
  {
    name: 'gpt-5.2',
    pattern: /^gpt-5\.[2-5]/,
    maxCompletionTokens: true,
    fixedSampling: true,
    efforts: ['none', 'low', 'medium', 'high', 'xhigh'],
  },
  {
    name: 'gpt-5.1',
    pattern: /^gpt-5\.1/,
    maxCompletionTokens: true,
    fixedSampling: true,
    efforts: ['none', 'low', 'medium', 'high'],
  },
  {
    name: 'gpt-5',
    pattern: /^gpt-5/,
    maxCompletionTokens: true,
    fixedSampling: true,
    efforts: ['minimal', 'low', 'medium', 'high'],
  },
  {
    name: 'o-series',
    pattern: /^o[134](?:-|$)/,
    maxCompletionTokens: true,
    fixedSampling: true,
    efforts: ['low', 'medium', 'high'],
  },
  { name: 'gpt-oss', pattern: /^gpt-oss/, efforts: ['low', 'medium', 'high'] },
  {
    name: 'claude adaptive',
    pattern: /^claude-(?:(?:opus|sonnet|haiku)-(?:4-[7-9]|[5-9])|fable|mythos)/,
    fixedSampling: true,
    adaptiveThinking: true,
    efforts: ['low', 'medium', 'high', 'xhigh', 'max'],
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
    structuredOutputs: true,
    maxTemperature: 1,
    defaultMaxTokens: 32_000,
  },
  {
    name: 'claude 4.5',
    pattern: /^claude-(?:sonnet|haiku)-4-5|^claude-opus-4-1/,
    oneSamplingParameter: true,
    thinkingBudget: CLAUDE_BUDGET,
    structuredOutputs: true,
    maxTemperature: 1,
    defaultMaxTokens: 32_000,
  },
  {
    name: 'claude 4',
    pattern: /^claude-(?:(?:opus|sonnet|haiku)-4|4-|3-7)/,
    thinkingBudget: CLAUDE_BUDGET,
    maxTemperature: 1,
    defaultMaxTokens: 32_000,
  },
  { name: 'claude 3.5', pattern: /^claude-3-5/, maxTemperature: 1, defaultMaxTokens: 8_192 },
  { name: 'claude', pattern: /^claude/, maxTemperature: 1, defaultMaxTokens: 4_096 },
  {
    name: 'gemini 3 flash',
    pattern: /^gemini-[3-9](?:\.\d+)?-flash/,
    thinkingLevels: ['minimal', 'low', 'medium', 'high'],
    structuredOutputs: true,
  },
  { name: 'gemini 3', pattern: /^gemini-[3-9]/, thinkingLevels: ['low', 'high'], structuredOutputs: true },
  {
    name: 'gemini 2.5 pro',
    pattern: /^gemini-2\.5-pro/,
    thinkingBudget: { min: 128, max: 32_768, canDisable: false },
    structuredOutputs: true,
  },
  {
    name: 'gemini 2.5 flash-lite',
    pattern: /^gemini-2\.5-flash-lite/,
    thinkingBudget: { min: 512, max: 24_576, canDisable: true },
    structuredOutputs: true,
  },
  {
    name: 'gemini 2.5 flash',
    pattern: /^gemini-(?:2\.5-flash|flash)/,
    thinkingBudget: { min: 0, max: 24_576, canDisable: true },
    structuredOutputs: true,
  },
  { name: 'gemini', pattern: /^gemini/, structuredOutputs: true },
];

const PLAIN: ModelFamily = { name: 'other' };

/**
 * The lower-case name without publisher, region, path and version: `us.anthropic.claude-opus-4-1-v1:0` gives
 * `claude-opus-4-1`.
 */
function bareName(model: string): string {
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
