import { applyChange } from '../core/chat/call-change.ts';
import type { ChatRequest, Tool } from '../core/chat/request.ts';
import type { ChatEventReader, EmitChatEvent } from '../core/chat/result.ts';
import { orderResults } from '../core/chat/result-order.ts';
import { GatewayError } from '../core/errors.ts';
import type { Warn } from '../core/warning.ts';
import type { ChatFormat } from './format.ts';
import { schemaInstruction, warnOfSchema } from './json-mode.ts';
import { changed, clamped, firstStops, limitedIdentifier, limitedMetadata } from './limited-values.ts';
import { familyOf, type ModelFamily } from './model-families.ts';
import { continuedRequest } from './prefill.ts';
import {
  type PropertyNames,
  PropertyRestorer,
  renamedProperties,
  withOriginalProperties,
  withSentProperties,
} from './property-names.ts';
import { permittedName } from './shortened-ids.ts';
import {
  renamedTools,
  type ToolNames,
  withOriginalName,
  withOriginalNames,
  withSentNames,
} from './tool-names.ts';
import { withAcceptedSchemas } from './tool-schemas.ts';
import type { Provider, Target, VendorProfile } from './types.ts';
import type { NumberRange, VendorLimits } from './vendor-limits.ts';

const NO_LIMITS: VendorLimits = Object.freeze({});

/**
 * Adapts translated requests to the limits of the target's vendor before a format writes them, and restores the names of
 * tools in its responses.
 */
export function limitedFormat(format: ChatFormat): ChatFormat {
  /** Names that `build` has changed, which the response of the same request needs. */
  const known = new WeakMap<ChatRequest, ChangedNames>();
  const namesOf = (request: ChatRequest, target: Target) => {
    const limits = limitsOf(target);
    const names = known.get(request);
    return names?.limits === limits ? names : changedNames(request, limits);
  };
  return {
    ...format,
    build(request, target, options) {
      const names = changedNames(request, limitsOf(target));
      known.set(request, names);
      return format.build(adapted(request, target, names, format, options.warn), target, options);
    },
    parse(response, target, request) {
      const { tools, properties } = namesOf(request, target);
      const result = format.parse(response, target, request);
      const named = tools ? withOriginalNames(result, tools) : result;
      return properties ? withOriginalProperties(named, properties) : named;
    },
    reader(target, request) {
      const reader = format.reader(target, request);
      const names = namesOf(request, target);
      return names.tools || names.properties ? new RestoringReader(reader, names) : reader;
    },
  };
}

/** Names of a request that a vendor receives in another form. */
interface ChangedNames {
  /** The limits that they follow from. */
  readonly limits: VendorLimits;
  readonly tools: ToolNames | undefined;
  readonly properties: PropertyNames | undefined;
}

function limitsOf({ provider }: Target): VendorLimits {
  return provider.profile.limits ?? NO_LIMITS;
}

function changedNames(request: ChatRequest, limits: VendorLimits): ChangedNames {
  const { toolName, toolProperty } = limits;
  const { tools } = request;
  return {
    limits,
    tools: renamedTools(request, toolName),
    properties: toolProperty && tools ? renamedProperties(tools, toolProperty) : undefined,
  };
}

class RestoringReader implements ChatEventReader {
  readonly #tools: ToolNames | undefined;
  readonly #properties: PropertyRestorer | undefined;

  constructor(
    private readonly reader: ChatEventReader,
    { tools, properties }: ChangedNames,
  ) {
    this.#tools = tools;
    this.#properties = properties && new PropertyRestorer(properties);
  }

