import type { ReasoningEffort } from '../../core/chat/request.ts';
import { familyOf } from '../model-families.ts';

/** What a model takes through the Responses API. */
export interface ModelRules {
  /** Which efforts it knows, rising; none for a model that does not think. Absent: not known. */
  readonly efforts?: readonly ReasoningEffort[];
  /** Whether its thinking can come encrypted, to be sent back; asking others for that is refused. */
  readonly encrypts: boolean;
  /** When it refuses temperature, top_p and logprobs; `thinking`: unless its effort is `none`. */
  readonly refusesSampling?: 'always' | 'thinking';
  /** Its effort when none is asked for. */
  readonly defaultEffort?: ReasoningEffort;
}

const LOW_TO_HIGH: readonly ReasoningEffort[] = ['low', 'medium', 'high'];

/**
 * Where a model differs from its family, or has none: some are offered through this API only. From OpenAI's and
 * Azure's model pages, and from what the API answers to values that a model does not take.
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

/** @param model the upstream's name; a vendor's prefix such as `openai/` does not matter */
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
