import type { ChatRequest } from '../core/chat/request.ts';
import type { Warn } from '../core/warning.ts';

/** Readers of parameters, by the name that clients use. A value that means the default counts as absent. */
const PARAMETERS = {
  n: ({ choices }) => (choices === 1 ? undefined : choices),
  seed: ({ seed }) => seed,
  frequency_penalty: ({ frequencyPenalty }) => frequencyPenalty || undefined,
  presence_penalty: ({ presencePenalty }) => presencePenalty || undefined,
  logprobs: ({ logprobs }) => logprobs,
  top_logprobs: ({ logprobs }) => logprobs?.top,
  logit_bias: ({ logitBias }) => logitBias,
  parallel_tool_calls: ({ parallelToolCalls }) => (parallelToolCalls === false ? false : undefined),
  tool_choice: ({ toolChoice }) =>
    toolChoice?.type === 'auto' || toolChoice?.type === 'none' ? undefined : toolChoice,
  verbosity: ({ verbosity }) => verbosity,
  user: ({ user }) => user,
  metadata: ({ metadata }) => metadata,
  service_tier: ({ serviceTier }) => serviceTier,
  prompt_cache_key: ({ promptCacheKey }) => promptCacheKey,
  response_format: ({ responseFormat }) => (responseFormat?.type === 'json' ? 'json' : undefined),
  modalities: ({ modalities }) => (modalities?.some((kind) => kind !== 'text') ? modalities : undefined),
} as const satisfies Readonly<Record<string, (request: ChatRequest) => unknown>>;

/** Name of a parameter that some formats lack. */
export type ParameterName = keyof typeof PARAMETERS;

/** Warns of each tool whose arguments must match its schema exactly, for targets without that. */
export function warnOfStrictTools({ tools }: ChatRequest, warn: Warn, subject = 'The target'): void {
  for (const [index, tool] of (tools ?? []).entries()) {
    if (tool.type !== 'function' || tool.strict !== true) continue;
    warn({
      kind: 'unsupported',
      param: `tools[${index}].strict`,
      message: `${subject} does not support "strict" tools.`,
    });
  }
}

/**
 * Warns of the parameters of a request that a format cannot express.
 * @param names parameters that the format lacks, in the order of the warnings
 * @param subject the noun that the warnings begin with
 */
export function warnUnsupported(
  request: ChatRequest,
  names: readonly ParameterName[],
  warn: Warn,
  subject = 'The target',
): void {
  for (const param of names) {
    if (PARAMETERS[param](request) === undefined) continue;
    warn({ kind: 'unsupported', param, message: `${subject} does not support "${param}".` });
  }
}
