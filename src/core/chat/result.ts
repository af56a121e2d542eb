import type { GatewayError } from '../errors.ts';
import type { Usage } from '../usage.ts';
import type { AssistantPart, Citation, Signature, UnknownPart } from './request.ts';

/**
 * The reason why a response ended, independent of the dialect.
 * - `stop-sequence`: one of the request's stop sequences; dialects without this reason report `stop`
 * - `content-filter`: the provider blocked the prompt or the response
 * - `refusal`: the model declined
 * - `pause`: the provider expects the conversation again to continue
 */
export type UnifiedFinish =
  | 'stop'
  | 'stop-sequence'
  | 'length'
  | 'tool-calls'
  | 'content-filter'
  | 'refusal'
  | 'pause'
  | 'other';

/** The reason why one choice ended. */
export interface FinishReason {
  readonly unified: UnifiedFinish;
  /** The provider's value. */
  readonly raw?: string;
  /** The stop sequence that matched. */
  readonly stopSequence?: string;
}

/** Log probabilities of consecutive tokens: the entries of `logprobs.content` or `logprobs.refusal` in the chat format. */
export type TokenLogprobs = readonly Readonly<Record<string, unknown>>[];

/** One of the alternatives of a response (`n`). */
export interface ChatChoice {
  readonly index: number;
  readonly content: readonly AssistantPart[];
  readonly finish: FinishReason;
  readonly logprobs?: TokenLogprobs;
}

/** A complete chat response. */
export interface ChatResult {
  /** The provider's id of the response. */
  readonly id?: string;
  /** Unix seconds. */
  readonly created?: number;
  /** The model that responded, by the provider's name. */
  readonly model?: string;
  readonly choices: readonly ChatChoice[];
  readonly usage?: Usage;
  readonly serviceTier?: string;
  readonly systemFingerprint?: string;
}

/** The opening of one part of a streamed response. Deltas follow. */
export type StreamedPart =
  | { readonly type: 'text' }
  | { readonly type: 'reasoning'; readonly id?: string; readonly summary?: boolean }
  | { readonly type: 'refusal' }
  | {
      readonly type: 'tool-call';
      readonly id: string;
      readonly name: string;
      readonly namespace?: string;
      readonly kind?: 'function' | 'custom';
      readonly signature?: Signature;
    }
  /** A complete part: an image, redacted reasoning, or a part without a canonical form. No deltas follow. */
  | { readonly type: 'whole'; readonly part: AssistantPart | UnknownPart };

/**
 * One event of a streamed response. Every reader follows these rules, and every writer relies on them:
 * - `start` is first and occurs once; `end` is last and occurs once, only if the response is complete
 * - within one choice, parts are sequential: `part-start`, deltas, `part-end`, then the next part
 * - each choice has one `finish`, after its last part; `usage` may occur anywhere after `start`, and the last one counts
 * - choices may interleave
 */
export type ChatEvent =
  | {
      readonly type: 'start';
      readonly id?: string;
      /** Unix seconds. */
      readonly created?: number;
      readonly model?: string;
    }
  | { readonly type: 'part-start'; readonly choice: number; readonly part: StreamedPart }
  /** More of the open part: its text, or the JSON text of its arguments. */
  | {
      readonly type: 'delta';
      readonly choice: number;
      readonly text: string;
      readonly logprobs?: TokenLogprobs;
    }
  /** Belongs to the open reasoning, text or tool-call part. */
  | { readonly type: 'signature'; readonly choice: number; readonly signature: Signature }
  /** Belongs to the open text part. */
  | { readonly type: 'citation'; readonly choice: number; readonly citation: Citation }
  | { readonly type: 'part-end'; readonly choice: number }
  | { readonly type: 'finish'; readonly choice: number; readonly finish: FinishReason }
  | { readonly type: 'usage'; readonly usage: Usage }
  /** A sign of life without content. */
  | { readonly type: 'ping' }
  | { readonly type: 'end' };

/** Takes the events of a stream, in order. */
export type EmitChatEvent = (event: ChatEvent) => void;

/** Reads one upstream stream. Splitting the bytes differently never changes the events. */
export interface ChatEventReader {
  /**
   * Reads the next bytes.
   * @param bytes must not be changed afterwards
   * @param emit called for each event, synchronously and in order; events before a failure are valid
   * @throws GatewayError for what the format forbids, or an error that the upstream reports in the stream
   */
  push(bytes: Uint8Array, emit: EmitChatEvent): void;
  /**
   * Reads the end of the body. Emits the remaining events, including `end` if the response is complete.
   * @throws GatewayError `upstream_closed` when the response is not complete
   */
  end(emit: EmitChatEvent): void;
}

/** Writes events in a client's dialect. */
export interface ChatEventWriter {
  /** Later events repeat the content of earlier ones, so that all events after a changed one are written again. */
  readonly repeatsContent?: boolean;
  /** Writes one event. @returns text of the client's event stream; empty when the dialect sends nothing for it */
  event(event: ChatEvent): string;
  /**
   * Writes the error event of a stream that failed after it began, for dialects where it depends on earlier events.
   * Nothing is written afterwards.
   */
  failure?(error: GatewayError): string;
}
