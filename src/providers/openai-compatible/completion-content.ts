import { encodeUtf8 } from '../../core/bytes.ts';
import type { ChatResult, EmitChatEvent } from '../../core/chat/result.ts';
import { asString, isRecord, type JsonObject } from '../../core/json.ts';
import { decodeJson } from '../decode.ts';
import type { PassthroughFormat } from '../format.ts';
import { ChatChunkReader } from './chat-reader.ts';
import { parseChatCompletion } from './chat-response.ts';

/** Reads the texts of legacy completions as those of chat completions, for interceptors that need the content. */
export const completionContent: NonNullable<PassthroughFormat['content']> = {
  parse(response, target): ChatResult {
    const { json } = decodeJson(response, target.provider);
    const body = encodeUtf8(JSON.stringify(asChat(json, 'message')));
    return parseChatCompletion({ ...response, body }, target);
  },
  reader: (target) => new CompletionChunkReader(target.provider),
};

class CompletionChunkReader extends ChatChunkReader {
  protected override event(json: JsonObject, name: string | undefined, emit: EmitChatEvent): void {
    super.event(asChat(json, 'delta'), name, emit);
  }
}

/** @param member that holds the text in the chat format: `message`, or `delta` in streams */
function asChat(json: JsonObject, member: 'message' | 'delta'): JsonObject {
  if (!Array.isArray(json.choices)) return json;
  return { ...json, choices: json.choices.map((choice: unknown) => chatChoice(choice, member)) };
}

function chatChoice(choice: unknown, member: 'message' | 'delta'): unknown {
  if (!isRecord(choice)) return choice;
  // Log probabilities have another form here, and no reader.
  const { text, logprobs: _, ...rest } = choice;
  return { ...rest, [member]: { role: 'assistant', content: asString(text) ?? '' } };
}
