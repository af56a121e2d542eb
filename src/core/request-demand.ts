import type { ReasoningEffort } from './chat/request.ts';

/** Media in a prompt. Vendors count them by their size, not by the length of their base64 text. */
export interface PromptMedia {
  /** Images that the model sees in full resolution, as far as the body says. */
  readonly images: number;
  /** Images with `detail: low`. */
  readonly lowDetailImages: number;
  /** Length of base64 audio, in bytes of base64. */
  readonly audioLength: number;
  /** Length of all base64 text in the body that is media and not text, in bytes. */
  readonly encodedLength: number;
  /** Parts whose size the body does not show: files, videos, and audio given by a URL or an id. */
  readonly unseen: number;
}

/**
 * What a request asks for, as far as its body says: the facts that bound its use. `metering/use-bounds.ts` turns them into
 * tokens.
 */
export interface RequestDemand {
  /** Prompts that get responses of their own: the length of a list of prompts, otherwise 1. */
  readonly prompts: number;
  /** Responses that are generated for each prompt: `n`, or `best_of` where that is larger. */
  readonly choices: number;
  /** Largest number of tokens of one response, under any of the limit's names; undefined where the body sets none. */
  readonly outputLimit: number | undefined;
  /** The amount of reasoning that the client requests. An adapter may add it to the output limit. */
  readonly reasoning: { readonly effort?: ReasoningEffort; readonly budgetTokens?: number } | undefined;
  /** UTF-8 bytes of predicted output. Vendors bill rejected predictions as output. */
  readonly predictionBytes: number;
  readonly media: PromptMedia;
  /** At least this many bytes of the body are no input: settings, and the JSON around messages. */
  readonly structureBytes: number;
  /** UTF-8 bytes of input that the upstream processes in addition to those of the body. */
  readonly addedBytes: number;
  /** The prompt has parts that are stored elsewhere, or tools that the vendor runs: its size is not in the body. */
  readonly isOpenEnded: boolean;
  readonly hasTools: boolean;
  /** The response may contain images. */
  readonly generatesImages: boolean;
  /** False for operations without generated text. */
  readonly generates: boolean;
}

/** The media of a prompt without media. */
export const NO_MEDIA: PromptMedia = {
  images: 0,
  lowDetailImages: 0,
  audioLength: 0,
  encodedLength: 0,
  unseen: 0,
};

/** The demand of a request that generates nothing and whose input is its body. */
export const PLAIN_DEMAND: RequestDemand = {
  prompts: 1,
  choices: 1,
  outputLimit: undefined,
  reasoning: undefined,
  predictionBytes: 0,
  media: NO_MEDIA,
  structureBytes: 0,
  addedBytes: 0,
  isOpenEnded: false,
  hasTools: false,
  generatesImages: false,
  generates: false,
};
