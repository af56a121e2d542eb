import type { AudioPart, ChatRequest, FilePart, ImagePart } from '../core/chat/request.ts';
import type { ChatEventReader, ChatResult } from '../core/chat/result.ts';
import type { EmbeddingRequest, EmbeddingResult } from '../core/embedding.ts';
import type { HeaderReader } from '../core/http.ts';
import type { ByteDecoder, ChatCall, EmbeddingCall, ForwardedBody } from '../core/inference.ts';
import type { RerankRequest, RerankResult } from '../core/rerank.ts';
import type { AttemptContext, BufferedResponse, Target } from './types.ts';

/** The part of an upstream request that a format decides; common headers and the method are added around it. */
export interface FormattedRequest {
  /** Absolute. */
  readonly url: string;
  /** Beside the usual ones. Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface ChatBuildOptions extends AttemptContext {
  readonly stream: boolean;
  /** The client's headers. */
  readonly headers: HeaderReader;
}

/** Translation between the canonical chat and one provider's wire format. Pure. */
export interface ChatFormat {
  /**
   * Says everything of the request that the format can say, and warns of the rest.
   * @throws GatewayError `invalid_request` for what makes no sense in any format
   */
  build(request: ChatRequest, target: Target, options: ChatBuildOptions): FormattedRequest;
  /** @throws GatewayError when the answer is not what the format promises */
  parse(response: BufferedResponse, target: Target, request: ChatRequest): ChatResult;
  reader(target: Target, request: ChatRequest): ChatEventReader;
  /** Whether media with a URL has to be fetched by the gateway; never, when absent. */
  needsInline?(part: ImagePart | AudioPart | FilePart, target: Target): boolean;
}

/** Forwards bodies in the dialect that client and provider share, with the necessary changes only. */
export interface PassthroughFormat {
  build(call: ChatCall, target: Target, context: AttemptContext): FormattedRequest;
  parse(response: BufferedResponse, call: ChatCall, target: Target, context: AttemptContext): ForwardedBody;
  decoder(call: ChatCall, target: Target, context: AttemptContext): ByteDecoder;
  /** Reads the same wire format, for interceptors that need the content. Without it, forwarded bodies stay undecoded. */
  readonly canonical?: Pick<ChatFormat, 'parse' | 'reader'>;
}

export interface EmbeddingFormat {
  build(request: EmbeddingRequest, target: Target, context: AttemptContext): FormattedRequest;
  /** @throws GatewayError when the answer is not what the format promises */
  parse(response: BufferedResponse, target: Target, request: EmbeddingRequest): EmbeddingResult;
}

/** Forwards embedding requests and responses in OpenAI's format, for upstreams that use it. */
export interface EmbeddingPassthrough {
  build(call: EmbeddingCall, target: Target): FormattedRequest;
  parse(response: BufferedResponse, call: EmbeddingCall, target: Target): ForwardedBody;
}

export interface RerankFormat {
  build(request: RerankRequest, target: Target, context: AttemptContext): FormattedRequest;
  /** @throws GatewayError when the answer is not what the format promises */
  parse(response: BufferedResponse, target: Target, request: RerankRequest): RerankResult;
}

/** Counts a conversation's tokens at the provider. */
export interface TokenCountFormat {
  build(request: ChatRequest, target: Target, options: ChatBuildOptions): FormattedRequest;
  /** @throws GatewayError when the answer is not what the format promises */
  parse(response: BufferedResponse, target: Target): number;
}
