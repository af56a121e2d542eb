import { warnOfCacheMarks } from '../../core/chat/cache-marks.ts';
import { extensionsFor, warnOfExtensions } from '../../core/chat/extensions.ts';
import type { ChatRequest, ReasoningSettings, Tool } from '../../core/chat/request.ts';
import { isRecord } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { describedSchema, warnOfLostDetails, warnOfShownReasoning } from '../lost-details.ts';
import { type ParameterName, warnOfStrictTools, warnUnsupported } from '../unsupported.ts';

type JsonObject = Record<string, unknown>;

/** Members of Ollama's API that clients of OpenAI's chat may send unchanged. */
const OWN: readonly string[] = ['options', 'keep_alive', 'think', 'truncate', 'shift'];
/** Models with a reasoning effort; others only turn reasoning on or off. */
const THINKING_LEVEL_MODELS = /gpt-oss/i;

/** Parameters that the format lacks. */
const UNSUPPORTED: readonly ParameterName[] = [
  'n',
  'logit_bias',
  'parallel_tool_calls',
  'verbosity',
  'user',
  'metadata',
  'service_tier',
  'prompt_cache_key',
  'tool_choice',
  'modalities',
];

/** Builds all members of a request except model, messages and stream. */
export function ollamaParameters(request: ChatRequest, model: string, warn: Warn): JsonObject {
  warnUnsupported(request, UNSUPPORTED, warn, "Ollama's own API");
  warnOfStrictTools(request, warn, "Ollama's own API");
  warnOfLostDetails(request, ['name', 'detail'], warn, "Ollama's own API");
  warnOfShownReasoning(request, warn, "Ollama's own API");
  warnOfCacheMarks(request, warn);
  const { options: given, ...own } = Object.fromEntries(
    Object.entries(extensionsFor(request, ['openai-chat'])).filter(([name]) => OWN.includes(name)),
  );
  warnOfExtensions(request, warn, request.extensions?.dialect === 'openai-chat' ? OWN : []);
  const options = known({
    num_predict: request.maxOutputTokens,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    seed: request.seed,
    stop: request.stopSequences,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    ...(isRecord(given) ? given : {}),
  });
  return known({
    tools: request.toolChoice?.type === 'none' ? undefined : tools(request.tools, warn),
    format: format(request),
    think: request.reasoning && thinking(request.reasoning, model, warn),
    logprobs: request.logprobs === undefined ? undefined : true,
    top_logprobs: request.logprobs?.top,
    ...own,
    options: Object.keys(options).length === 0 ? undefined : options,
  });
}

function known(members: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function format({ responseFormat }: ChatRequest): unknown {
  if (responseFormat?.type === 'json') return 'json';
  return responseFormat?.type === 'json-schema' ? describedSchema(responseFormat) : undefined;
}

function thinking({ effort, budgetTokens, enabled }: ReasoningSettings, model: string, warn: Warn): unknown {
  if (enabled === false || effort === 'none') return false;
  if (budgetTokens !== undefined) {
    const message = "Ollama's own API does not support a token budget for reasoning.";
    warn({ kind: 'unsupported', param: 'thinking.budget_tokens', message });
  }
  if (effort !== undefined && THINKING_LEVEL_MODELS.test(model)) {
    if (effort === 'minimal' || effort === 'low') return 'low';
    return effort === 'medium' ? 'medium' : 'high';
  }
  return enabled === true || effort !== undefined || budgetTokens !== undefined ? true : undefined;
}

function tools(offered: readonly Tool[] = [], warn: Warn): JsonObject[] | undefined {
  const functions = offered.flatMap((tool): JsonObject[] => {
    if (tool.type === 'unknown') {
      const message = `Ollama has no tool of this kind${tool.name === undefined ? '' : ` ("${tool.name}")`}.`;
      warn({ kind: 'unsupported', param: 'tools', message });
      return [];
    }
    const { name, description, parameters = { type: 'object', properties: {} } } = tool;
    return [
      {
        type: 'function',
        function: { name, ...(description === undefined ? {} : { description }), parameters },
      },
    ];
  });
  return functions.length === 0 ? undefined : functions;
}
