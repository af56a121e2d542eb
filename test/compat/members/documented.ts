/** Members without an effect, for a reason that the page states. */
export interface Documented {
  readonly label: RegExp;
  /** Columns of the table; all when absent. */
  readonly columns?: readonly string[];
  readonly reason: string;
}

export const DOCUMENTED_REQUESTS: readonly Documented[] = [
  {
    label: /^stream_options\.(?:include_usage|include_obfuscation)$/,
    reason: 'Weir writes the stream: it sends usage where the client requests it, and adds no padding.',
  },
  {
    label: /^(?:store|previous_response_id)$/,
    reason: 'Weir stores responses and continues them, whatever the target.',
  },
  {
    label:
      /^(?:response_format|text\.format|(?:input.*\.)?tools.*\.format)\(type=text\)$|\.environment\(type=local\)$|^tool_choice\(type=auto\)$/,
    reason: 'This is the default of every target.',
  },
  {
    label: /(?:json_schema|format\(type=json_schema\))\.name$/,
    reason: "The name labels a schema. Only OpenAI's formats have a place for it.",
  },
  {
    label: /(?:json_schema|format\(type=json_schema\))\.strict$/,
    reason: 'These targets always keep to the schema.',
  },
  {
    label: /^input\[\]\(\w+=\w+\)\.(?:id|status)$/,
    reason: 'Ids and states of items are for storage. Models see neither.',
  },
  {
    label: /\(type=tool_search_\w+\)\.execution$/,
    reason: 'Searches with a call are those that the client executes.',
  },
  {
    label: /\(type=(?:reasoning|thinking)\)\.(?:signature|encrypted_content)$/,
    columns: ['Ollama'],
    reason: 'Only the vendor that issued such a value can read it. The text of the reasoning is sent.',
  },
  {
    label: /^reasoning\.(?:summary|generate_summary)$/,
    reason: 'Clients receive the reasoning that the target sends, in the form in which it sends it.',
  },
  {
    label: /^thinking\(type=(?:adaptive|between_tools)\)$/,
    reason: 'Without a setting, these targets decide how much to reason.',
  },
  {
    label: /^thinking\(type=disabled\)$/,
    columns: ['OpenAI chat'],
    reason: 'The model of this column never reasons. Others receive the lowest effort that they accept.',
  },
  {
    label: /(?:source\(type=base64\)\.media_type|input_audio\.format)$/,
    columns: ['Ollama', 'Mistral'],
    reason: 'These targets recognise the type of a file by its content.',
  },
];

