import type { RequestDemand } from '../core/request-demand.ts';
import { estimateTokenCount, USUAL_OUTPUT_TOKENS } from '../core/token-estimate.ts';
import type { ImageTokens } from '../providers/media-tokens.ts';
import { effortToBudget } from '../providers/model-families.ts';

/** Facts of a model that bound its use. */
export interface ModelBounds {
  /** Tokens; undefined when unknown. */
  readonly contextWindow: number | undefined;
  readonly maxOutputTokens: number | undefined;
  /** For models whose reasoning budget an adapter adds to the output limit. */
  readonly thinkingBudget: { readonly min: number; readonly max: number } | undefined;
  readonly image: ImageTokens;
}

/** Tokens of one request. */
export interface TokenUse {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Input that the body does not show, for a model whose context window is unknown. Tokens. */
const UNKNOWN_WINDOW = 128_000;
/** The longest response of a model about which nothing is known. Tokens. */
const UNKNOWN_OUTPUT = 4_096;
/** Instructions that vendors add to prompts with tools. Anthropic documents 159 to 530 tokens. */
const TOOL_INSTRUCTIONS = 600;
/** Base64 characters of audio per token. The lowest usual bit rate, 8 kbit/s, has more than 40 at 32 tokens per second. */
const AUDIO_LENGTH_PER_TOKEN = 16;
/** A file of a few pages: what a part without a visible size uses at least. */
const USUAL_FILE = 1_500;
/** Tokens of one generated image, at the highest documented price. */
const GENERATED_IMAGE = 6_300;
/** Output tokens that adapters leave for the response beside reasoning. */
const ROOM_BESIDE_REASONING = 1_024;

/** The length of a request's input: its body, and what the gateway adds to it. */
export interface InputLength {
  readonly bytes: number;
  /** UTF-16 code units. */
  readonly units: number;
}

/**
 * The most that a request can use. Input: a token of byte-level BPE or SentencePiece covers at least one byte, so UTF-8 bytes
 * bound the tokens of any script, code or base64; the JSON around a message that counts has a byte for each special token.
 * Images have the vendor's maximum, and input of unknown size fills the context window. Output: the limit, or the model's
 * maximum, for each response.
 *
 * Not covered: default system prompts in a model's own chat template, and what a vendor's own tools add in several turns.
 */
export function mostTokens(demand: RequestDemand, length: InputLength, model: ModelBounds): TokenUse {
  const unseen = demand.isOpenEnded || demand.media.unseen > 0;
  const window = unseen ? (model.contextWindow ?? UNKNOWN_WINDOW) : 0;
  const perResponse = demand.outputLimit ?? model.maxOutputTokens ?? model.contextWindow ?? UNKNOWN_OUTPUT;
  return {
    inputTokens: visibleInput(demand, length.bytes, model) + window,
    outputTokens: outputOf(demand, withReasoning(perResponse, demand, model)),
  };
}

/**
 * The least that a request must be able to use to be admitted: as `mostTokens`, with a usual length in place of a response
 * without a limit and of files of unknown size.
 */
export function leastTokens(demand: RequestDemand, length: InputLength, model: ModelBounds): TokenUse {
  const most = mostTokens(demand, length, model);
  const files = (demand.media.unseen + (demand.isOpenEnded ? 1 : 0)) * USUAL_FILE;
  return {
    inputTokens: Math.min(most.inputTokens, visibleInput(demand, length.bytes, model) + files),
    outputTokens:
      demand.outputLimit === undefined
        ? Math.min(most.outputTokens, outputOf(demand, USUAL_OUTPUT_TOKENS))
        : most.outputTokens,
  };
}

/** The likely use of a request. Rates take it: an error in them ends with their window. */
export function likelyTokens(demand: RequestDemand, length: InputLength, model: ModelBounds): TokenUse {
  const { media, outputLimit, addedBytes, structureBytes } = demand;
  const noText = media.encodedLength + structureBytes;
  const units = Math.max(0, length.units - noText) + addedBytes;
  const bytes = Math.max(0, length.bytes - noText) + addedBytes;
  return {
    inputTokens: estimateTokenCount(units, bytes) + mediaTokens(demand, model) + media.unseen * USUAL_FILE,
    outputTokens: outputOf(demand, outputLimit ?? USUAL_OUTPUT_TOKENS),
  };
}

function visibleInput(demand: RequestDemand, bytes: number, model: ModelBounds): number {
  const { media, addedBytes, structureBytes, hasTools } = demand;
  const text = Math.max(0, bytes - media.encodedLength - structureBytes) + addedBytes;
  return text + mediaTokens(demand, model) + (hasTools ? TOOL_INSTRUCTIONS : 0);
}

function mediaTokens({ media }: RequestDemand, { image }: ModelBounds): number {
  const { images, lowDetailImages, audioLength } = media;
  return images * image.full + lowDetailImages * image.low + Math.ceil(audioLength / AUDIO_LENGTH_PER_TOKEN);
}

/** Adapters raise a limit that leaves no room for the response beside the reasoning budget. */
function withReasoning(limit: number, { reasoning }: RequestDemand, { thinkingBudget }: ModelBounds): number {
  if (!reasoning || !thinkingBudget) return limit;
  const { min, max } = thinkingBudget;
  const wanted = reasoning.budgetTokens ?? effortToBudget(reasoning.effort ?? 'medium', thinkingBudget);
  const budget = Math.min(max, Math.max(min, wanted));
  return limit > budget ? limit : budget + Math.max(limit, ROOM_BESIDE_REASONING);
}

function outputOf(demand: RequestDemand, perResponse: number): number {
  if (!demand.generates) return 0;
  const image = demand.generatesImages ? GENERATED_IMAGE : 0;
  return demand.prompts * demand.choices * (perResponse + demand.predictionBytes + image);
}
