import type { ChatRequest } from '../core/chat/request.ts';
import { CompleteResult } from '../core/complete-result.ts';
import { GatewayError } from '../core/errors.ts';
import type { ChatCall, ForwardedBody, InferenceCall } from '../core/inference.ts';
import { editMembers } from '../core/json-edit.ts';
import type { UpstreamRequest } from '../core/transport.ts';
import type {
  ChatFormat,
  EmbeddingFormat,
  EmbeddingPassthrough,
  FormattedRequest,
  ModerationPassthrough,
  PassthroughFormat,
  RerankFormat,
  TokenCountFormat,
} from './format.ts';
import { DecodingForwarder, ForwardingDecoder } from './forwarding-decoder.ts';
import { withFunctionTools } from './function-tools/format.ts';
import { needsFunctions } from './function-tools/needs-functions.ts';
import { limitedFormat, limitedRequest } from './limited-format.ts';
import { promptCacheKey } from './prompt-cache.ts';
import { rerankThroughEmbeddings } from './rerank-through-embeddings.ts';
import {
  forwardedResult,
  mediaUrls,
  replayedStream,
  StreamCollector,
  translateResponse,
  translateStream,
  withInlineMedia,
} from './translation.ts';
import type { AttemptContext, Provider, ProviderAdapter, Target } from './types.ts';

/** The formats of one provider family. */
export interface AdapterParts
  extends Pick<
    ProviderAdapter,
    | 'kind'
    | 'authorize'
    | 'mapError'
    | 'streamMediaType'
    | 'buildModelsRequest'
    | 'parseModels'
    | 'buildAccessRequest'
    | 'tokenCountStep'
  > {
  readonly chat?: ChatFormat;
  /** Returns the passthrough for clients of a wire format; undefined when calls are translated. */
  readonly passthrough?: (wire: string, target: Target) => PassthroughFormat | undefined;
  readonly embeddings?: EmbeddingFormat;
  readonly embeddingPassthrough?: EmbeddingPassthrough;
  /** Without it, documents are ranked by the similarity of their embeddings. */
  readonly rerank?: RerankFormat;
  readonly moderation?: ModerationPassthrough;
  readonly tokenCount?: TokenCountFormat;
}

const NO_NAMES: readonly string[] = [];
const NO_REQUEST: ChatRequest = { messages: [] };

/** A call to forward, without what the gateway added to responses of other vendors. */
function withVendorIds(call: ChatCall, { provider }: Target): ChatCall {
  const { callSignatures = false } = provider.profile;
  const members = call.dialect.withoutForeignSignatures?.(call.text, call.body, callSignatures);
  if (members === undefined) return call;
  const edits = Object.fromEntries(
    Object.entries(members).map(([name, value]) => [name, JSON.stringify(value)]),
  );
  return { ...call, text: editMembers(call.text, edits), body: { ...call.body, ...members } };
}

/**
 * Combines a family's formats into an adapter: passthrough when the client's dialect is the target's format, else
 * translation.
 */
