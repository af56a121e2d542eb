import type { AssistantPart } from '../../src/core/chat/request.ts';
import type { ChatEvent, ChatResult } from '../../src/core/chat/result.ts';

/** A complete answer as the events of a stream, its texts cut into pieces of `size` UTF-16 units at most. */
export function eventsOf({ id, created, model, choices, usage }: ChatResult, size: number): ChatEvent[] {
  const events: ChatEvent[] = [
    {
      type: 'start',
      ...(id === undefined ? {} : { id }),
      ...(created === undefined ? {} : { created }),
      ...(model === undefined ? {} : { model }),
    },
  ];
  for (const { index: choice, content, finish } of choices) {
    for (const part of content) events.push(...partEvents(part, choice, size));
    events.push({ type: 'finish', choice, finish });
  }
  if (usage) events.push({ type: 'usage', usage });
  events.push({ type: 'end' });
  return events;
}

function partEvents(part: AssistantPart, choice: number, size: number): ChatEvent[] {
  const deltas = (text: string): ChatEvent[] =>
    cut(text, size).map((piece) => ({ type: 'delta', choice, text: piece }));
  const end: ChatEvent = { type: 'part-end', choice };
  switch (part.type) {
    case 'text':
      return [{ type: 'part-start', choice, part: { type: 'text' } }, ...deltas(part.text), end];
    case 'reasoning': {
      const signed: ChatEvent[] = part.signature
        ? [{ type: 'signature', choice, signature: part.signature }]
        : [];
      return [
        { type: 'part-start', choice, part: { type: 'reasoning' } },
        ...deltas(part.text),
        ...signed,
        end,
      ];
    }
    case 'tool-call': {
      const { id, name, arguments: text } = part;
      return [{ type: 'part-start', choice, part: { type: 'tool-call', id, name } }, ...deltas(text), end];
    }
    default:
      return [{ type: 'part-start', choice, part: { type: 'whole', part } }, end];
  }
}

/** Pieces of whole characters. */
function cut(text: string, size: number): string[] {
  const pieces: string[] = [];
  let piece = '';
  for (const character of text) {
    piece += character;
    if (piece.length < size) continue;
    pieces.push(piece);
    piece = '';
  }
  return piece === '' ? pieces : [...pieces, piece];
}

interface OpenPart {
  part: AssistantPart;
}

/** The answer that a stream's events tell. */
export function resultOf(events: readonly ChatEvent[]): ChatResult {
  const choices = new Map<
    number,
    { content: AssistantPart[]; finish: ChatResult['choices'][number]['finish'] }
  >();
  const open = new Map<number, OpenPart>();
  let result: Omit<ChatResult, 'choices'> = {};
  const choiceOf = (index: number) => {
    let choice = choices.get(index);
    if (!choice) {
      choice = { content: [], finish: { unified: 'other' } };
      choices.set(index, choice);
    }
    return choice;
  };
  for (const event of events) {
    switch (event.type) {
      case 'start': {
        const { type: _, ...about } = event;
        result = { ...result, ...about };
        break;
      }
      case 'part-start': {
        const { part } = event;
        if (part.type === 'whole') open.set(event.choice, { part: part.part });
        else if (part.type === 'tool-call') open.set(event.choice, { part: { ...part, arguments: '' } });
        else open.set(event.choice, { part: { ...part, text: '' } });
        break;
      }
      case 'delta': {
        const current = open.get(event.choice);
        if (!current) throw new Error('a delta without a part');
        if (current.part.type === 'tool-call') {
          current.part = { ...current.part, arguments: current.part.arguments + event.text };
        } else if ('text' in current.part) {
          current.part = { ...current.part, text: current.part.text + event.text };
        } else throw new Error(`a delta of ${current.part.type}`);
        break;
      }
      case 'signature': {
        const current = open.get(event.choice);
        if (current?.part.type === 'reasoning')
          current.part = { ...current.part, signature: event.signature };
        break;
      }
      case 'part-end': {
        const current = open.get(event.choice);
        if (current) choiceOf(event.choice).content.push(current.part);
        open.delete(event.choice);
        break;
      }
      case 'finish':
        choiceOf(event.choice).finish = event.finish;
        break;
      case 'usage':
        result = { ...result, usage: event.usage };
        break;
    }
  }
  return { ...result, choices: [...choices].map(([index, choice]) => ({ index, ...choice })) };
}
