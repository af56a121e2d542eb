import type { ChatRequest, Message, UserPart } from '../core/chat/request.ts';

/** Tokens of a message besides its text: role and separators. */
const PER_MESSAGE = 4;
const PER_REQUEST = 3;
/** Vendors count images by their pixels, which Weir does not decode: a medium-sized image. */
const PER_IMAGE = 800;
const PER_LOW_DETAIL_IMAGE = 85;
/** A few pages, or some seconds of audio. */
const PER_FILE = 1_500;

/** The parts of a conversation that use tokens. */
export interface Countable {
  /** Text that every provider passes to the model unchanged. */
  readonly words: readonly string[];
  /** Tools, schemas and earlier reasoning, which providers render in their own way. */
  readonly rest: readonly string[];
  /** Tokens of everything else, by rule. */
  readonly fixed: number;
}

/** @returns the texts to count, and the tokens of messages, images and files by rule */
export function countable(request: ChatRequest): Countable {
  const counted = { words: [] as string[], rest: [] as string[], fixed: PER_REQUEST };
  for (const message of request.messages) {
    counted.fixed += PER_MESSAGE;
    addMessage(message, counted);
  }
  for (const tool of request.tools ?? []) {
    counted.fixed += PER_MESSAGE;
    counted.rest.push(JSON.stringify(tool));
  }
  if (request.responseFormat?.type === 'json-schema') {
    counted.rest.push(JSON.stringify(request.responseFormat.schema));
  }
  return counted;
}

interface Counted {
  readonly words: string[];
  readonly rest: string[];
  fixed: number;
}

function addMessage(message: Message, counted: Counted): void {
  for (const part of message.content) {
    switch (part.type) {
      case 'text':
        counted.words.push(part.text);
        break;
      case 'reasoning':
      case 'refusal':
        counted.rest.push(part.text);
        break;
      case 'tool-call':
        counted.fixed += PER_MESSAGE;
        counted.rest.push(part.name, part.arguments);
        break;
      case 'tool-result':
        counted.fixed += PER_MESSAGE;
        for (const inner of part.content) {
          if (inner.type === 'text') counted.words.push(inner.text);
          else addMedia(inner, counted);
        }
        break;
      default:
        addMedia(part, counted);
    }
  }
}

function addMedia(part: Exclude<UserPart, { type: 'text' }>, counted: Counted): void {
  if (part.type === 'image') counted.fixed += part.detail === 'low' ? PER_LOW_DETAIL_IMAGE : PER_IMAGE;
  else if (part.type === 'unknown') counted.rest.push(JSON.stringify(part.value));
  else if (part.source.kind === 'text') counted.rest.push(part.source.text);
  else counted.fixed += PER_FILE;
}
