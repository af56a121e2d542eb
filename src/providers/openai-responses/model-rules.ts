import type { ReasoningEffort } from '../../core/chat/request.ts';

/** What a model takes through the Responses API. Absent: not known, so that the model itself may judge. */
export interface ModelRules {
  /** Which efforts it knows, rising; none for a model that does not think. */
  readonly efforts?: readonly ReasoningEffort[];
  /** Whether thinking can come encrypted, to be sent back; asking others for it is refused. */
  readonly encrypts: boolean;
  /** When it refuses temperature, top_p and logprobs; `thinking`: unless its effort is `none`. */
  readonly refusesSampling?: 'always' | 'thinking';
  /** Its effort when none is asked for. */
  readonly defaultEffort?: ReasoningEffort;
}

const LOW_TO_HIGH: readonly ReasoningEffort[] = ['low', 'medium', 'high'];

/** From OpenAI's and Azure's model pages and from what the API answers to values that a model does not take. */
const RULES: readonly (readonly [RegExp, ModelRules])[] = [
  [/^gpt-5-chat/, { efforts: [], encrypts: false }],
  [/^gpt-5\.\d+-chat/, { efforts: ['medium'], encrypts: true, refusesSampling: 'always' }],
  [/^gpt-5-pro/, { efforts: ['high'], encrypts: true, refusesSampling: 'always' }],
  [/^gpt-5-codex/, { efforts: LOW_TO_HIGH, encrypts: true, refusesSampling: 'always' }],
  [/^gpt-5(?!\.\d)/, { efforts: ['minimal', ...LOW_TO_HIGH], encrypts: true, refusesSampling: 'always' }],
  [/^gpt-5\.1-codex-max/, { efforts: [...LOW_TO_HIGH, 'xhigh'], encrypts: true, refusesSampling: 'always' }],
  [/^gpt-5\.1-codex/, { efforts: LOW_TO_HIGH, encrypts: true, refusesSampling: 'always' }],
  [/^gpt-5\.\d+-codex/, { efforts: [...LOW_TO_HIGH, 'xhigh'], encrypts: true, refusesSampling: 'always' }],
  [/^gpt-5\.\d+-pro/, { efforts: ['medium', 'high', 'xhigh'], encrypts: true, refusesSampling: 'always' }],
  [
    /^gpt-5\.1/,
    {
      efforts: ['none', ...LOW_TO_HIGH],
      encrypts: true,
      refusesSampling: 'thinking',
      defaultEffort: 'none',
    },
  ],
  [
    /^gpt-5\.[2-5](?!\d)/,
    {
      efforts: ['none', ...LOW_TO_HIGH, 'xhigh'],
      encrypts: true,
      refusesSampling: 'thinking',
      defaultEffort: 'none',
    },
  ],
  [
    /^gpt-(?:5\.|[6-9])/,
    { efforts: ['none', ...LOW_TO_HIGH, 'xhigh', 'max'], encrypts: true, refusesSampling: 'thinking' },
  ],
  [/^(?:o\d|codex-)/, { efforts: LOW_TO_HIGH, encrypts: true, refusesSampling: 'always' }],
  [/^gpt-oss/, { efforts: LOW_TO_HIGH, encrypts: false }],
  [/^(?:gpt-[34]|chatgpt-|ft:gpt-[34])/, { efforts: [], encrypts: false }],
  [/^grok-.*non-reasoning|^grok-(?:2|3(?!-mini))/, { efforts: [], encrypts: false }],
  [/^grok-3-mini/, { efforts: ['low', 'high'], encrypts: true }],
  [/^grok-/, { encrypts: true }],
];

const UNKNOWN: ModelRules = { encrypts: false };

/** @param model the upstream's name; a vendor's prefix such as `openai/` does not matter */
export function rulesOf(model: string): ModelRules {
  const name = model.toLowerCase().slice(model.lastIndexOf('/') + 1);
  return RULES.find(([pattern]) => pattern.test(name))?.[1] ?? UNKNOWN;
}

const RISING: readonly ReasoningEffort[] = ['none', 'minimal', ...LOW_TO_HIGH, 'xhigh', 'max'];

/** The known effort that is nearest to the one asked for; of two, the one that thinks more. */
export function nearestEffort(asked: ReasoningEffort, known: readonly ReasoningEffort[]): ReasoningEffort {
  const distance = (effort: ReasoningEffort) => Math.abs(RISING.indexOf(effort) - RISING.indexOf(asked));
  let nearest = asked;
  let best = Number.POSITIVE_INFINITY;
  for (const effort of known) {
    if (distance(effort) > best) continue;
    nearest = effort;
    best = distance(effort);
  }
  return nearest;
}

/** A budget in tokens as an effort. */
export function effortOfBudget(tokens: number): ReasoningEffort {
  if (tokens < 4096) return 'low';
  return tokens < 16_384 ? 'medium' : 'high';
}
