import { encodeUtf8, startsWithBytes } from '../../core/bytes.ts';
import { asString, isRecord, type JsonObject, parseJsonText } from '../../core/json.ts';
import { editMembers } from '../../core/json-edit.ts';
import { formatEvent, parseBlock } from '../../core/sse.ts';
import { decodeEvent, decodeEventText, decodeJson, invalidResponse, streamClosed } from '../decode.ts';
import { deltaText } from '../delta-text.ts';
import type { PassthroughFormat } from '../format.ts';
import { type Edits, editedMembers } from '../member-limits.ts';
import { SsePassthroughDecoder } from '../sse-passthrough.ts';
import type { Provider, Target } from '../types.ts';
import { withBreakpoints } from './breakpoints.ts';
import { errorFromMessageEvent } from './errors.ts';
import { ForwardedMembers } from './forwarded-members.ts';
import { betaHeaders, messagesUrl } from './url.ts';
import { mergeUsage, readMessageUsage } from './usage.ts';

/** Nearly all events begin like this. Only their text is read, for token counts. */
const DELTA = encodeUtf8('event: content_block_delta\n');

/** Forwards Messages unchanged except for the model's name, in both directions, and for members that the target rejects. */
export function anthropicPassthrough(): PassthroughFormat {
  const members = new WeakMap<Target, ForwardedMembers>();
  return {
    build(call, target, { warn, promptCache }) {
      const { provider, model } = target;
      const known = members.get(target) ?? new ForwardedMembers(target);
      members.set(target, known);
      const edits: Edits = call.body.model === model ? {} : { model: JSON.stringify(model) };
      known.apply(call.body, edits, warn);
      const text = editedMembers(call.text, edits);
      const body = promptCache ? editedBody(call.body, edits) : call.body;
      return {
        url: messagesUrl(provider),
        headers: betaHeaders(call.headers),
        body: withBreakpoints(text, body, model, promptCache),
      };
    },

    parse(response, call, { provider }) {
      const { text, json } = decodeJson(response, provider);
      if (json.type === 'error') throw errorFromMessageEvent(json, provider);
      if (!Array.isArray(json.content)) {
        throw invalidResponse(provider, 'responded without "content"; this is not a message.');
      }
      return {
        text: json.model === call.model ? text : editMembers(text, { model: JSON.stringify(call.model) }),
        usage: readMessageUsage(json.usage),
        finishReason: asString(json.stop_reason),
      };
    },

    decoder: (call, { provider }) => new MessagePassthroughDecoder(provider, call.model),
  };
}

/** @returns the members of the prompt as they are sent */
function editedBody(body: JsonObject, edits: Edits): JsonObject {
  let edited = body;
  for (const name of ['tools', 'system', 'messages', 'thinking'] as const) {
    const text = edits[name];
    if (text !== undefined) edited = { ...edited, [name]: parseJsonText(text ?? 'null') };
  }
  return edited;
}

class MessagePassthroughDecoder extends SsePassthroughDecoder {
  /** Usage of all events so far: later events contain the changed members only. */
  #usage: JsonObject = {};

  constructor(
    provider: Pick<Provider, 'id' | 'credential'>,
    private readonly model: string,
  ) {
    super(provider);
  }

  protected override block(block: Uint8Array): void {
    if (startsWithBytes(block, DELTA)) {
      this.started = true;
      this.observed.chunks += 1;
      this.text.add(deltaText(block));
      this.out.add(block);
      return;
    }
    const text = decodeEventText(block, this.provider);
    const { event, data } = parseBlock(text);
    if (data !== undefined && data.trim() !== '') {
      this.#event(decodeEvent(data, this.provider), block, event, data);
    } else if (text.startsWith(':')) this.out.add(block);
  }

  protected override bodyEnded(): void {
    throw streamClosed(this.provider);
  }

  #event(json: JsonObject, block: Uint8Array, event: string | undefined, data: string): void {
    switch (json.type) {
      case 'error':
        throw errorFromMessageEvent(json, this.provider);
      case 'message_start': {
        const message = isRecord(json.message) ? json.message : {};
        this.#observeUsage(message.usage);
        const edited = { ...message, model: this.model };
        const named = editMembers(data, { message: JSON.stringify(edited) });
        this.out.add(formatEvent(event ?? 'message_start', named));
        return;
      }
      case 'content_block_start':
        this.started = true;
        break;
      case 'message_delta': {
        this.started = true;
        this.#observeUsage(json.usage);
        const delta = isRecord(json.delta) ? json.delta : {};
        this.observed.finishReason = asString(delta.stop_reason) ?? this.observed.finishReason;
        break;
      }
      case 'message_stop':
        this.finished = true;
        break;
    }
    this.out.add(block);
  }

  #observeUsage(usage: unknown): void {
    if (!isRecord(usage)) return;
    this.#usage = mergeUsage(this.#usage, usage);
    this.observed.usage = readMessageUsage(this.#usage);
  }
}