export function createAdapter(parts: AdapterParts): ProviderAdapter {
  const { kind, authorize, mapError, streamMediaType } = parts;
  const { buildModelsRequest, parseModels, buildAccessRequest, tokenCountStep } = parts;
  const { passthrough, embeddings, embeddingPassthrough, moderation, tokenCount } = parts;
  const chat = parts.chat && withFunctionTools(limitedFormat(parts.chat));
  const passthroughOf = (call: ChatCall, target: Target) =>
    needsFunctions(call, target) ? undefined : passthrough?.(call.dialect.name, target);
  const rerank = parts.rerank ?? (embeddings && rerankThroughEmbeddings(embeddings));

  const moderationOf = (target: Target) =>
    moderation?.accepts(target) ? moderation : lacking('moderation', target);

  const format = (call: InferenceCall, target: Target, context: AttemptContext): FormattedRequest => {
    switch (call.operation) {
      case 'chat':
      case 'completion': {
        const forwarding = passthroughOf(call, target);
        if (forwarding) return forwarding.build(withVendorIds(call, target), target, context);
        const request = withCacheKey(withInlineMedia(call.chat(), context.media), call, target, context);
        const options = { ...context, stream: call.stream, headers: call.headers };
        const built = (chat ?? lacking('chat', target)).build(request, target, options);
        // After the warnings of the format, which weigh more: the list is limited.
        for (const param of call.dialect.unreadMembers?.(call.body) ?? NO_NAMES) {
          context.warn({ kind: 'unsupported', param, message: `The target does not support "${param}".` });
        }
        return built;
      }
      case 'embedding':
        if (embeddingPassthrough) return embeddingPassthrough.build(call, target, context);
        return (embeddings ?? lacking('embeddings', target)).build(call.embedding, target, context);
      case 'rerank':
        return (rerank ?? lacking('rerank', target)).build(call.rerank, target, context);
      case 'moderation':
        return moderationOf(target).build(call, target);
      case 'count-tokens': {
        const options = { ...context, stream: false, headers: call.headers };
        const request = limitedRequest(call.chat(), target, chat ?? {}, context.warn);
        return (tokenCount ?? lacking('token counting', target)).build(request, target, options);
      }
    }
  };

  /** Reads responses in canonical form; undefined where the call's format has none. */
  const readableFormat = (call: ChatCall, target: Target) => {
    const forwarding = passthroughOf(call, target);
    return forwarding ? forwarding.canonical : chat;
  };

  // Created once for each provider and frozen, because they are shared: code that adds to them may cache the result.
  const headersFor = (accept: string) => {
    const known = new WeakMap<Provider, UpstreamRequest['headers']>();
    return (provider: Provider) => {
      const made = known.get(provider);
      if (made) return made;
      const common = { 'content-type': 'application/json', accept, 'accept-encoding': 'identity' };
      const headers = Object.freeze({ ...common, ...provider.headers });
      known.set(provider, headers);
      return headers;
    };
  };
  const usualHeaders = headersFor('application/json');
  const usualStreamHeaders = headersFor(streamMediaType ?? 'text/event-stream');

  return {
    kind,
    ...(streamMediaType === undefined ? {} : { streamMediaType }),
    countsTokens: tokenCount !== undefined,
    ...(moderation ? { moderates: (target: Target) => moderation.accepts(target) } : {}),
    ...(embeddings?.maxInputs && !embeddingPassthrough
      ? { maxEmbeddingInputs: (target: Target) => embeddings.maxInputs?.(target) }
      : {}),

    mediaToInline(call, target) {
      if (call.operation !== 'chat' && call.operation !== 'completion') return NO_NAMES;
      if (!chat?.needsInline || passthroughOf(call, target)) return NO_NAMES;
      return mediaUrls(chat, call.chat(), target);
    },

    buildRequest(call, target, context): UpstreamRequest {
      const { provider } = target;
      const { url, headers: own, body } = format(call, target, context);
      const usual = call.stream ? usualStreamHeaders(provider) : usualHeaders(provider);
      let more = own;
      for (const name of provider.profile.forwardHeaders ?? NO_NAMES) {
        const value = call.headers.get(name);
        if (value !== null) more = { [name]: value, ...more };
      }
      const headers = more ? { ...usual, ...more, ...provider.headers } : usual;
      return { method: 'POST', url, headers, body };
    },

    authorize,

    parseResponse(response, call, target, context) {
      switch (call.operation) {
        case 'chat':
        case 'completion': {
          const forward = passthroughOf(call, target);
          if (!forward) {
            return translateResponse(chat ?? lacking('chat', target), response, call, target, context);
          }
          const parsed = forward.parse(response, call, target, context);
          return forwardedResult(
            parsed,
            forward.canonical ?? forward.content,
            response,
            call,
            target,
            context,
            () => (forward.canonical ? call.chat() : NO_REQUEST),
          );
        }
        case 'embedding': {
          if (embeddingPassthrough) return resultOf(embeddingPassthrough.parse(response, call, target));
          const used = embeddings ?? lacking('embeddings', target);
          const result = used.parse(response, target, call.embedding);
          return new CompleteResult(call.render(result), result.usage, undefined);
        }
        case 'rerank': {
          const used = rerank ?? lacking('rerank', target);
          const result = used.parse(response, target, call.rerank);
          return new CompleteResult(call.render(result), result.usage, undefined);
        }
        case 'moderation':
          return resultOf(moderationOf(target).parse(response, call, target));
        case 'count-tokens': {
          const count = (tokenCount ?? lacking('token counting', target)).parse(response, target);
          return new CompleteResult(call.render(count), undefined, undefined);
        }
      }
    },

    streamDecoder(call, target, context, mode) {
      const forward = passthroughOf(call, target);
      if (!forward) return translateStream(chat ?? lacking('chat', target), call, target, context, mode);
      const content = forward.canonical ?? forward.content;
      if (mode === 'bytes' || !content) {
        return new ForwardingDecoder(forward.decoder(call, target, context));
      }
      const reader = content.reader(target, forward.canonical ? call.chat() : NO_REQUEST);
      // In mode `rewrite` the end of the chain renders the response, and reports it to the endpoint.
      const { onResponse: _, ...forwarded } = call;
      const decoder = forward.decoder(mode === 'rewrite' ? forwarded : call, target, context);
      return new DecodingForwarder(decoder, reader, mode === 'rewrite');
    },

    streamCollector(call, target, context) {
      const format = readableFormat(call, target);
      return format && new StreamCollector(format.reader(target, requestOf(call)), call, context);
    },

    replayDecoder(response, call, target, context, mode) {
      const format = readableFormat(call, target);
      if (format) return replayedStream(format.parse(response, target, requestOf(call)), call, context, mode);
      const forwarding = passthroughOf(call, target);
      return forwarding?.replay?.(response, call, target, context);
    },

    mapError,
    ...(tokenCountStep === undefined ? {} : { tokenCountStep }),
    ...(buildModelsRequest === undefined ? {} : { buildModelsRequest }),
    ...(parseModels === undefined ? {} : { parseModels }),
    ...(buildAccessRequest === undefined ? {} : { buildAccessRequest }),
  };
}

/** Adds the key by which the vendor finds the cached prompt, where the client sent none. */
function withCacheKey(
  request: ChatRequest,
  { text }: ChatCall,
  { provider }: Target,
  { promptCache }: AttemptContext,
): ChatRequest {
  if (!provider.profile.promptCacheKey || request.promptCacheKey !== undefined) return request;
  const key = promptCacheKey(text.length, promptCache);
  return key === undefined ? request : { ...request, promptCacheKey: key };
}

/** The request in canonical form; an empty one where it was forwarded in a form that the gateway cannot read. */
function requestOf(call: ChatCall): ChatRequest {
  try {
    return call.chat();
  } catch {
    // The response is complete, and readers need the request for details only.
    return NO_REQUEST;
  }
}

function resultOf({ text, usage, finishReason }: ForwardedBody): CompleteResult {
  return new CompleteResult(text, usage, finishReason);
}

function lacking(what: string, { provider }: Target): never {
  throw new GatewayError(
    'unsupported_by_target',
    `Provider "${provider.id}" (${provider.profile.label}) has no ${what} that this gateway can use.`,
    { provider: provider.id },
  );
}
