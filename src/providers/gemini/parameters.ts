import { extensionsFor, warnOfExtensions } from '../../core/chat/extensions.ts';
import type { ChatRequest, ReasoningSettings, Tool } from '../../core/chat/request.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { describedSchema, warnOfLostDetails } from '../lost-details.ts';
import { budgetToEffort, effortToBudget, type ModelFamily, nearestEffort } from '../model-families.ts';
import { type ParameterName, warnOfStrictTools, warnUnsupported } from '../unsupported.ts';

import { geminiSchema, SchemaExpansion } from './schema.ts';

/** Parameters that the format lacks. */
const UNSUPPORTED: readonly ParameterName[] = [
  'logit_bias',
  'parallel_tool_calls',
  'verbosity',
  'user',
  'metadata',
  'service_tier',
  'prompt_cache_key',
];

/** Members of Gemini's API that clients may send unchanged. */
const OWN = ['safetySettings', 'safety_settings', 'cachedContent', 'cached_content', 'labels'];

/** Builds all members of a generateContent request except the contents. */
export function wireParameters(request: ChatRequest, family: ModelFamily, warn: Warn): JsonObject {
  warnUnsupported(request, UNSUPPORTED, warn);
  warnOfStrictTools(request, warn);
  warnOfLostDetails(request, ['name', 'detail'], warn);
  const own = Object.fromEntries(
    Object.entries(request.extensions?.members ?? {})
      .filter(([name]) => OWN.includes(name))
      .map(([name, value]) => [
        name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
        value,
      ]),
  );
  warnOfExtensions(request, warn, [...OWN, ...Object.keys(extensionsFor(request, ['gemini']))]);
  const generationConfig = withoutAbsent({
    ...sampling(request),
    ...outputFormat(request, warn),
    thinkingConfig: request.reasoning && thinking(request.reasoning, family, warn),
    responseModalities: request.modalities?.map((kind) => kind.toUpperCase()),
  });
  return {
    ...extensionsFor(request, ['gemini']),
    ...own,
    ...(Object.keys(generationConfig).length === 0 ? {} : { generationConfig }),
    ...tools(request, warn),
  };
}

function withoutAbsent(members: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function sampling(request: ChatRequest): JsonObject {
  return {
    maxOutputTokens: request.maxOutputTokens,
    temperature: request.temperature,
    topP: request.topP,
    topK: request.topK,
    seed: request.seed,
    stopSequences: request.stopSequences,
    candidateCount: request.choices === 1 ? undefined : request.choices,
    presencePenalty: request.presencePenalty,
    frequencyPenalty: request.frequencyPenalty,
    responseLogprobs: request.logprobs === undefined ? undefined : true,
    logprobs: request.logprobs?.top,
  };
}

function outputFormat({ responseFormat: format }: ChatRequest, warn: Warn): JsonObject {
  if (format?.type === 'json') return { responseMimeType: 'application/json' };
  if (format?.type !== 'json-schema') return {};
  const expansion = new SchemaExpansion('response_format');
  const responseSchema = geminiSchema(describedSchema(format), expansion);
  expansion.warnOfOmitted(warn);
  return { responseMimeType: 'application/json', responseSchema };
}

function thinking(settings: ReasoningSettings, family: ModelFamily, warn: Warn): JsonObject | undefined {
  const { effort, budgetTokens, enabled, summary } = settings;
  const off = enabled === false || effort === 'none';
  const includeThoughts = summary === 'none' ? false : !off;
  if (family.thinkingLevels) {
    const requested = off
      ? 'none'
      : (effort ?? (budgetTokens === undefined ? undefined : budgetToEffort(budgetTokens)));
    if (requested === undefined) return { includeThoughts };
    const level = nearestEffort(requested, family.thinkingLevels);
    if (level !== effort) {
      const wish = budgetTokens === undefined ? `"${requested}"` : `${budgetTokens} tokens`;
      const message = `The reasoning setting ${wish} was changed to "${level}" for this model.`;
      warn({ kind: 'changed', param: 'reasoning_effort', message });
    }
    return { thinkingLevel: level?.toUpperCase(), includeThoughts };
  }
  const limits = family.thinkingBudget;
  if (!limits) {
    if (!off) {
      warn({
        kind: 'unsupported',
        param: 'reasoning_effort',
        message: 'The model does not support reasoning.',
      });
    }
    return undefined;
  }
  if (off) {
    if (limits.canDisable) return { thinkingBudget: 0 };
    warn({
      kind: 'changed',
      param: 'reasoning_effort',
      message: `Reasoning cannot be turned off for this model; the minimum of ${limits.min} tokens was sent.`,
    });
    return { thinkingBudget: limits.min };
  }
  if (budgetTokens === undefined && effort === undefined) return { includeThoughts };
  const wanted = budgetTokens ?? effortToBudget(effort ?? 'medium', limits);
  const budget = Math.min(limits.max, Math.max(limits.min, wanted));
  if (budgetTokens !== undefined && budget !== budgetTokens) {
    const message = `The reasoning budget of this model is ${limits.min} to ${limits.max} tokens; ${budget} was sent.`;
    warn({ kind: 'changed', param: 'thinking.budget_tokens', message });
  }
  return { thinkingBudget: budget, includeThoughts };
}

function tools({ tools: given, toolChoice: choice }: ChatRequest, warn: Warn): JsonObject {
  if (!given || given.length === 0) return {};
  const expansion = new SchemaExpansion('tools');
  const declarations = given.flatMap((tool) =>
    tool.type === 'function' ? [declaration(tool, expansion)] : [],
  );
  expansion.warnOfOmitted(warn);
  const others = given.flatMap((tool): JsonObject[] => {
    if (tool.type === 'function') return [];
    if (tool.dialect === 'gemini') return [tool.value];
    const name = tool.name ?? 'a tool of another API';
    warn({ kind: 'unsupported', param: 'tools', message: `The target does not support the tool "${name}".` });
    return [];
  });
  const offered = [...(declarations.length === 0 ? [] : [{ functionDeclarations: declarations }]), ...others];
  if (offered.length === 0) return {};
  return { tools: offered, ...(choice === undefined ? {} : { toolConfig: toolConfig(choice) }) };
}

function declaration(
  { name, description, parameters }: Extract<Tool, { type: 'function' }>,
  expansion: SchemaExpansion,
): JsonObject {
  const schema = parameters && geminiSchema(parameters, expansion);
  // The API rejects an object without members; absent means the same.
  const isEmpty = !schema || (schema.type === 'object' && !hasMembers(schema.properties));
  return {
    name,
    ...(description === undefined ? {} : { description }),
    ...(isEmpty ? {} : { parameters: schema }),
  };
}

function hasMembers(properties: unknown): boolean {
  return typeof properties === 'object' && properties !== null && Object.keys(properties).length > 0;
}

function toolConfig(choice: NonNullable<ChatRequest['toolChoice']>): JsonObject {
  const config = (mode: string, names?: readonly string[]) => ({
    functionCallingConfig: { mode, ...(names === undefined ? {} : { allowedFunctionNames: names }) },
  });
  switch (choice.type) {
    case 'none':
      return config('NONE');
    case 'auto':
      return config('AUTO');
    case 'required':
      return config('ANY');
    case 'tool':
      return config('ANY', [choice.name]);
    case 'allowed':
      return choice.mode === 'required' ? config('ANY', choice.names) : config('VALIDATED', choice.names);
  }
}
