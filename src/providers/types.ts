import type { CompleteResult } from '../core/complete-result.ts';
import type { GatewayError } from '../core/errors.ts';
import type { ChatCall, CountTokensCall, InferenceCall, StreamDecoder } from '../core/inference.ts';
import type { SubjectLimits } from '../core/limit.ts';
import type { StreamMode } from '../core/stream/frame.ts';
import type { Transport, UpstreamHeaders, UpstreamRequest } from '../core/transport.ts';
import type { Warn } from '../core/warning.ts';
import type { BatchUpstream } from './batch-upstream.ts';
import type { PromptCacheHint } from './prompt-cache-hint.ts';
import type { VendorLimits } from './vendor-limits.ts';

/** The properties of one vendor or engine within a format. Data: no code compares names. Absent means false or unknown. */
export interface VendorProfile {
  /** Name in messages of `weir doctor` and in errors. */
  readonly label: string;
  /** Default base URL, without a trailing slash. */
  readonly baseUrl?: string;
  /** Environment variables that configure this vendor without a file. */
  readonly environment?: { readonly key: string; readonly baseUrl: string };
  /**
   * When streams contain usage: `on-request` with `stream_options.include_usage`, `always` without it (the option may be
   * rejected).
   */
  readonly streamUsage: 'on-request' | 'always';
  /** Reports the usage of one choice where a request asks for several (`n`). */
  readonly usageOfOneChoice?: boolean;
  /** Embeddings are lists of numbers only; the gateway converts them for clients that request base64. */
  readonly floatEmbeddingsOnly?: boolean;
  /** Names of this vendor's models, for use when its model list is unavailable. */
  readonly modelPattern?: RegExp;
  /** For serving engines: the port that detection probes on this machine, and the owner in the engine's model list. */
  readonly localEngine?: { readonly port: number; readonly ownedBy?: string };
  /** Client headers that are forwarded, in lower case. */
  readonly forwardHeaders?: readonly string[];
  /** Accepts `developer` messages; others accept `system` only. */
  readonly developerRole?: boolean;
  /** Requires an empty text instead of null for absent content. */
  readonly emptyContent?: boolean;
  /** Has functions only: it rejects free-text tools, groups of tools and `allowed_tools`. */
  readonly functionsOnly?: boolean;
  /** Accepts `extra_content` in calls, where Google's API of this format has the signatures of Gemini. */
  readonly callSignatures?: boolean;
  /** Accepts `allowed_tools` as a tool choice. */
  readonly allowedTools?: boolean;
  /** Accepts ids of files that were uploaded to OpenAI. */
  readonly openAiFiles?: boolean;
  /** Finds cached prompts by `prompt_cache_key`. */
  readonly promptCacheKey?: boolean;
  /** Accepts Anthropic's `cache_control` markers. */
  readonly cacheControl?: boolean;
  /** The member in which it expects the reasoning of earlier turns; absent where it expects none. */
  readonly replaysReasoning?: 'reasoning_content' | 'reasoning_details';
  /** How reasoning is requested: OpenAI's `reasoning_effort`, OpenRouter's `reasoning`, or a `thinking` switch. */
  readonly reasoningStyle?: 'effort' | 'object' | 'switch';
  /** Audio and documents are texts in content parts (Mistral's form) instead of objects. */
  readonly plainMedia?: boolean;
  /** Accepts `top_k`. */
  readonly topK?: boolean;
  /** Rejects the older name of a parameter for models that have a newer one. */
  readonly namesByModel?: boolean;
  /** Members of OpenAI's chat with another name here, by OpenAI's name. */
  readonly renames?: Readonly<Record<string, string>>;
  /** Members of OpenAI's chat that it rejects. */
  readonly unsupported?: readonly string[];
  /** Limits of the members of a request. */
  readonly limits?: VendorLimits;
  /**
   * How it continues the text of an assistant message at the end of the conversation: without more, with `prefix` in that
   * message (Mistral), or with `continue_final_message` in the request (vLLM). Absent: it responds with a new message. A
   * model's family takes precedence.
   */
  readonly prefill?: 'plain' | 'prefix' | 'continue';
  /** Some of its versions repeat that text at the beginning of the response. */
  readonly repeatsPrefill?: boolean;
  /** Members of messages that it rejects. The results of tools may have a `name`. */
  readonly unsupportedInMessages?: ReadonlySet<string>;
  /** Rejects a response format in requests with tools. */
  readonly toolsOrFormat?: boolean;
  /** Takes no JSON schema for responses. */
  readonly lacksJsonSchemas?: boolean;
  /** Takes `metadata` only in requests with `store: true`. */
  readonly metadataNeedsStore?: boolean;
  /** Tool call ids must be nine letters or digits. */
  readonly shortToolCallIds?: boolean;
  /** Also has OpenAI's Responses API. */
  readonly responsesApi?: boolean;
  /** Names of this vendor in the packages of prices and models. */
  readonly dataNames?: { readonly prices?: string; readonly models?: string };
  /**
   * Paths of the server's health and load: on its host, or without a leading slash below its base URL. Vendors that
   * charge per request have none.
   */
  readonly healthPath?: string;
  readonly loadPath?: string;
  /** For vendors whose model list is public: a path below the base URL that responds with 200 only to a valid key. */
  readonly accessPath?: string;
  /**
   * How the server counts tokens: `/tokenize` on its host takes `messages`, or takes the `prompt` that `/apply-template`
   * makes of them; absent where it does not.
   */
  readonly tokenizes?: 'messages' | 'prompt';
  /** Path of its moderation in OpenAI's format, below the base URL; absent where it has none. */
  readonly moderationPath?: string;
  /** Path of a reranker in Jina's format, below the base URL. */
  readonly rerankPath?: string;
  /** Generates test responses; never suggested for a task. */
  readonly isSimulated?: boolean;
  /** Calls require a key. */
  readonly needsKey: boolean;
}

