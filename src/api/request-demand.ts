import type { ReasoningEffort } from '../core/chat/request.ts';
import { asString, isRecord, type JsonObject, listOf } from '../core/json.ts';
import { PLAIN_DEMAND, type PromptMedia, type RequestDemand } from '../core/request-demand.ts';
import { promptMedia } from './prompt-media.ts';

/**
 * Names under which engines and vendors take the limit of a response. All members of a body are forwarded, so the largest
 * of them counts, whichever one the upstream reads.
 */
export const LIMIT_NAMES = [
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'max_new_tokens',
  'max_tokens_to_sample',
  'max_gen_len',
  'n_predict',
  'num_predict',
  'maxOutputTokens',
] as const;

/** Names for the number of responses to one prompt. */
const CHOICE_NAMES = [
  'n',
  'best_of',
  'num_return_sequences',
  'num_generations',
  'n_cmpl',
  'candidate_count',
  'candidateCount',
] as const;

/** Members that refer to content stored elsewhere, or let the vendor add content to the prompt. */
const OPEN_ENDED = [
  'previous_response_id',
  'conversation',
  'container',
  'cachedContent',
  'cached_content',
  'mcp_servers',
  'web_search_options',
  'search_parameters',
  'enable_search',
  'plugins',
  'connectors',
] as const;

const EFFORTS = [
  'none',
  'minimal',
  'low',
  'medium',
  'high',
  'xhigh',
  'max',
] as const satisfies ReasoningEffort[];

/** The prompt and the output limit of a body, as its dialect finds them. */
export interface GenerationFields {
  /** Messages, items or text. */
  readonly prompt: unknown;
  /** Number of prompts with responses of their own; 1 when absent. */
  readonly prompts?: number;
  /** Tokens, under the dialect's own name; undefined where the body sets no limit. */
  readonly outputLimit: number | undefined;
  /** UTF-8 bytes that the endpoint adds to the prompt; 0 when absent. */
  readonly addedBytes?: number;
}

/** Reads the demand of a request for generated text. Never throws. */
export function generationDemand(body: JsonObject, fields: GenerationFields): RequestDemand {
  const { tools, functions, modalities, prediction } = body;
  let media: PromptMedia | undefined;
  return {
    prompts: fields.prompts ?? 1,
    choices: largest(body, CHOICE_NAMES, 1),
    outputLimit: outputLimit(body, fields.outputLimit),
    reasoning: reasoningOf(body),
    predictionBytes: isRecord(prediction) ? Buffer.byteLength(JSON.stringify(prediction)) : 0,
    // Routing reads the other members alone.
    get media() {
      media ??= promptMedia(fields.prompt);
      return media;
    },
    structureBytes: settingsBytes(body) + messageBytes(fields.prompt),
    addedBytes: fields.addedBytes ?? 0,
    isOpenEnded: isOpenEnded(body),
    hasTools: listOf(tools).length > 0 || listOf(functions).length > 0,
    generatesImages: listOf(modalities).includes('image'),
    generates: true,
  };
}

/**
 * Counts the prompts of legacy completions.
 * @param prompt text, a list of texts, or one or several lists of token ids
 */
export function promptCount(prompt: unknown): number {
  if (!Array.isArray(prompt) || typeof prompt[0] === 'number') return 1;
  return Math.max(1, prompt.length);
}

/** The demand of an embedding: its body. */
export function embeddingDemand(body: JsonObject): RequestDemand {
  return { ...PLAIN_DEMAND, structureBytes: settingsBytes(body) };
}

/** The demand of a reranker: it reads the query once more for each document after the first. */
export function rerankDemand(body: JsonObject, query: string, documents: number): RequestDemand {
  return {
    ...PLAIN_DEMAND,
    structureBytes: settingsBytes(body),
    addedBytes: (documents - 1) * (Buffer.byteLength(query) + SEPARATORS),
  };
}

/** Special tokens between a query and a document. */
const SEPARATORS = 4;

/** The largest limit in the body; undefined where the dialect's own is absent, or one of them means "without a limit". */
function outputLimit(body: JsonObject, own: number | undefined): number | undefined {
  if (own === undefined) return undefined;
  let limit = own;
  for (const name of LIMIT_NAMES) {
    const value = numberOf(body[name]);
    if (value === undefined) continue;
    if (value < 0) return undefined;
    limit = Math.max(limit, Math.ceil(value));
  }
  return limit;
}

/** The shortest form of `"name":v`, without the name. */
const MEMBER_BYTES = 4;
/** The JSON around a message, `{"role":"user","content":""},`, without the eight special tokens that may be around its text. */
const MESSAGE_BYTES = 16;

/** The least length of the members that no prompt contains: the model's name, numbers and switches. */
function settingsBytes(body: JsonObject): number {
  let bytes = 0;
  for (const name in body) {
    const value = body[name];
    if (name === 'model' && typeof value === 'string') bytes += name.length + 5 + value.length;
    else if (typeof value === 'number' || typeof value === 'boolean') bytes += name.length + MEMBER_BYTES;
  }
  return bytes;
}

function messageBytes(prompt: unknown): number {
  let bytes = 0;
  for (const message of listOf(prompt)) {
    if (!isRecord(message) || typeof message.role !== 'string') continue;
    if (typeof message.content === 'string' || Array.isArray(message.content)) bytes += MESSAGE_BYTES;
  }
  return bytes;
}

function largest(body: JsonObject, names: readonly string[], least: number): number {
  let found = least;
  for (const name of names) found = Math.max(found, Math.ceil(numberOf(body[name]) ?? 0));
  return found;
}

/** A number as lenient servers read it: some accept numbers that are written as text. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) return undefined;
  const number = Number(value);
  return Number.isNaN(number) ? undefined : Math.min(number, MOST);
}

/** No model generates more; beyond it, products would not be finite. */
const MOST = 1e12;

function reasoningOf(body: JsonObject): RequestDemand['reasoning'] {
  const { reasoning, thinking, output_config } = body;
  const own = isRecord(reasoning) ? reasoning : {};
  const given = isRecord(thinking) ? thinking : {};
  const config = isRecord(output_config) ? output_config : {};
  const name = asString(body.reasoning_effort) ?? asString(own.effort) ?? asString(config.effort);
  const effort = EFFORTS.find((one) => one === name);
  const budget = Math.max(numberOf(own.max_tokens) ?? 0, numberOf(given.budget_tokens) ?? 0);
  const isOff = effort === 'none' || own.enabled === false || given.type === 'disabled';
  const isAsked = effort !== undefined || budget > 0 || own.enabled === true || given.type !== undefined;
  if (isOff || !isAsked) return undefined;
  return {
    ...(effort === undefined ? {} : { effort }),
    ...(budget > 0 ? { budgetTokens: Math.ceil(budget) } : {}),
  };
}

function isOpenEnded(body: JsonObject): boolean {
  for (const name of OPEN_ENDED) {
    const value = body[name];
    if (Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null && value !== false) {
      return true;
    }
  }
  // A stored prompt of OpenAI's Responses. Prompts of other endpoints are text or lists.
  if (isRecord(body.prompt)) return true;
  return listOf(body.tools).some(isVendorTool);
}

/** Whether the vendor runs a tool itself and adds its results to the prompt. */
function isVendorTool(tool: unknown): boolean {
  if (!isRecord(tool)) return false;
  const { type } = tool;
  return type !== undefined && type !== 'function' && type !== 'custom';
}
