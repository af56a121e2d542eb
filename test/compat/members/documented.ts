import type { Word } from './outcome.ts';

/** Members without an effect on a target, for a reason that the page states. */
export interface Documented {
  readonly label: RegExp;
  /** Targets; all when absent. */
  readonly targets?: readonly string[];
  readonly word: Extract<Word, 'mapped' | 'explained'>;
  readonly reason: string;
}

export const DOCUMENTED_REQUESTS: readonly Documented[] = [
  {
    label: /^stream_options\.(?:include_usage|include_obfuscation)$/,
    word: 'explained',
    reason: 'Weir writes the stream: it sends usage where the client requests it, and adds no padding.',
  },
  {
    label: /^(?:store|previous_response_id)$/,
    word: 'explained',
    reason: 'Weir stores responses and continues them, whatever the target.',
  },
  {
    label:
      /^(?:response_format|text\.format|(?:input.*\.)?tools.*\.format)\(type=text\)$|\.environment\(type=local\)$|^tool_choice\(type=auto\)$/,
    word: 'explained',
    reason: 'This is the default of every target.',
  },
  {
    label: /(?:json_schema|format\(type=json_schema\))\.name$/,
    word: 'explained',
    reason: "The name labels a schema. Only OpenAI's formats have a place for it.",
  },
  {
    label: /(?:json_schema|format\(type=json_schema\))\.strict$/,
    word: 'explained',
    reason: 'These targets always keep to the schema.',
  },
  {
    label: /^input\[\]\(\w+=\w+\)\.(?:id|status)$/,
    word: 'explained',
    reason: 'Ids and states of items are for storage. Models see neither.',
  },
  {
    label: /\(type=tool_search_\w+\)\.execution$/,
    word: 'explained',
    reason: 'Searches with a call are those that the client executes.',
  },
  {
    label: /\(type=(?:reasoning|thinking)\)\.(?:signature|encrypted_content)$/,
    targets: ['Ollama'],
    word: 'explained',
    reason: 'Only the vendor that issued such a value can read it. The text of the reasoning is sent.',
  },
  {
    label: /^reasoning\.(?:summary|generate_summary)$/,
    word: 'explained',
    reason: 'Clients receive the reasoning that the target sends, in the form in which it sends it.',
  },
  {
    label: /^thinking\(type=(?:adaptive|between_tools)\)$/,
    word: 'explained',
    reason: 'Without a setting, these targets decide how much to reason.',
  },
  {
    label: /^thinking\(type=disabled\)$/,
    targets: ['OpenAI chat'],
    word: 'explained',
    reason: 'The model of this column never reasons. Others receive the lowest effort that they accept.',
  },
  {
    label: /(?:source\(type=base64\)\.media_type|input_audio\.format)$/,
    targets: ['Ollama', 'Mistral'],
    word: 'explained',
    reason: 'These targets recognise the type of a file by its content.',
  },
];

/** Values that mean the same as the member's absence. */
export const DEFAULT_VALUES: readonly (readonly [label: RegExp, values: readonly string[]])[] = [
  [/(?:\.detail|^function_call|^tool_choice)$/, ['auto']],
  [/(?:logprobs|store|strict|enabled|is_error|disable_parallel_tool_use|background)$/, ['false']],
  [/(?:eager_input_streaming|defer_loading)$/, ['false']],
  [/^parallel_tool_calls$/, ['true']],
  // Translated responses always have it.
  [/^include$/, ['reasoning.encrypted_content']],
  [/^modalities$/, ['text']],
  [/^truncation$/, ['disabled']],
  [/^reasoning\.effort$/, ['none']],
  [/^thinking\(type=\w+\)\.display$/, ['summarized', 'updates']],
];
