import type { AudioPart, ChatRequest, FilePart, ImagePart, WireFormat } from '../core/chat/request.ts';
import type { ChatEventReader, ChatResult } from '../core/chat/result.ts';
import type { EmbeddingRequest, EmbeddingResult } from '../core/embedding.ts';
import type { HeaderReader } from '../core/http.ts';
import type {
  ByteDecoder,
  ChatCall,
  EmbeddingCall,
  ForwardedBody,
  ModerationCall,
  StreamDecoder,
} from '../core/inference.ts';
import type { RerankRequest, RerankResult } from '../core/rerank.ts';
import type { AttemptContext, BufferedResponse, Target } from './types.ts';

/** The parts of an upstream request that a format decides; `createAdapter` adds the method and the common headers. */
export interface FormattedRequest {
  /** Absolute URL. */
  readonly url: string;
  /** In addition to the common headers, by lower-case name. */
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

/** Facts of the attempt for building a chat request. */
export interface ChatBuildOptions extends AttemptContext {
  readonly stream: boolean;
  /** The client's headers. */
  readonly headers: HeaderReader;
}

/** Translation between canonical chat and one provider's wire format. Pure. */
export interface ChatFormat {
  /** The client dialect whose members of tools it writes unchanged, if it is also a client dialect. */
  readonly wire?: WireFormat;
  /**
   * Builds the request, and warns of each parameter that the format cannot express.
   * @throws GatewayError `invalid_request` for a conversation that is invalid in every format
   */
  build(request: ChatRequest, target: Target, options: ChatBuildOptions): FormattedRequest;
  /** Reads a complete response. @throws GatewayError `upstream_invalid_response`, or the error that it reports */
  parse(response: BufferedResponse, target: Target, request: ChatRequest): ChatResult;
  /** Creates the reader of one streamed response. */
  reader(target: Target, request: ChatRequest): ChatEventReader;
  /**
   * Whether a target has free-text tools and groups of tools itself. The other formats receive functions instead; never when
   * absent.
   */
  hasSpecialTools?(target: Target): boolean;
  /** Whether the gateway must download a part with a URL; never when absent. */
  needsInline?(part: ImagePart | AudioPart | FilePart, target: Target): boolean;
}

/** Forwards bodies when the client's dialect is the provider's format, with the necessary changes only. */
export interface PassthroughFormat {
  /** Edits the original JSON text. */
  build(call: ChatCall, target: Target, context: AttemptContext): FormattedRequest;
  /** Checks and edits a complete response. @throws GatewayError `upstream_invalid_response`, or the error that it reports */
  parse(response: BufferedResponse, call: ChatCall, target: Target, context: AttemptContext): ForwardedBody;
  /** Creates the decoder of one streamed response. */
  decoder(call: ChatCall, target: Target, context: AttemptContext): ByteDecoder;
  /** Turns a complete response into a stream, where `canonical` is absent. */
  replay?(response: BufferedResponse, call: ChatCall, target: Target, context: AttemptContext): StreamDecoder;
  /** Reads the same wire format, for interceptors that need the content. Without it, forwarded bodies stay undecoded. */
  readonly canonical?: Pick<ChatFormat, 'parse' | 'reader'>;
  /** The same for formats that are replayed as they are: it reads responses from the upstream only. */
  readonly content?: Pick<ChatFormat, 'parse' | 'reader'>;
}

/** Translation of embedding requests. */
export interface EmbeddingFormat {
  /** The most inputs of one request; without a limit when absent or undefined. */
  maxInputs?(target: Target): number | undefined;
  build(request: EmbeddingRequest, target: Target, context: AttemptContext): FormattedRequest;
  /** @throws GatewayError `upstream_invalid_response`, or the error that the response reports */
  parse(response: BufferedResponse, target: Target, request: EmbeddingRequest): EmbeddingResult;
}

/** Forwards embedding requests and responses in OpenAI's format, for upstreams that use it. */
export interface EmbeddingPassthrough {
  build(call: EmbeddingCall, target: Target, context: AttemptContext): FormattedRequest;
  parse(response: BufferedResponse, call: EmbeddingCall, target: Target): ForwardedBody;
}

/** Forwards moderation requests and responses in OpenAI's format, for upstreams that classify content. */
export interface ModerationPassthrough {
  /** Whether the target classifies content. */
  accepts(target: Target): boolean;
  build(call: ModerationCall, target: Target): FormattedRequest;
  /** @throws GatewayError `upstream_invalid_response`, or the error that the response reports */
  parse(response: BufferedResponse, call: ModerationCall, target: Target): ForwardedBody;
}

/** Translation of rerank requests. */
export interface RerankFormat {
  build(request: RerankRequest, target: Target, context: AttemptContext): FormattedRequest;
  /** @throws GatewayError `upstream_invalid_response`, or the error that the response reports */
  parse(response: BufferedResponse, target: Target, request: RerankRequest): RerankResult;
}

/** Counts the input tokens of a conversation at the provider. */
export interface TokenCountFormat {
  build(request: ChatRequest, target: Target, options: ChatBuildOptions): FormattedRequest;
  /** @throws GatewayError `upstream_invalid_response`, or the error that the response reports */
  parse(response: BufferedResponse, target: Target): number;
}
