import type { GatewayError } from '../errors.ts';
import type { Usage } from '../usage.ts';
import type { AssistantPart, Citation, Signature, UnknownPart } from './request.ts';

/**
 * Why an answer ended, in words that all dialects share.
 * - `stop-sequence`: one of the request's stop sequences; dialects that don't tell it apart say `stop`
 * - `content-filter`: the provider blocked the prompt or the answer
 * - `refusal`: the model itself declined
 * - `pause`: the provider wants the conversation sent back to go on
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

/** Why a choice ended. */
export interface FinishReason {
  readonly unified: UnifiedFinish;
  /** The provider's own word. */
  readonly raw?: string;
  /** Which stop sequence ended it. */
  readonly stopSequence?: string;
}

/** Log probabilities of consecutive tokens: the entries of `logprobs.content` or `logprobs.refusal` in the chat format. */
export type TokenLogprobs = readonly Readonly<Record<string, unknown>>[];

/** One of the alternatives of a response. */
export interface ChatChoice {
  readonly index: number;
  readonly content: readonly AssistantPart[];
  readonly finish: FinishReason;
  readonly logprobs?: TokenLogprobs;
}

/** A complete answer. */
export interface ChatResult {
  /** The provider's id of the answer. */
  readonly id?: string;
  /** Unix seconds. */
  readonly created?: number;
  /** The model that answered, by the provider's name. */
  readonly model?: string;
  readonly choices: readonly ChatChoice[];
  readonly usage?: Usage;
  readonly serviceTier?: string;
  readonly systemFingerprint?: string;
}

/** What opens a part of a streamed answer; its deltas follow. */
export type StreamedPart =
  | { readonly type: 'text' }
  | { readonly type: 'reasoning'; readonly id?: string; readonly summary?: boolean }
  | { readonly type: 'refusal' }
  | {
      readonly type: 'tool-call';
      readonly id: string;
      readonly name: string;
      readonly kind?: 'function' | 'custom';
      readonly signature?: Signature;
    }
  /** Complete in itself: images, redacted reasoning, what has no canonical form. No deltas follow. */
  | { readonly type: 'whole'; readonly part: AssistantPart | UnknownPart };

/**
 * One event of a streamed answer. The rules that every reader keeps, and every writer may rely on:
 * - `start` first, once; `end` last, once, and only if the answer is complete
 * - within one choice, parts come one after another: `part-start`, deltas, `part-end`; the next part starts after that
 * - each choice has one `finish`, after its last part; `usage` may come anywhere after `start`, and the last one counts
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
  /** The upstream is alive and has nothing to say. */
  | { readonly type: 'ping' }
  | { readonly type: 'end' };

/** Takes the events of a stream, in order. */
export type EmitChatEvent = (event: ChatEvent) => void;

/** Reads one upstream stream. Splitting the bytes differently never changes the events. */
export interface ChatEventReader {
  /**
   * @param emit called for each event, in order; events before a failure are good
   * @throws GatewayError for what the format forbids, or an error that the upstream reports in the stream
   */
  push(bytes: Uint8Array, emit: EmitChatEvent): void;
  /**
   * The upstream's body has ended. Emits what is left, `end` included if it is due.
   * @throws GatewayError `upstream_closed` when the answer is not complete
   */
  end(emit: EmitChatEvent): void;
}

/** Writes events in a client's dialect. */
export interface ChatEventWriter {
  /** @returns text of an event stream for the client; empty when nothing is due yet */
  event(event: ChatEvent): string;
  /**
   * The end of a stream that failed after it began, for dialects whose error event depends on what came before it.
   * Nothing is written afterwards.
   */
  failure?(error: GatewayError): string;
}
