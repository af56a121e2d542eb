import { encodeUtf8 } from '../../core/bytes.ts';
import type { ByteDecoder, ChatCall, EmbeddingCall, ForwardedBody } from '../../core/inference.ts';
import { asString, isRecord, records } from '../../core/json.ts';
import { formatEvent } from '../../core/sse.ts';
import type { Frame } from '../../core/stream/frame.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { EmbeddingPassthrough, PassthroughFormat } from '../format.ts';
import { ForwardingDecoder } from '../forwarding-decoder.ts';
import { limitedIdentifier } from '../limited-values.ts';
import { editedMembers } from '../member-limits.ts';
import { addCacheKey } from '../prompt-cache.ts';
import type { BufferedResponse, Target } from '../types.ts';
import { assertUsable } from './chat-parts.ts';
import { normalisedMessages } from './choice-normaliser.ts';
import { completionContent } from './completion-content.ts';
import { reencodeEmbeddings } from './embeddings.ts';
import { errorFromObject } from './errors.ts';
import { ParameterRuleCache } from './parameter-rule-cache.ts';
import { PassthroughWriter } from './passthrough-writer.ts';
import { OpenAiStreamDecoder } from './stream.ts';
import { readUsage, usageOfChoices } from './usage.ts';

/** Returns the URL for one kind of request. */
export type Endpoint = (target: Target) => string;

/** Whether the gateway requests usage that the client did not request, for metering. */
function requestsUsage(call: ChatCall, target: Target): boolean {
  return call.stream && !call.includesStreamUsage && target.provider.profile.streamUsage === 'on-request';
}

function modelEdit(body: Readonly<Record<string, unknown>>, target: Target): Record<string, string | null> {
  return body.model === target.model ? {} : { model: JSON.stringify(target.model) };
}

/** The choices of a response whose upstream reports the usage of one of them. */
function uncountedChoices({ body }: ChatCall, { provider }: Target): number {
  const { n } = body;
  return provider.profile.usageOfOneChoice && typeof n === 'number' ? n : 1;
}

/** Decodes a complete response. @throws GatewayError for an error with status 200, or without its list */
function decodeBody(response: BufferedResponse, target: Target, list: 'choices' | 'data') {
  const { provider } = target;
  const output = decodeJson(response, provider);
  const { json } = output;
  if (json.error !== undefined && json.error !== null) {
    throw errorFromObject(json, provider.id, provider.credential);
  }
  if (!Array.isArray(json[list])) {
    throw invalidResponse(
      provider,
      `responded without "${list}"; the response has another format than requested.`,
    );
  }
  return output;
}

/**
 * Bodies of OpenAI's chat and legacy completions are forwarded unchanged, except for the model and the needs of metering.
 */
export function openAiPassthrough(
  endpoint: Endpoint,
  canonical?: PassthroughFormat['canonical'],
): PassthroughFormat {
  const rules = new ParameterRuleCache();
  const decoderOf: PassthroughFormat['decoder'] = (call, target, { requestId }) => {
    const usage = call.includesStreamUsage ? 'last' : requestsUsage(call, target) ? 'strip' : 'as-is';
    const writer = new PassthroughWriter({ model: call.model, fallbackId: requestId, usage });
    return new OpenAiStreamDecoder(target.provider, writer, uncountedChoices(call, target));
  };
  return {
    // A complete legacy completion has the form of an event.
    ...(canonical
      ? { canonical }
      : {
          content: completionContent,
          replay: (response, call, target, context) => {
            const { json } = decodeBody(response, target, 'choices');
            return new ReplayingDecoder(json, decoderOf(call, target, context));
          },
        }),
    build(call, target, { warn, promptCache }) {
      const edits = modelEdit(call.body, target);
      rules.of(target).apply(call.body, edits, warn);
      // Legacy completions have no such key.
      if (canonical) addCacheKey(call, target, edits, promptCache);
      if (requestsUsage(call, target)) {
        const options = isRecord(call.body.stream_options) ? call.body.stream_options : {};
        edits.stream_options = JSON.stringify({ ...options, include_usage: true });
      }
      return { url: endpoint(target), body: editedMembers(call.text, edits) };
    },

    parse(response, call, target): ForwardedBody {
      const { text, json } = decodeBody(response, target, 'choices');
      for (const choice of records(json.choices)) assertUsable(choice, target.provider);
      const choice: unknown = Array.isArray(json.choices) ? json.choices[0] : undefined;
      const edits: Record<string, string> = {};
      if (json.model !== call.model) edits.model = JSON.stringify(call.model);
      const choices = normalisedMessages(json.choices, asString(json.id));
      if (choices) edits.choices = JSON.stringify(choices);
      return {
        text: editedMembers(text, edits),
        usage: usageOfChoices(readUsage(json.usage), uncountedChoices(call, target)),
        finishReason: isRecord(choice) ? asString(choice.finish_reason) : undefined,
      };
    },

    decoder: decoderOf,
  };
}

/** Sends a complete response as the only event of a stream. */
class ReplayingDecoder extends ForwardingDecoder {
  constructor(
    private readonly json: Readonly<Record<string, unknown>>,
    decoder: ByteDecoder,
  ) {
    super(decoder);
  }

  override end(emit: (frame: Frame) => void): void {
    this.push(encodeUtf8(`${formatEvent(undefined, JSON.stringify(this.json))}data: [DONE]\n\n`), emit);
    super.end(emit);
  }
}

function requestsBase64(call: EmbeddingCall): boolean {
  return call.body.encoding_format === 'base64';
}

/** Forwards embedding requests, and converts vectors for clients that request base64. */
export function openAiEmbeddingPassthrough(endpoint: Endpoint): EmbeddingPassthrough {
  return {
    build(call, target, { warn }) {
      const { profile } = target.provider;
      const edits = modelEdit(call.body, target);
      if (profile.floatEmbeddingsOnly && requestsBase64(call)) {
        edits.encoding_format = '"float"';
      }
      const { user } = call.embedding;
      if (user !== undefined && profile.limits?.user !== undefined) {
        const known = limitedIdentifier('user', user, profile.limits.user, warn);
        if (known !== user) edits.user = JSON.stringify(known);
      }
      return { url: endpoint(target), body: editedMembers(call.text, edits) };
    },

    parse(response, call, target): ForwardedBody {
      const { text, json } = decodeBody(response, target, 'data');
      const edits: Record<string, string> = {};
      if (json.model !== call.model) edits.model = JSON.stringify(call.model);
      const data = reencodeEmbeddings(json.data, requestsBase64(call) ? 'base64' : 'float');
      if (data) edits.data = JSON.stringify(data);
      return { text: editedMembers(text, edits), usage: readUsage(json.usage), finishReason: undefined };
    },
  };
}
