import type { AssistantMessage, ChatRequest, Message, UserPart } from '../../core/chat/request.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { argumentsObject } from '../tool-arguments.ts';

/** Converts the conversation to Ollama's form: text with a list of images, and each tool result as a separate message. */
export function ollamaMessages(request: ChatRequest, warn: Warn): JsonObject[] {
  const called = new Map<string, string>();
  return request.messages.flatMap((message, index) => convert(message, `messages[${index}]`, called, warn));
}

/** @param called tool names of the calls so far, by call id */
function convert(message: Message, path: string, called: Map<string, string>, warn: Warn): JsonObject[] {
  switch (message.role) {
    case 'system':
    case 'developer':
      return [{ role: 'system', ...content(message.content, path, warn) }];
    case 'user':
      return [{ role: 'user', ...content(message.content, path, warn) }];
    case 'assistant':
      return [assistant(message, path, called, warn)];
    case 'tool':
      return message.content.map(({ callId, content: parts, isError }, index) => {
        const { content: text, ...media } = content(parts, `${path}.content[${index}]`, warn);
        return {
          role: 'tool',
          tool_name: called.get(callId) ?? callId,
          tool_call_id: callId,
          // The format has no flag for failed results; the model reads it in the content.
          content: isError ? `Error: ${text}` : text,
          ...media,
        };
      });
  }
}

interface Content {
  readonly content: string;
  /** Base64. */
  readonly images?: readonly string[];
}

function content(parts: readonly UserPart[], path: string, warn: Warn): Content {
  const texts: string[] = [];
  const images: string[] = [];
  for (const [index, part] of parts.entries()) {
    if (part.type === 'text') texts.push(part.text);
    else if (part.type === 'image' && part.source.kind === 'base64') images.push(part.source.data);
    else if (part.type === 'file' && part.source.kind === 'text') {
      const head = [part.title ?? part.filename, part.context]
        .filter((line) => line !== undefined)
        .join('\n');
      texts.push(head === '' ? part.source.text : `${head}\n\n${part.source.text}`);
      if (part.citations) {
        const message = 'Ollama does not support citations of a document.';
        warn({ kind: 'unsupported', param: `${path}.content[${index}]`, message });
      }
    } else {
      const message = `Ollama does not support content of type "${part.type}".`;
      warn({ kind: 'unsupported', param: `${path}.content[${index}]`, message });
    }
  }
  return { content: texts.join('\n\n'), ...(images.length === 0 ? {} : { images }) };
}

function assistant(
  message: AssistantMessage,
  path: string,
  called: Map<string, string>,
  warn: Warn,
): JsonObject {
  let text = '';
  let thinking = '';
  const calls: JsonObject[] = [];
  for (const [index, part] of message.content.entries()) {
    switch (part.type) {
      case 'text':
      case 'refusal':
        text += part.text;
        break;
      case 'reasoning':
        thinking += part.text;
        if (part.redacted) {
          const message = 'Ollama does not support encrypted reasoning in the history; it was omitted.';
          warn({ kind: 'unsupported', param: `${path}.content[${index}]`, message });
        }
        break;
      case 'tool-call': {
        called.set(part.id, part.name);
        const args = argumentsObject(part.arguments, `${path}.tool_calls`);
        calls.push({ id: part.id, function: { name: part.name, arguments: args } });
        break;
      }
      default: {
        const what = `Ollama does not support content of type "${part.type}" in an assistant message.`;
        warn({ kind: 'unsupported', param: `${path}.content[${index}]`, message: what });
      }
    }
  }
  return {
    role: 'assistant',
    content: text,
    ...(thinking === '' ? {} : { thinking }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}
