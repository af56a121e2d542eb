import type { ReasoningEffort } from '../../core/chat/request.ts';
import { familyOf } from '../model-families.ts';

/** The parameters that a model accepts through the Responses API. */
export interface ModelRules {
  /** Accepted reasoning efforts, ascending; empty for a model without reasoning. Undefined when unknown. */
  readonly efforts?: readonly ReasoningEffort[];
  /** Whether it can return encrypted reasoning. Other models reject that option. */
  readonly encrypts: boolean;
  /** When it rejects temperature, top_p and logprobs; `thinking` means unless its effort is `none`. */
  readonly refusesSampling?: 'always' | 'thinking';
  /** Its default effort. */
  readonly defaultEffort?: ReasoningEffort;
}

const LOW_TO_HIGH: readonly ReasoningEffort[] = ['low', 'medium', 'high'];

/**
 * Models that differ from their family, or have none. Source: OpenAI's and Azure's model pages, and the API's error messages
 * for unsupported values.
 */
const PARTICULAR: readonly (readonly [RegExp, Partial<ModelRules>])[] = [
  [/^gpt-5-chat|^(?:ft:)?gpt-[34]|^chatgpt-/, { efforts: [], encrypts: false }],
  [/^gpt-5\.\d+-chat/, { efforts: ['medium'], refusesSampling: 'always' }],
  [/^gpt-5-pro/, { efforts: ['high'] }],
  [/^gpt-5\.\d+-pro/, { efforts: ['medium', 'high', 'xhigh'], refusesSampling: 'always' }],
  [/^gpt-5(?:\.1)?-codex(?!-max)/, { efforts: LOW_TO_HIGH, refusesSampling: 'always' }],
  [/^gpt-5\.\d+-codex/, { efforts: [...LOW_TO_HIGH, 'xhigh'], refusesSampling: 'always' }],
  [/^codex-/, { efforts: LOW_TO_HIGH, refusesSampling: 'always' }],
  [/^gpt-5\.[1-5](?!\d)/, { defaultEffort: 'none' }],
  [/^gpt-(?:5\.|[6-9])/, { efforts: ['none', ...LOW_TO_HIGH, 'xhigh', 'max'] }],
  [/^grok-.*non-reasoning|^grok-(?:2|3(?!-mini))/, { efforts: [], encrypts: false }],
  [/^grok-3-mini/, { efforts: ['low', 'high'], encrypts: true }],
  [/^grok-/, { encrypts: true }],
];

const ENCRYPTS = /^(?:gpt-[5-9]|o\d|codex-)/;

/**
 * Finds the rules of a model.
 * @param model the upstream's name; a vendor's prefix such as `openai/` is ignored
 */
export function rulesOf(model: string): ModelRules {
  const name = model.toLowerCase().slice(model.lastIndexOf('/') + 1);
  const { efforts, fixedSampling } = familyOf(model);
  const own = PARTICULAR.find(([pattern]) => pattern.test(name))?.[1] ?? {};
  const known = own.efforts ?? efforts;
  return {
    encrypts: ENCRYPTS.test(name),
    ...(known === undefined ? {} : { efforts: known }),
    ...(fixedSampling ? { refusesSampling: known?.includes('none') ? 'thinking' : 'always' } : {}),
    ...own,
  };
}