/** Values that mean the same as the member's absence. */
export const DEFAULT_VALUES: readonly (readonly [label: RegExp, values: readonly string[]])[] = [
  [/(?:\.detail|^function_call|^tool_choice|^tool_choice\(type=allowed_tools\).*\.mode)$/, ['auto']],
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

export const DOCUMENTED_ANSWERS: readonly Documented[] = [
  {
    label: /^(?:error|status$)/,
    reason: 'A response that is not complete, or reports an error, becomes an error response.',
  },
  {
    label: /_call\)\.namespace$/,
    reason: 'Only clients of the responses API can offer groups of tools.',
  },
  {
    label:
      /^(?:instructions|tools|tool_choice|text|prompt|reasoning|conversation|metadata|background|max_output_tokens|max_tool_calls|parallel_tool_calls|previous_response_id|prompt_cache_\w+|safety_identifier|store|temperature|top_p|top_logprobs|truncation|user)(?:$|[.[(])/,
    reason: "Weir repeats the client's own request, as the client sent it.",
  },
  {
    label:
      /^(?:id|object|created|created_at|completed_at|model|responseId|modelVersion|createTime|output_text)$|(?:^|\.)(?:role|index)$|(?:^output.*|choices.*)\.(?:id|status|type)$/,
    reason: 'Weir writes its own ids, times, names and positions, in the form of the client’s API.',
  },
  {
    label: /usage|[uU]sageMetadata|\.tokenCount$|^service_?[tT]ier|^system_fingerprint$/,
    reason:
      'Clients receive the token counts that their API has. The usage record keeps the counts of the vendor as they came.',
  },
  {
    label:
      /^(?:moderation|container|diagnostics|context_management|input_transformations|stop_details|stop_sequence|modelStatus|promptFeedback|trace|metrics|performanceConfig|additionalModelResponseFields|automaticFunctionCallingHistory|incomplete_details)(?:$|[.[(])/,
    reason: 'Other formats have no place for what a vendor says of its processing.',
  },
  {
    label:
      /^candidates\[\]\.(?:safetyRatings|finishMessage|avgLogprobs|urlContextMetadata|continuationToken|citationMetadata|logprobsResult.*(?:tokenId|logProbabilitySum))/,
    reason: 'Other formats have no place for what Gemini says of its processing.',
  },
  {
    label: /groundingMetadata|[cC]itations\[\]|annotations\[\]/,
    reason:
      'Citations keep address, title, cited text and place. Other formats have no place for more about a source.',
  },
  {
    label: /\.(?:caller|phase|prefix|toolset_name|displayName|willContinue)(?:$|[.[(])|partialArgs/,
    reason: 'These are notes for the vendor’s own clients. The content itself is carried.',
  },
  {
    label: /(?:type=custom\)\.custom\.input|type=custom_tool_call\)\.input|server_tool_use\)\.input\[\])$/,
    reason: 'Clients of the messages API cannot offer such tools, so no model calls them.',
  },
  {
    label: /content\[\]\(type=thinking\)\.(?:thinking\[\]\(type=\w*reference\)|signature|closed)/,
    reason: 'The text of the reasoning is carried, without the references in it.',
  },
  {
    label: /^choices\[\]\.messages\[\]/,
    reason: 'The list of messages beside the message belongs to agents of the vendor.',
  },
  {
    label: /token_ids$/,
    reason: 'Ids of tokens mean nothing outside of the vendor.',
  },
];

export const DOCUMENTED_STREAMS: readonly Documented[] = [
  {
    label: /^\(type=(?:error|response\.failed)\)/,
    reason: 'An event that reports an error becomes an error event.',
  },
  {
    label: /^\(type=response\.(?:\w+\.)*done\)/,
    reason: 'The last event of a part repeats its deltas.',
  },
  {
    label:
      /^\(type=response\.(?:audio|code_interpreter|file_search|web_search|image_generation|mcp|shell|apply_patch)/,
    reason: 'Other formats have no events for the progress of tools that run at the vendor.',
  },
  {
    label: /(?:contentBlockIndex|item_id|sequence_number|_index|(?:^|\.)index|^\(type=[\w-]+\)\.id)$/,
    reason: 'Weir writes its own ids, times, names and positions, in the form of the client’s API.',
  },
  {
    label:
      /\.parts\[\]|delta\((?:image|toolResult)\)|start\((?:image|toolResult)\)|logprobs|\.delta\.content\[\]|[cC]itation/,
    reason:
      'Streams leave out content that the client’s API cannot express. A complete response has a warning for it.',
  },
  {
    label:
      /\.(?:metrics|performanceConfig|serviceTier|additionalModelResponseFields)(?:$|[.[])|\.delta\.(?:container|stop_details|stop_sequence|error|metadata|tool_call_id)|^\(type=debug\)/,
    reason: 'Other formats have no place for what a vendor says of its processing.',
  },
];

export const DOCUMENTED_EMBEDDINGS: readonly Documented[] = [
  {
    label: /^encoding_format$/,
    reason: 'Weir encodes the vectors of every provider as the client asks.',
  },
  {
    label: /^(?:id|model|object|texts|images)|(?:^|\.)(?:index|object)$/,
    reason: 'Weir writes its own ids, names and positions, in the form of the client’s API.',
  },
  {
    label: /usage|[mM]eta|statistics|response_type|^truncated$/,
    reason:
      "Clients receive the token counts that their API has. It has no place for more of a vendor's account.",
  },
  {
    label: /^embeddings(?:\.(?:int8|uint8|binary|ubinary|base64))?$/,
    reason: 'Weir requests vectors of floating-point numbers.',
  },
];