/** An engine that starts on demand. */
export interface LazyEngine {
  readonly loaded: boolean;
  /**
   * Starts the engine if it is not loaded.
   * @returns undefined when it is loaded; else a promise, and a function that stops waiting for it
   * @throws GatewayError `engine_unavailable` when it cannot start
   */
  ensureLoaded(): { readonly ready: Promise<void>; readonly cancel: () => void } | undefined;
}

/** A configured upstream account or engine. */
export interface Provider {
  readonly id: string;
  readonly kind: string;
  readonly profile: VendorProfile;
  /** Without a trailing slash. */
  readonly baseUrl: string;
  /** API key or token; undefined when calls need none, or the adapter signs in by other means. */
  readonly credential: string | undefined;
  /** Configured headers of each request, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds for a complete response, or for the first event of a stream; the gateway's limits when absent. */
  readonly timeoutMs?: number | undefined;
  readonly adapter: ProviderAdapter;
  readonly transport: Transport;
  /** Upstream models from the configuration. */
  readonly models: readonly string[];
  /** Whether to fetch the provider's model list. */
  readonly discover: boolean;
  readonly region?: string | undefined;
  /** The same provider with its other keys. */
  readonly accounts?: readonly Provider[];
  /** Number of this key among several, from 1; undefined for a single key. */
  readonly account?: number;
  readonly lazyEngine?: LazyEngine;
  /** Its batch API, where the configuration forwards batches to it. */
  readonly batches?: BatchUpstream;
}

/** One provider and upstream model behind a model that clients name. */
export interface Target {
  /** Milliseconds for a complete response, or for the first event of a stream; the provider's when absent. */
  readonly timeoutMs?: number | undefined;
  readonly provider: Provider;
  readonly model: string;
  /** Relative share of requests, at least 0. */
  readonly weight: number;
  /** Lower tiers are tried first; 0 when absent. */
  readonly tier?: number;
  /** Region in which it computes; undefined when unknown. */
  readonly region?: string | undefined;
  /** Limits over all its callers. */
  readonly limits?: readonly SubjectLimits[] | undefined;
}

/** A complete upstream response in memory. */
export interface BufferedResponse {
  readonly status: number;
  readonly headers: UpstreamHeaders;
  readonly body: Uint8Array;
}

/** A file that the gateway has downloaded for a provider that does not download. */
export interface InlineMedia {
  readonly mediaType: string;
  /** Base64. */
  readonly data: string;
}

/** Facts of an attempt that an adapter needs in addition to the request. */
export interface AttemptContext {
  /** Base of ids that the upstream does not send: letters, digits and underscores. */
  readonly requestId: string;
  /** Creation time in Unix seconds, for upstreams that send none. */
  readonly createdSeconds: number;
  /**
   * Records a parameter that the target does not support, or content of a complete response that the client's dialect has no
   * form for. Only `buildRequest` and `parseResponse` call it: the head of a stream is sent before its content is known.
   */
  readonly warn: Warn;
  /** Downloaded files by the URLs that `mediaToInline` returned. */
  readonly media: ReadonlyMap<string, InlineMedia>;
  /** Absent where the gateway adds nothing for the provider's prompt cache. */
  readonly promptCache?: PromptCacheHint | undefined;
}

