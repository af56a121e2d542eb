import type { ClientDialect } from './chat/dialect.ts';
import type { ChatRequest } from './chat/request.ts';
import type { EmbeddingRequest, EmbeddingResult } from './embedding.ts';
import type { GatewayError } from './errors.ts';
import type { HeaderReader } from './http.ts';
import type { ModerationRequest, ModerationResult } from './moderation.ts';
import type { RequestView } from './request-view.ts';
import type { RerankRequest, RerankResult } from './rerank.ts';
import type { Frame } from './stream/frame.ts';
import type { StreamObservation } from './stream/observation.ts';
import type { Usage } from './usage.ts';

/** The kind of an inference call, whatever its dialect. */
export type Operation = 'chat' | 'completion' | 'embedding' | 'rerank' | 'moderation' | 'count-tokens';

interface CallBase {
  /** The model's name as the client sent it; responses repeat it. */
  readonly model: string;
  /** The body's JSON text as the client sent it. */
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** UTF-8 bytes that the upstream's request has in addition to `text`; 0 when absent. */
  readonly unwrittenBytes?: number;
  /** @returns the facts of the body, read by the client's dialect */
  readonly view: () => RequestView;
  /** The client's headers; an adapter forwards the few that its vendor supports. */
  readonly headers: HeaderReader;
}

/** A conversation for a model to continue, in the dialect in which the client sent it. */
export interface ChatCall extends CallBase {
  readonly operation: 'chat' | 'completion';
  readonly stream: boolean;
  readonly dialect: ClientDialect;
  /** The client asked for a usage event at the end of the stream, where its dialect makes that a choice. */
  readonly includesStreamUsage: boolean;
  /**
   * The request in canonical form, made when it is first asked for: a passthrough never does.
   * @throws GatewayError `invalid_request`
   */
  readonly chat: () => ChatRequest;
  /** Called with a complete response that is forwarded, if its endpoint stores responses. */
  readonly onResponse?: (answer: Readonly<Record<string, unknown>>) => void;
}

/** A validated request for embeddings. */
export interface EmbeddingCall extends CallBase {
  readonly operation: 'embedding';
  readonly stream: false;
  readonly embedding: EmbeddingRequest;
  readonly render: (result: EmbeddingResult) => string;
}

/** A validated request to rank documents. */
export interface RerankCall extends CallBase {
  readonly operation: 'rerank';
  readonly stream: false;
  readonly rerank: RerankRequest;
  readonly render: (result: RerankResult) => string;
}

/** A validated request to classify content. Upstreams with the client's format get its body. */
export interface ModerationCall extends CallBase {
  readonly operation: 'moderation';
  readonly stream: false;
  readonly moderation: ModerationRequest;
  /** Renders a verdict of the gateway's own rules. */
  readonly render: (result: ModerationResult) => string;
}

/** How many input tokens a conversation has. */
export interface CountTokensCall extends CallBase {
  readonly operation: 'count-tokens';
  readonly stream: false;
  readonly dialect: ClientDialect;
  readonly chat: () => ChatRequest;
  readonly render: (inputTokens: number) => string;
}

/** A validated request for a model. */
export type InferenceCall = ChatCall | EmbeddingCall | RerankCall | ModerationCall | CountTokensCall;

/** State of a decoder. */
interface DecoderState {
  /** An event with content has arrived: the response can be committed. */
  readonly started: boolean;
  /** The last event for the client has been produced; later input is ignored. */
  readonly finished: boolean;
  /** The failure that ended the stream. Output before it is valid. */
  readonly failure: GatewayError | undefined;
  readonly observed: StreamObservation;
  /** The error event for a client that is reading, where that depends on what it has read. */
  failureEvent?(error: GatewayError): Uint8Array | undefined;
}

/** Turns one upstream stream into the bytes for the client. Splitting the input differently never changes the output. */
export interface ByteDecoder extends DecoderState {
  /** @returns bytes for the client, or `undefined` when none are due yet */
  push(bytes: Uint8Array): Uint8Array | undefined;
  /** Reads the end of the upstream's body. Sets `failure` if it ended too early. @returns the last bytes for the client */
  end(): Uint8Array | undefined;
}

/** Turns one upstream stream into frames. Splitting the input differently never changes the frames' content. */
export interface StreamDecoder extends DecoderState {
  /** @param emit receives each frame, synchronously and in order */
  push(bytes: Uint8Array, emit: (frame: Frame) => void): void;
  /** Reads the end of the upstream's body. Sets `failure` if it ended too early. */
  end(emit: (frame: Frame) => void): void;
}

/** A forwarded response body for the client, and what was read from it on the way. */
export interface ForwardedBody {
  readonly text: string;
  readonly usage: Usage | undefined;
  readonly finishReason: string | undefined;
}