  push(bytes: Uint8Array, emit: EmitChatEvent): void {
    this.reader.push(bytes, this.#restoring(emit));
  }

  end(emit: EmitChatEvent): void {
    this.reader.end(this.#restoring(emit));
  }

  #restoring(emit: EmitChatEvent): EmitChatEvent {
    return (event) => {
      const named = this.#tools ? withOriginalName(event, this.#tools) : event;
      if (this.#properties) this.#properties.restore(named, emit);
      else emit(named);
    };
  }
}

/**
 * Adapts a request to the target: values within the vendor's limits, results in the order of their calls, and the end of
 * the conversation as the model requires it.
 * @param wire the format's own dialect, whose members of tools it writes unchanged
 * @throws GatewayError `unsupported_by_target` for more tools than the vendor accepts
 */
export function limitedRequest(
  request: ChatRequest,
  target: Target,
  format: Pick<ChatFormat, 'wire'>,
  warn: Warn,
): ChatRequest {
  return adapted(request, target, changedNames(request, limitsOf(target)), format, warn);
}

function adapted(
  request: ChatRequest,
  target: Target,
  { limits, tools, properties }: ChangedNames,
  { wire }: Pick<ChatFormat, 'wire'>,
  warn: Warn,
): ChatRequest {
  const { provider } = target;
  const { profile } = provider;
  const family = familyOf(target.model);
  warnOfToolMembers(request.tools, wire, warn);
  assertToolCount(request.tools, limits, provider);
  const formatted = withAcceptedFormat(request, profile, family, warn);
  const continued = continuedRequest(formatted, target, family, warn);
  const messages = orderResults(continued.messages);
  const values = limitedValues(formatted, limits, family, warn);
  const isChanged = messages !== request.messages || formatted !== request || values !== undefined;
  const within = isChanged ? { ...continued, ...values, messages } : request;
  if (properties) warnOfProperties(within.tools, properties, warn);
  const named = properties ? withSentProperties(within, properties) : within;
  if (tools === undefined) return named;
  warnOfNames(named.tools, tools, warn);
  return withSentNames(named, tools);
}

function warnOfProperties(tools: readonly Tool[] = [], names: PropertyNames, warn: Warn): void {
  for (const [index, tool] of tools.entries()) {
    if (tool.type !== 'function' || !names.has(tool.name)) continue;
    const message =
      'The target does not take names of some parameters; others were sent, and calls return under the given names.';
    changed(`tools[${index}].parameters`, message, warn);
  }
}

/** Sends a response format that the target rejects as an instruction: a JSON schema, or any format beside tools. */
function withAcceptedFormat(
  request: ChatRequest,
  { lacksJsonSchemas, toolsOrFormat }: VendorProfile,
  family: ModelFamily,
  warn: Warn,
): ChatRequest {
  const { responseFormat: format, tools = [] } = request;
  if (format === undefined || format.type === 'text') return request;
  const schema = format.type === 'json-schema' ? format.schema : undefined;
  const rejectsBoth = tools.length > 0 && (toolsOrFormat ?? family.toolsOrFormat ?? false);
  if (!rejectsBoth && !(lacksJsonSchemas && schema !== undefined)) return request;
  const asked = applyChange(request, {
    type: 'prepend-system',
    text: schemaInstruction(schema, rejectsBoth),
  });
  if (!rejectsBoth) {
    warnOfSchema(warn);
    return { ...asked, responseFormat: { type: 'json' } };
  }
  const message = 'The target takes tools or a response format; the format was sent as an instruction.';
  changed('response_format', message, warn);
  const { responseFormat: _, ...plain } = asked;
  return plain;
}

function assertToolCount(
  tools: readonly Tool[] = [],
  { tools: max }: VendorLimits,
  { id, profile }: Provider,
): void {
  if (max === undefined || tools.length <= max) return;
  throw new GatewayError(
    'unsupported_by_target',
    `Provider "${id}" (${profile.label}) takes at most ${max} "tools"; the request has ${tools.length}. Send fewer tools.`,
    { provider: id, param: 'tools' },
  );
}

function warnOfNames(tools: readonly Tool[] = [], { sent }: ToolNames, warn: Warn): void {
  for (const [index, tool] of tools.entries()) {
    const name = tool.type === 'function' ? sent.get(tool.name) : undefined;
    if (name === undefined) continue;
    const message = `The target does not take this name of a tool; "${name}" was sent, and calls return under the given name.`;
    changed(`tools[${index}].name`, message, warn);
  }
}

/** Members of a tool that mean the same as their absence. */
function isDefault(value: unknown): boolean {
  return value === false || (Array.isArray(value) && value.length === 0);
}

/** Warns of each member of a tool that only another format has. */
function warnOfToolMembers(tools: readonly Tool[] = [], wire: ChatFormat['wire'], warn: Warn): void {
  for (const [index, tool] of tools.entries()) {
    if (tool.type !== 'function' || tool.extensions === undefined || tool.extensions.dialect === wire)
      continue;
    for (const [name, value] of Object.entries(tool.extensions.members)) {
      if (isDefault(value)) continue;
      const message = `The target does not support "${name}" of a tool.`;
      warn({ kind: 'unsupported', param: `tools[${index}].${name}`, message });
    }
  }
}

const NUMBERS = [
  ['temperature', 'temperature', 'temperature'],
  ['topP', 'topP', 'top_p'],
  ['topK', 'topK', 'top_k'],
  ['frequencyPenalty', 'frequencyPenalty', 'frequency_penalty'],
  ['presencePenalty', 'presencePenalty', 'presence_penalty'],
  ['seed', 'seed', 'seed'],
  ['choices', 'choices', 'n'],
] as const satisfies readonly (readonly [keyof ChatRequest, keyof VendorLimits, string])[];

/** @returns the narrower range of the vendor's and the model's */
export function temperatureRange(
  { temperature }: VendorLimits,
  { maxTemperature }: ModelFamily,
): NumberRange | undefined {
  if (maxTemperature === undefined || (temperature && temperature.max <= maxTemperature)) return temperature;
  return { min: temperature?.min ?? 0, max: maxTemperature };
}

/** @returns the members that have another value within the limits; undefined for none */
function limitedValues(
  request: ChatRequest,
  limits: VendorLimits,
  family: ModelFamily,
  warn: Warn,
): Partial<ChatRequest> | undefined {
  const changes: { -readonly [Name in keyof ChatRequest]?: ChatRequest[Name] } = {};
  for (const [member, limit, param] of NUMBERS) {
    const value = request[member];
    if (value === undefined) continue;
    const range = member === 'temperature' ? temperatureRange(limits, family) : limits[limit];
    if (range === undefined) continue;
    // The format omits sampling parameters for these models.
    if (family.fixedSampling && member !== 'seed' && member !== 'choices') continue;
    const nearest = clamped(param, value, range, warn);
    if (nearest !== value) changes[member] = nearest;
  }
  if (request.tools && limits.toolSchema) {
    const tools = withAcceptedSchemas(request.tools, limits.toolSchema, warn);
    if (tools !== request.tools) changes.tools = tools;
  }
  const { logprobs, stopSequences, user, promptCacheKey, metadata, responseFormat } = request;
  if (logprobs?.top !== undefined && limits.topLogprobs) {
    const top = clamped('top_logprobs', logprobs.top, limits.topLogprobs, warn);
    if (top !== logprobs.top) changes.logprobs = { ...logprobs, top };
  }
  if (stopSequences && limits.stopSequences !== undefined) {
    const kept = firstStops(stopSequences, limits.stopSequences, warn);
    if (kept !== stopSequences) changes.stopSequences = kept;
  }
  if (user !== undefined && limits.user !== undefined) {
    const known = limitedIdentifier('user', user, limits.user, warn);
    if (known !== user) changes.user = known;
  }
  if (promptCacheKey !== undefined && limits.promptCacheKey !== undefined) {
    const key = limitedIdentifier('prompt_cache_key', promptCacheKey, limits.promptCacheKey, warn);
    if (key !== promptCacheKey) changes.promptCacheKey = key;
  }
  if (metadata && limits.metadata) {
    const kept = limitedMetadata(metadata, limits.metadata, warn);
    if (kept !== metadata) changes.metadata = kept;
  }
  if (responseFormat?.type === 'json-schema' && responseFormat.name !== undefined && limits.schemaName) {
    const name = permittedName(responseFormat.name, limits.schemaName);
    if (name !== responseFormat.name) changes.responseFormat = { ...responseFormat, name };
  }
  for (const _ in changes) return changes;
  return undefined;
}