/**
 * The provider contract: translation between a client's call and one provider's wire format. Pure, except that `authorize`
 * may fetch a token. Create adapters with `createAdapter`.
 */
export interface ProviderAdapter {
  readonly kind: string;
  /**
   * Lists the media that the gateway must download before `buildRequest`.
   * @returns URLs without duplicates; empty when the target downloads media itself
   */
  mediaToInline?(call: InferenceCall, target: Target): readonly string[];
  /**
   * Builds the upstream request, without credentials. Parameters that the target does not support cause warnings.
   * @throws GatewayError `invalid_request` for a request that is invalid in every format, `unsupported_by_target` for an
   *   operation that the provider lacks
   */
  buildRequest(call: InferenceCall, target: Target, context: AttemptContext): UpstreamRequest;
  /**
   * Adds the provider's credential to a request.
   * @returns a promise only when a token must be fetched or a signature computed
   * @throws GatewayError `upstream_auth_failed` or `upstream_unreachable` when no token is available
   */
  authorize(request: UpstreamRequest, provider: Provider): UpstreamRequest | Promise<UpstreamRequest>;
  /**
   * Reads a complete response with a success status, and renders it in the client's dialect.
   * @throws GatewayError `upstream_invalid_response` for a body that does not conform to the format, or the error that the
   *   upstream reports in it
   */
  parseResponse(
    response: BufferedResponse,
    call: InferenceCall,
    target: Target,
    context: AttemptContext,
  ): CompleteResult;
  /**
   * Creates the decoder of one streamed response with a success status.
   * @param mode how much of the stream the interceptors need
   */
  streamDecoder(call: ChatCall, target: Target, context: AttemptContext, mode: StreamMode): StreamDecoder;
  /**
   * Reads an event stream for a client that asked for a complete response.
   * @returns undefined where the format of the call has no canonical form
   */
  streamCollector?(call: ChatCall, target: Target, context: AttemptContext): ResponseCollector | undefined;
  /**
   * Turns a complete response with a success status into a stream for a client that asked for one.
   * @returns a decoder whose `end` sends all frames; undefined where the format of the call has no canonical form
   * @throws GatewayError as `parseResponse`
   */
  replayDecoder?(
    response: BufferedResponse,
    call: ChatCall,
    target: Target,
    context: AttemptContext,
    mode: StreamMode,
  ): StreamDecoder | undefined;
  /** The most inputs of one call for embeddings; dispatch splits longer lists. Without a limit when absent or undefined. */
  maxEmbeddingInputs?(target: Target): number | undefined;
  /** Whether a target classifies content; never when absent. */
  moderates?(target: Target): boolean;
  /** Whether the provider has a token counter; without one, the gateway estimates. */
  readonly countsTokens?: boolean;
  /**
   * Begins to count tokens at an engine that has an endpoint for it beside its API.
   * @returns undefined for servers without one
   */
  tokenCountStep?(call: CountTokensCall, target: Target, context: AttemptContext): TokenCountStep | undefined;
  /** Media type of streamed responses, in lower case; `text/event-stream` when absent. */
  readonly streamMediaType?: string;
  /**
   * Makes the error for a response with an error status or a redirect.
   * @returns an error with the upstream's reason, redacted, and its retry signal
   */
  mapError(response: BufferedResponse, target: Target): GatewayError;
  /** Builds the request for the model list, without credentials; absent when the provider has none. */
  buildModelsRequest?(provider: Provider): UpstreamRequest;
  /**
   * Builds a request that changes nothing, costs nothing, and succeeds only with a valid credential, without credentials;
   * absent, or undefined, when the model list is such a request or the provider has none.
   */
  buildAccessRequest?(provider: Provider): UpstreamRequest | undefined;
  /** Reads the model list. @throws GatewayError `upstream_invalid_response` for another body */
  parseModels?(response: BufferedResponse, provider: Provider): UpstreamModel[];
}

/** Makes a complete response of a stream. Its methods throw what is wrong with the stream, as a `GatewayError`. */
export interface ResponseCollector {
  /** The last event has been read; later input is ignored. */
  readonly isComplete: boolean;
  push(bytes: Uint8Array): void;
  end(): void;
  result(): CompleteResult;
}

/** One request of a token count at an engine. */
export interface TokenCountStep {
  /** Without credentials. */
  readonly request: UpstreamRequest;
  /**
   * Reads the response.
   * @returns the count, or the next request
   * @throws GatewayError `upstream_invalid_response`
   */
  read(response: BufferedResponse): number | TokenCountStep;
}

/** A model in a provider's model list. */
export interface UpstreamModel {
  /** The name that requests use. */
  readonly id: string;
  readonly ownedBy: string | undefined;
}
