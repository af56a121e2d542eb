import { warnOfCacheMarks } from '../../core/chat/cache-marks.ts';
import { extensionsFor, warnOfExtensions } from '../../core/chat/extensions.ts';
import type { ChatRequest, ReasoningSettings } from '../../core/chat/request.ts';
import type { Warn } from '../../core/warning.ts';
import { describedSchema, warnOfLostDetails, warnOfShownReasoning } from '../lost-details.ts';
import { type ParameterName, warnUnsupported } from '../unsupported.ts';

type JsonObject = Record<string, unknown>;

/** Members of Cohere's API that clients may send unchanged. */
const OWN = ['documents', 'safety_mode', 'citation_options', 'strict_tools', 'priority', 'raw_prompting'];

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
  'top_logprobs',
  'modalities',
];

/** Builds all members of a request except the messages. Absent parameters stay absent. */
export function cohereParameters(request: ChatRequest, warn: Warn): JsonObject {
  warnUnsupported(request, UNSUPPORTED, warn, "Cohere's chat");
  warnOfCacheMarks(request, warn);
  warnOfLostDetails(request, ['name'], warn, "Cohere's chat");
  warnOfShownReasoning(request, warn, "Cohere's chat");
  const own = Object.fromEntries(
    Object.entries({ ...request.extensions?.members, ...extensionsFor(request, ['cohere']) }).filter(
      ([name]) => OWN.includes(name),
    ),
  );
  warnOfExtensions(request, warn, OWN);
  return withoutAbsent({
    ...own,
    max_tokens: request.maxOutputTokens,
    temperature: request.temperature,
    p: request.topP,
    k: request.topK,
    seed: request.seed,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    stop_sequences: request.stopSequences,
    logprobs: request.logprobs === undefined ? undefined : true,
    thinking: request.reasoning && thinking(request.reasoning),
    response_format: responseFormat(request),
    ...tools(request, warn),
  });
}

function withoutAbsent(members: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function thinking({ effort, budgetTokens, enabled }: ReasoningSettings): JsonObject | undefined {
  if (enabled === false || effort === 'none') return { type: 'disabled' };
  if (budgetTokens !== undefined) return { type: 'enabled', token_budget: budgetTokens };
  return enabled === true || effort !== undefined ? { type: 'enabled' } : undefined;
}

function responseFormat({ responseFormat: format }: ChatRequest): JsonObject | undefined {
  if (format?.type === 'json') return { type: 'json_object' };
  return format?.type === 'json-schema'
    ? { type: 'json_object', json_schema: describedSchema(format) }
    : undefined;
}

/** Cohere cannot be forced to call a named tool, so only that tool is sent. */
function tools(request: ChatRequest, warn: Warn): JsonObject {
  const choice = request.toolChoice;
  const named =
    choice?.type === 'tool' ? [choice.name] : choice?.type === 'allowed' ? choice.names : undefined;
  const names = named && new Set(named);
  if (names) {
    warn({
      kind: 'changed',
      param: 'tool_choice',
      message: 'Cohere does not support a choice of tools by name; only the allowed tools were sent.',
    });
  }
  const offered = (request.tools ?? []).flatMap((tool) => {
    if (tool.type === 'unknown') {
      warn({
        kind: 'unsupported',
        param: 'tools',
        message: `Cohere does not support the tool "${tool.name ?? 'this'}".`,
      });
      return [];
    }
    if (names && !names.has(tool.name)) return [];
    const { name, description, parameters = { type: 'object', properties: {} } } = tool;
    const described = description === undefined ? {} : { description };
    return [{ type: 'function', function: { name, ...described, parameters } }];
  });
  const strict = request.tools?.some((tool) => tool.type === 'function' && tool.strict === true);
  const mode = choice?.type === 'allowed' ? choice.mode : choice?.type === 'tool' ? 'required' : choice?.type;
  return {
    tools: offered.length === 0 ? undefined : offered,
    tool_choice: mode === 'required' ? 'REQUIRED' : mode === 'none' ? 'NONE' : undefined,
    ...(strict ? { strict_tools: true } : {}),
  };
}
