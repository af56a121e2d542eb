import type { GatewayError } from '../../core/errors.ts';
import type { ChunkWriter, StreamChunk, StreamObservation } from '../../core/inference.ts';
import { isRecord } from '../../core/json.ts';
import { openAiErrorBody } from '../../http/error-body.ts';

const encoder = new TextEncoder();

/** The text of a chat completion's first choice; what a prompt in, text out client is after. */
export function answerText(json: Readonly<Record<string, unknown>>): string {
  const message = firstChoice(json)?.message;
  return isRecord(message) && typeof message.content === 'string' ? message.content : '';
}

function firstChoice(json: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
  const choice: unknown = Array.isArray(json.choices) ? json.choices[0] : undefined;
  return isRecord(choice) ? choice : undefined;
}

export function plainUsage(observed: Pick<StreamObservation, 'usage'>): Record<string, number> | null {
  const { usage } = observed;
  if (!usage) return null;
  return {
    ...(usage.inputTokens === undefined ? {} : { input_tokens: usage.inputTokens }),
    ...(usage.outputTokens === undefined ? {} : { output_tokens: usage.outputTokens }),
  };
}

/** Writes chat events as plain text events: `{"text"}` and `{"reasoning"}`, then one `done` event. */
export class TextWriter implements ChunkWriter {
  chunk({ json }: StreamChunk): Uint8Array | undefined {
    const delta = firstChoice(json)?.delta;
    if (!isRecord(delta)) return undefined;
    const reasoning = delta.reasoning_content ?? delta.reasoning;
    let out = '';
    if (typeof reasoning === 'string' && reasoning !== '') {
      out += `event: reasoning\ndata: ${JSON.stringify({ reasoning })}\n\n`;
    }
    if (typeof delta.content === 'string' && delta.content !== '') {
      out += `data: ${JSON.stringify({ text: delta.content })}\n\n`;
    }
    return out === '' ? undefined : encoder.encode(out);
  }

  comment(): undefined {
    return undefined;
  }

  done(observed: StreamObservation): Uint8Array {
    const data = { finish_reason: observed.finishReason ?? null, usage: plainUsage(observed) };
    return encoder.encode(`event: done\ndata: ${JSON.stringify(data)}\n\n`);
  }
}

export function textErrorEvent(error: GatewayError): Uint8Array {
  return encoder.encode(`event: error\ndata: ${openAiErrorBody(error)}\n\n`);
}
