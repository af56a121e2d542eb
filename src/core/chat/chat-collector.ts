import type { Usage } from '../usage.ts';
import type { AssistantPart, Citation, Signature } from './request.ts';
import type {
  ChatChoice,
  ChatEvent,
  ChatResult,
  FinishReason,
  StreamedPart,
  TokenLogprobs,
} from './result.ts';

type OpenedPart = Exclude<StreamedPart, { readonly type: 'whole' }>;

/** A part that is still growing. */
interface OpenPart {
  readonly part: OpenedPart;
  readonly texts: string[];
  readonly citations: Citation[];
  signature: Signature | undefined;
}

interface OpenChoice {
  readonly content: AssistantPart[];
  readonly logprobs: Readonly<Record<string, unknown>>[];
  open: OpenPart | undefined;
  finish: FinishReason | undefined;
}

/** Makes a complete response of the events of a stream. */
export class ChatCollector {
  readonly #choices = new Map<number, OpenChoice>();
  #about: Pick<ChatResult, 'id' | 'created' | 'model'> = {};
  #usage: Usage | undefined;
  /** The response is complete. */
  isComplete = false;

  /** Adds one event; they follow the rules of `ChatEvent`. */
  add(event: ChatEvent): void {
    switch (event.type) {
      case 'start': {
        const { type: _, ...about } = event;
        this.#about = about;
        break;
      }
      case 'part-start':
        this.#begin(this.#choice(event.choice), event.part);
        break;
      case 'delta': {
        const choice = this.#choice(event.choice);
        choice.open?.texts.push(event.text);
        if (event.logprobs) choice.logprobs.push(...event.logprobs);
        break;
      }
      case 'signature': {
        const { open } = this.#choice(event.choice);
        if (open) open.signature = event.signature;
        break;
      }
      case 'citation':
        this.#choice(event.choice).open?.citations.push(event.citation);
        break;
      case 'part-end':
        close(this.#choice(event.choice));
        break;
      case 'finish':
        this.#choice(event.choice).finish = event.finish;
        break;
      case 'usage':
        this.#usage = event.usage;
        break;
      case 'end':
        this.isComplete = true;
        break;
      case 'ping':
        break;
    }
  }

  /** @returns what was collected; a choice without a finish reason ended for an unknown one */
  result(): ChatResult {
    const choices = [...this.#choices]
      .sort(([one], [other]) => one - other)
      .map(([index, choice]): ChatChoice => {
        close(choice);
        const { content, logprobs, finish = { unified: 'other' } } = choice;
        return { index, content, finish, ...(logprobs.length === 0 ? {} : { logprobs }) };
      });
    return { ...this.#about, choices, ...(this.#usage === undefined ? {} : { usage: this.#usage }) };
  }

  #choice(index: number): OpenChoice {
    const known = this.#choices.get(index);
    if (known) return known;
    const choice: OpenChoice = { content: [], logprobs: [], open: undefined, finish: undefined };
    this.#choices.set(index, choice);
    return choice;
  }

  #begin(choice: OpenChoice, part: StreamedPart): void {
    close(choice);
    if (part.type === 'whole') choice.content.push(part.part);
    else choice.open = { part, texts: [], citations: [], signature: undefined };
  }
}

function close(choice: OpenChoice): void {
  const { open } = choice;
  if (!open) return;
  choice.open = undefined;
  choice.content.push(partOf(open));
}

function partOf({ part, texts, citations, signature }: OpenPart): AssistantPart {
  const text = texts.join('');
  const signed = signature === undefined ? {} : { signature };
  switch (part.type) {
    case 'text':
      return { type: 'text', text, ...(citations.length === 0 ? {} : { citations }), ...signed };
    case 'reasoning':
      return { ...part, text, ...signed };
    case 'refusal':
      return { type: 'refusal', text };
    case 'tool-call':
      return { ...part, arguments: text, ...signed };
  }
}

/**
 * Lists the events of a complete response, as if it had been streamed.
 * @returns events that follow the rules of `ChatEvent`
 */
export function* eventsOf(result: ChatResult): Generator<ChatEvent, void> {
  const { id, created, model, choices, usage } = result;
  yield {
    type: 'start',
    ...(id === undefined ? {} : { id }),
    ...(created === undefined ? {} : { created }),
    ...(model === undefined ? {} : { model }),
  };
  for (const { index: choice, content, finish, logprobs } of choices) {
    let unsent = logprobs;
    for (const part of content) {
      yield* eventsOfPart(part, choice, part.type === 'text' ? unsent : undefined);
      if (part.type === 'text') unsent = undefined;
    }
    yield { type: 'finish', choice, finish };
  }
  if (usage !== undefined) yield { type: 'usage', usage };
  yield { type: 'end' };
}

function* eventsOfPart(
  part: AssistantPart,
  choice: number,
  logprobs: TokenLogprobs | undefined,
): Generator<ChatEvent, void> {
  const opened = openedPart(part);
  yield { type: 'part-start', choice, part: opened ?? { type: 'whole', part } };
  if (opened) {
    const text = part.type === 'tool-call' ? part.arguments : 'text' in part ? part.text : '';
    if (text !== '') yield { type: 'delta', choice, text, ...(logprobs ? { logprobs } : {}) };
    if (part.type === 'text') {
      for (const citation of part.citations ?? []) yield { type: 'citation', choice, citation };
    }
    if ((part.type === 'text' || part.type === 'reasoning') && part.signature !== undefined) {
      yield { type: 'signature', choice, signature: part.signature };
    }
  }
  yield { type: 'part-end', choice };
}

/** @returns undefined for parts that are sent whole */
function openedPart(part: AssistantPart): OpenedPart | undefined {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return { type: part.type };
    case 'reasoning':
      if (part.redacted !== undefined) return undefined;
      return {
        type: 'reasoning',
        ...(part.id === undefined ? {} : { id: part.id }),
        ...(part.summary === undefined ? {} : { summary: part.summary }),
      };
    case 'tool-call':
      return {
        type: 'tool-call',
        id: part.id,
        name: part.name,
        ...(part.kind === undefined ? {} : { kind: part.kind }),
        ...(part.signature === undefined ? {} : { signature: part.signature }),
      };
    default:
      return undefined;
  }
}
