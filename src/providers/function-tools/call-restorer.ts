import type { AssistantPart } from '../../core/chat/request.ts';
import type { ChatEvent, ChatEventReader, ChatResult, EmitChatEvent } from '../../core/chat/result.ts';
import type { FunctionTools, OriginalTool } from './function-names.ts';
import { InputTextReader, inputText } from './input-text.ts';

type Originals = FunctionTools['originals'];

function renamed({ name, namespace, custom }: OriginalTool) {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(custom ? { kind: 'custom' as const } : {}),
  };
}

/** Names the calls of a complete response as the client named its tools. */
export function withOriginalCalls(result: ChatResult, originals: Originals): ChatResult {
  const restore = (part: AssistantPart): AssistantPart => {
    const original = part.type === 'tool-call' ? originals.get(part.name) : undefined;
    if (part.type !== 'tool-call' || original === undefined) return part;
    const text = original.custom ? inputText(part.arguments) : part.arguments;
    return { ...part, ...renamed(original), arguments: text };
  };
  return {
    ...result,
    choices: result.choices.map((choice) => ({ ...choice, content: choice.content.map(restore) })),
  };
}

/** Does the same in a stream. */
export class OriginalCallReader implements ChatEventReader {
  /** The argument of the open call of a free-text tool, by choice. */
  readonly #inputs = new Map<number, InputTextReader>();

  constructor(
    private readonly reader: ChatEventReader,
    private readonly originals: Originals,
  ) {}

  push(bytes: Uint8Array, emit: EmitChatEvent): void {
    this.reader.push(bytes, (event) => this.#event(event, emit));
  }

  end(emit: EmitChatEvent): void {
    this.reader.end((event) => this.#event(event, emit));
  }

  #event(event: ChatEvent, emit: EmitChatEvent): void {
    switch (event.type) {
      case 'part-start': {
        const { part, choice } = event;
        const original = part.type === 'tool-call' ? this.originals.get(part.name) : undefined;
        if (part.type !== 'tool-call' || original === undefined) break;
        if (original.custom) this.#inputs.set(choice, new InputTextReader());
        emit({ type: 'part-start', choice, part: { ...part, ...renamed(original) } });
        return;
      }
      case 'delta': {
        const input = this.#inputs.get(event.choice);
        if (!input) break;
        this.#emitText(event.choice, input.push(event.text), emit);
        return;
      }
      case 'part-end': {
        const input = this.#inputs.get(event.choice);
        if (!input) break;
        this.#inputs.delete(event.choice);
        this.#emitText(event.choice, input.end(), emit);
        break;
      }
    }
    emit(event);
  }

  #emitText(choice: number, text: string, emit: EmitChatEvent): void {
    if (text !== '') emit({ type: 'delta', choice, text });
  }
}
