import { warnOfCacheMarks } from '../../core/chat/cache-marks.ts';
import { extensionsFor, warnOfExtensions } from '../../core/chat/extensions.ts';
import type { ChatRequest, ResponseFormat } from '../../core/chat/request.ts';
import { isRecord } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import type { ChatBuildOptions } from '../format.ts';
import type { Target } from '../types.ts';
import { inputItems } from './input-items.ts';
import type { Item } from './media.ts';
import { rulesOf } from './model-rules.ts';
import { originOf } from './origin.ts';
import { reasoningMembers } from './reasoning.ts';
import { samplingMembers } from './sampling.ts';
import { toolChoice, toolItems } from './tools.ts';

/** Smallest output limit that the API accepts, in tokens. */
const MIN_OUTPUT_TOKENS = 16;

/** Members of OpenAI's chat bodies with the same meaning here. */
const SHARED_WITH_CHAT: readonly string[] = [
  'store',
  'safety_identifier',
  'prompt_cache_retention',
  'prompt_cache_options',
  'moderation',
];

const SERVICE_TIERS: ReadonlySet<string> = new Set(['auto', 'default', 'flex', 'scale', 'priority']);

/** Builds the body of `POST /responses`. */
export function responsesBody(
  request: ChatRequest,
  target: Target,
  { stream, warn }: Pick<ChatBuildOptions, 'stream' | 'warn'>,
): Item {
  warnOfUnsupported(request, warn);
  const { extra, include } = extensionMembers(request, warn);
  const input = inputItems(request, originOf(target), warn);
  const tools = toolItems(request.tools ?? [], warn);
  const rules = rulesOf(target.model);
  const reasoning = reasoningMembers(request, rules, input, warn);
  const sampling = samplingMembers(request, rules, reasoning.effort, warn);
  const included = [...new Set([...include, ...reasoning.include, ...sampling.include])];
  return {
    model: target.model,
    input,
    // Responses are not stored upstream: each request contains the whole conversation.
    store: false,
    ...(stream ? { stream: true } : {}),
    ...extra,
    ...defined({
      tools: tools.length === 0 ? undefined : tools,
      tool_choice: tools.length === 0 ? undefined : toolChoice(request),
      parallel_tool_calls: tools.length === 0 ? undefined : request.parallelToolCalls,
      max_output_tokens: maxOutputTokens(request, warn),
      ...sampling.members,
      text: textMembers(request),
      reasoning: reasoning.settings,
      include: included.length === 0 ? undefined : included,
      user: request.user,
      metadata: metadataTexts(request.metadata),
      service_tier: serviceTier(request, warn),
      prompt_cache_key: request.promptCacheKey,
    }),
  };
}

function defined(members: Item): Item {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function warnOfUnsupported(request: ChatRequest, warn: Warn): void {
  const unsupported = (param: string, present: boolean, message: string) => {
    if (present) warn({ kind: 'unsupported', param, message });
  };
  const lacks = (what: string) => `The API of the target does not support ${what}.`;
  unsupported('top_k', request.topK !== undefined, lacks('top_k'));
  unsupported('frequency_penalty', (request.frequencyPenalty ?? 0) !== 0, lacks('frequency_penalty'));
  unsupported('presence_penalty', (request.presencePenalty ?? 0) !== 0, lacks('presence_penalty'));
  unsupported('seed', request.seed !== undefined, lacks('seed'));
  unsupported('stop', (request.stopSequences ?? []).length > 0, lacks('stop sequences'));
  unsupported('n', (request.choices ?? 1) > 1, `${lacks('n')} The response has one choice.`);
  unsupported('logit_bias', Object.keys(request.logitBias ?? {}).length > 0, lacks('logit_bias'));
  const others = (request.modalities ?? []).filter((modality) => modality !== 'text');
  unsupported(
    'modalities',
    others.length > 0,
    `The target responds with text, not with ${others.join(', ')}.`,
  );
  warnOfCacheMarks(request, warn);
}

function extensionMembers(request: ChatRequest, warn: Warn): { extra: Item; include: readonly string[] } {
  const own = extensionsFor(request, ['openai-responses']);
  if (request.extensions?.dialect === 'openai-responses') {
    const { include, ...extra } = own;
    const names = Array.isArray(include) ? include.filter((name) => typeof name === 'string') : [];
    return { extra, include: names };
  }
  const chat = extensionsFor(request, ['openai-chat']);
  const taken = SHARED_WITH_CHAT.filter((name) => name in chat);
  warnOfExtensions(request, warn, taken);
  return { extra: Object.fromEntries(taken.map((name) => [name, chat[name]])), include: [] };
}

/** Converts metadata values to text, the only type that the API accepts. */
function metadataTexts(metadata: ChatRequest['metadata']): Item | undefined {
  const entries = Object.entries(metadata ?? {}).filter(([, value]) => value !== undefined && value !== null);
  if (entries.length === 0) return undefined;
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

function maxOutputTokens({ maxOutputTokens: requested }: ChatRequest, warn: Warn): number | undefined {
  if (requested === undefined || requested >= MIN_OUTPUT_TOKENS) return requested;
  warn({
    kind: 'changed',
    param: 'max_tokens',
    message: `The target requires a limit of at least ${MIN_OUTPUT_TOKENS} tokens; the limit was raised.`,
  });
  return MIN_OUTPUT_TOKENS;
}

function textMembers({ responseFormat, verbosity, extensions }: ChatRequest): Item | undefined {
  const given = extensions?.dialect === 'openai-responses' ? extensions.members.text : undefined;
  const text = {
    ...(isRecord(given) ? given : {}),
    ...(responseFormat === undefined ? {} : { format: textFormat(responseFormat) }),
    ...(verbosity === undefined ? {} : { verbosity }),
  };
  return Object.keys(text).length === 0 ? undefined : text;
}

function textFormat(format: ResponseFormat): Item {
  if (format.type === 'text') return { type: 'text' };
  if (format.type === 'json') return { type: 'json_object' };
  const { name = 'answer', description, schema, strict } = format;
  return { type: 'json_schema', name, schema, ...defined({ description, strict }) };
}

function serviceTier({ serviceTier: tier }: ChatRequest, warn: Warn): string | undefined {
  if (tier === undefined || SERVICE_TIERS.has(tier)) return tier;
  warn({
    kind: 'unsupported',
    param: 'service_tier',
    message: `The target does not support the service tier "${tier}".`,
  });
  return undefined;
}
