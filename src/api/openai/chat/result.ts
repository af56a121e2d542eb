import type { RenderContext } from '../../../core/chat/dialect.ts';
import type { Signature } from '../../../core/chat/request.ts';
import type { ChatChoice, ChatResult } from '../../../core/chat/result.ts';
import type { JsonObject } from '../../../core/json.ts';
import {
  annotation,
  finishName,
  reasoningDetail,
  signatureExtras,
  wireAudio,
  wireCall,
  wireImage,
  wireUsage,
} from './wire.ts';

/** A complete answer as a chat completion. */
export function renderCompletion(result: ChatResult, renderContext: RenderContext): string {
  return JSON.stringify({
    id: result.id ?? `chatcmpl-${renderContext.requestId}`,
    object: 'chat.completion',
    created: result.created ?? renderContext.createdSeconds,
    model: renderContext.model,
    choices: result.choices.map(renderChoice),
    ...(result.usage === undefined ? {} : { usage: wireUsage(result.usage) }),
    ...(result.serviceTier === undefined ? {} : { service_tier: result.serviceTier }),
    ...(result.systemFingerprint === undefined ? {} : { system_fingerprint: result.systemFingerprint }),
  });
}

function renderChoice({ index, content, finish, logprobs }: ChatChoice): JsonObject {
  const texts: string[] = [];
  const refusals: string[] = [];
  const calls: JsonObject[] = [];
  const annotations: JsonObject[] = [];
  const images: JsonObject[] = [];
  const details: JsonObject[] = [];
  let reasoning = '';
  let audio: JsonObject | undefined;
  let signature: Signature | undefined;
  for (const part of content) {
    switch (part.type) {
      case 'text':
        texts.push(part.text);
        signature = part.signature ?? signature;
        for (const citation of part.citations ?? []) {
          const note = annotation(citation);
          if (note) annotations.push(note);
        }
        break;
      case 'refusal':
        refusals.push(part.text);
        break;
      case 'tool-call':
        calls.push(wireCall(part));
        break;
      case 'reasoning':
        reasoning += part.text;
        details.push(reasoningDetail(part, details.length));
        break;
      case 'image': {
        const image = wireImage(part);
        if (image) images.push(image);
        break;
      }
      case 'audio':
        audio = wireAudio(part);
        break;
      case 'unknown':
        break;
    }
  }
  return {
    index,
    message: {
      role: 'assistant',
      content: texts.length === 0 ? null : texts.join(''),
      refusal: refusals.length === 0 ? null : refusals.join(''),
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
      ...(details.length === 0 ? {} : { reasoning_details: details }),
      ...(annotations.length === 0 ? {} : { annotations }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
      ...(images.length === 0 ? {} : { images }),
      ...(audio === undefined ? {} : { audio }),
      ...signatureExtras(signature),
    },
    logprobs: logprobs === undefined ? null : { content: logprobs, refusal: null },
    finish_reason: finishName(finish, refusals.length > 0),
  };
}
