import type { CompleteResult } from '../core/complete-result.ts';
import type { GatewayError } from '../core/errors.ts';
import type { ChatCall, InferenceCall, StreamDecoder } from '../core/inference.ts';
import type { SubjectLimits } from '../core/limit.ts';
import type { StreamMode } from '../core/stream/frame.ts';
import type { Transport, UpstreamHeaders, UpstreamRequest } from '../core/transport.ts';
import type { Warn } from '../core/warning.ts';

/** What is particular about one vendor's or engine's take on a format. Data, so that no code asks for a name. */
export interface VendorProfile {
  /** For people, in messages of `doctor` and errors. */
  readonly label: string;
  readonly baseUrl?: string;
  /** Environment variables that configure this vendor without a file. */
  readonly environment?: { readonly key: string; readonly baseUrl: string };
  /**
   * Whether token counts come with streams: `on-request` when `stream_options.include_usage` asks for them,
   * `always` when they come unasked (and the option may be refused).
   */
  readonly streamUsage: 'on-request' | 'always';
  /** Embeddings come as lists of numbers only; a client that asks for base64 gets them converted. */
  readonly floatEmbeddingsOnly?: boolean;
  /** Names of this vendor's models, for use when its model list is unavailable. */
  readonly modelPattern?: RegExp;
  /** Serving engines: where one is looked for on this machine, and how its model list gives it away. */
  readonly localEngine?: { readonly port: number; readonly ownedBy?: string };
  /** Client headers that this vendor understands, in lower case. */
  readonly forwardHeaders?: readonly string[];
  /** It tells `developer` messages from `system` ones; others know only the latter. */
  readonly developerRole?: boolean;
  /** Content that is absent must be an empty text, not null. */
  readonly emptyContent?: boolean;
  /** Takes Anthropic's `cache_control` marks. */
  readonly cacheControl?: boolean;
  /** How it wants the reasoning of earlier turns back, where it wants it. */
  readonly replaysReasoning?: 'reasoning_content' | 'reasoning_details';
  /** How reasoning is requested: OpenAI's `reasoning_effort`, OpenRouter's `reasoning`, or a `thinking` switch. */
  readonly reasoningStyle?: 'effort' | 'object' | 'switch';
  /** Sound and documents are plain texts in content parts (Mistral's form), not objects. */
  readonly plainMedia?: boolean;
  /** Takes `top_k`. */
  readonly topK?: boolean;
  /** Refuses the older name of a parameter at models that have a newer one. */
  readonly namesByModel?: boolean;
  /** Members of OpenAI's chat that have another name here. */
  readonly renames?: Readonly<Record<string, string>>;
  /** Members of OpenAI's chat that are refused. */
  readonly unsupported?: readonly string[];
  /** Tool call ids must be nine letters or digits. */
  readonly shortToolCallIds?: boolean;
  /** Has OpenAI's Responses API too. */
  readonly responsesApi?: boolean;
  /** What the kept data on prices and on models call this vendor. */
  readonly dataNames?: { readonly prices?: string; readonly models?: string };
  /**
   * Paths of the server's health and load: on its host, or without a leading slash below its base URL. Vendors that
   * charge per request have none.
   */
  readonly healthPath?: string;
  readonly loadPath?: string;
  /** Path of the reranker, after the base URL, where there is one in Jina's form. */
  readonly rerankPath?: string;
  /** Generates test responses: it is never suggested for a task. */
  readonly isSimulated?: boolean;
  /** A key is needed for any call. */
  readonly needsKey: boolean;
}

/** An engine that is started when it is needed. */
export interface LazyEngine {
  readonly loaded: boolean;
  /**
   * Sees to it that it is loaded.
   * @returns nothing when it is; otherwise a promise, and how to stop waiting for it
   * @throws GatewayError when it can't be
   */
  ensureLoaded(): { readonly ready: Promise<void>; readonly cancel: () => void } | undefined;
}

/** A configured upstream account or engine. */
export interface Provider {
  readonly id: string;
  readonly kind: string;
  readonly profile: VendorProfile;
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly credential: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly adapter: ProviderAdapter;
  readonly transport: Transport;
  /** Upstream model names known from the configuration. */
  readonly models: readonly string[];
  /** Ask the provider itself for its models. */
  readonly discover: boolean;
  readonly region?: string | undefined;
  /** The same with its other keys. */
  readonly accounts?: readonly Provider[];
  /** Which of several keys this is with, from 1; undefined where there is only one. */
  readonly account?: number;
  readonly lazyEngine?: LazyEngine;
}

/** One provider and upstream model behind a model that clients name. */
export interface Target {
  readonly provider: Provider;
  readonly model: string;
  readonly weight: number;
  /** Targets of a lower tier are tried first; 0 when absent. */
  readonly tier?: number;
  /** Where it computes, as far as is known. */
  readonly region?: string | undefined;
  /** Limits over all who use it. */
  readonly limits?: readonly SubjectLimits[] | undefined;
}

/** A whole upstream answer, small enough to hold. */
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

/** What an adapter may know of the attempt in addition to the request. */
export interface AttemptContext {
  /** For ids that the upstream does not give: letters, digits and underscores. */
  readonly requestId: string;
  /** Unix time, where the upstream gives none. */
  readonly createdSeconds: number;
  /** Records a parameter that the target does not support; only while the request is built. */
  readonly warn: Warn;
  /** By URL: what `mediaToInline` asked for. */
  readonly media: ReadonlyMap<string, InlineMedia>;
}

/** Pure translation between a client's request and one provider's wire format; no I/O. */
export interface ProviderAdapter {
  readonly kind: string;
  /** URLs of media that have to be fetched before the request can be built. */
  mediaToInline?(call: InferenceCall, target: Target): readonly string[];
  /** The request without credentials. @throws GatewayError when the target can't express it at all */
  buildRequest(call: InferenceCall, target: Target, context: AttemptContext): UpstreamRequest;
  /** Adds the provider's credential; a promise only where a token has to be fetched or a signature computed. */
  authorize(request: UpstreamRequest, provider: Provider): UpstreamRequest | Promise<UpstreamRequest>;
  /** @throws GatewayError when the answer is not what the format promises */
  parseResponse(
    response: BufferedResponse,
    call: InferenceCall,
    target: Target,
    context: AttemptContext,
  ): CompleteResult;
  /** @param mode how much of the stream the chain needs */
  streamDecoder(call: ChatCall, target: Target, context: AttemptContext, mode: StreamMode): StreamDecoder;
  /** Whether the provider counts tokens itself; without it, the gateway estimates. */
  readonly countsTokens?: boolean;
  /** The upstream's media type of an event stream, in lower case; `text/event-stream` when absent. */
  readonly streamMediaType?: string;
  /** Explains an answer with an error status (or a redirect). */
  mapError(response: BufferedResponse, target: Target): GatewayError;
  /** Asks for the upstream's model names; absent where a provider has no such list. */
  buildModelsRequest?(provider: Provider): UpstreamRequest;
  /** @throws GatewayError when the body is no model list */
  parseModels?(response: BufferedResponse, provider: Provider): UpstreamModel[];
}

export interface UpstreamModel {
  readonly id: string;
  readonly ownedBy: string | undefined;
}
