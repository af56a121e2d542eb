import type { GatewayError } from './errors.ts';
import type { Usage } from './usage.ts';

export type Operation = 'chat' | 'completion' | 'embedding';

/** A validated request for a model, in the format in which the client sent it. */
export interface InferenceCall {
  readonly operation: Operation;
  /** The model as the client named it; answers name it so again. */
  readonly model: string;
  readonly stream: boolean;
  /** The body's JSON text as it came. */
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** The client's headers; an adapter hands on the few that its vendor understands. */
  readonly headers: Headers;
  /** The client asked for a usage event at the end of the stream. */
  readonly wantsStreamUsage: boolean;
  /** Writes stream events for the client; absent when the upstream's own events are handed on. */
  readonly chunkWriter?: () => ChunkWriter;
}

/** One event of an upstream stream in OpenAI's format. */
export interface StreamChunk {
  /** The whole block as it came, without the empty line behind it. */
  readonly block: Uint8Array;
  /** The JSON text of the event's data. */
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

/** Turns decoded upstream events into the bytes that one client dialect expects. */
export interface ChunkWriter {
  chunk(chunk: StreamChunk): Uint8Array | undefined;
  /** A keep-alive comment of the upstream. */
  comment(block: Uint8Array): Uint8Array | undefined;
  /** The stream is complete. */
  done(observed: StreamObservation): Uint8Array | undefined;
}

/** What was learnt from an answer while it passed through. */
export interface StreamObservation {
  usage: Usage | undefined;
  finishReason: string | undefined;
  /** Events with at least one choice. */
  chunks: number;
}

/** Decodes one upstream event stream. Splitting the input differently never changes the output's concatenation. */
export interface StreamDecoder {
  /** @returns bytes for the client, or `undefined` when none are due yet */
  push(bytes: Uint8Array): Uint8Array | undefined;
  /** The upstream's body has ended: the rest of the bytes for the client. Sets `failure` if it ended too early. */
  end(): Uint8Array | undefined;
  /** An event that the client should see has come: from here on the answer is committed. */
  readonly started: boolean;
  /** The last event for the client has been produced; later input is ignored. */
  readonly finished: boolean;
  /** Why the stream can't go on. Bytes returned before, and with it, are still good. */
  readonly failure: GatewayError | undefined;
  readonly observed: StreamObservation;
}

/** A complete answer: the body's text for the client and what was read from it. */
export interface InferenceResult {
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly usage: Usage | undefined;
  readonly finishReason: string | undefined;
}
