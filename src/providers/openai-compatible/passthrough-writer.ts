import type { StreamObservation } from '../../core/inference.ts';
import { isRecord } from '../../core/json.ts';
import { editMembers, headThrough } from '../../core/json-edit.ts';
import { concatBytes } from '../../core/sse.ts';

const encoder = new TextEncoder();
const END_OF_BLOCK = encoder.encode('\n\n');
const DONE = encoder.encode('data: [DONE]\n\n');
const COMMA = 44;
const DATA_LENGTH = 'data: '.length;
const IDENTITY = ['id', 'object', 'created', 'model'];

/** One event of an upstream stream. */
export interface StreamChunk {
  /** The whole block as it came, without the empty line behind it. */
  readonly block: Uint8Array;
  /** The JSON text of the event's data. */
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

export interface PassthroughOptions {
  /** The name that the client used, written into every event's `model`. */
  readonly model: string;
  /** Used when the upstream gives no id. */
  readonly fallbackId: string;
  /**
   * - `as-is`: the gateway asked for nothing; what the upstream volunteers is handed on
   * - `strip`: the gateway asked for its own metering; the client must not see it
   * - `last`: the client asked; usage comes once, in an event of its own at the end
   */
  readonly usage: 'as-is' | 'strip' | 'last';
}

/**
 * Hands on OpenAI-format events byte for byte, but for what the client must see as one coherent answer:
 * the model as it named it, one id and one creation time throughout, and usage where OpenAI puts it.
 */
export class PassthroughWriter {
  #id: string | undefined;
  #object: unknown;
  #created: number | undefined;
  #knownHead: Uint8Array | undefined;
  #newHead: Uint8Array | undefined;
  /** The upstream's own usage event, kept for the end: it may say more than the counts. */
  #usageEvent: Pick<StreamChunk, 'text' | 'json'> | undefined;

  /** Events that came before the upstream had given its answer an id: Azure's results of content filters. */
  #early: StreamChunk[] = [];

  constructor(private readonly options: PassthroughOptions) {}

  chunk(chunk: StreamChunk): Uint8Array | undefined {
    if (this.#id === undefined && isAnonymous(chunk.json)) {
      this.#early.push(chunk);
      return undefined;
    }
    if (this.#early.length === 0) return this.#chunk(chunk);
    this.#learnIdentity(chunk.json);
    return joined([this.#takeEarly(), this.#chunk(chunk)]);
  }

  #takeEarly(): Uint8Array | undefined {
    const early = this.#early;
    this.#early = [];
    return joined(early.map((chunk) => this.#chunk(chunk)));
  }

  #chunk({ block, text, json }: StreamChunk): Uint8Array | undefined {
    const edits: Record<string, string | null> = {};
    const usageOnly = Array.isArray(json.choices) && json.choices.length === 0;
    if (this.options.usage === 'strip' && 'usage' in json) {
      if (json.usage === null) edits.usage = null;
      else if (usageOnly) return undefined;
    } else if (this.options.usage === 'last' && json.usage) {
      if (usageOnly) {
        this.#learnIdentity(json);
        this.#usageEvent = { text, json };
        return undefined;
      }
      edits.usage = 'null';
    }
    const choices = withDeltas(json.choices);
    if (choices) edits.choices = choices;
    for (const _ in edits) return this.#rewrite(text, json, edits);
    const head = this.#knownHead;
    const newHead = this.#newHead;
    if (head && newHead && hasPrefixAt(block, head, DATA_LENGTH)) {
      return join(newHead, block.subarray(DATA_LENGTH + head.length));
    }
    return this.#rewrite(text, json, edits);
  }

  comment(block: Uint8Array): Uint8Array {
    return concatBytes([block, END_OF_BLOCK]);
  }

  done(observed: StreamObservation): Uint8Array {
    return joined([this.#takeEarly(), this.#done(observed)]) ?? DONE;
  }

  #done(observed: StreamObservation): Uint8Array {
    if (this.options.usage !== 'last' || !observed.usage) return DONE;
    const { raw } = observed.usage;
    const own = this.#usageEvent;
    if (own) {
      const edits: Record<string, string> = own.json.usage === raw ? {} : { usage: JSON.stringify(raw) };
      return concatBytes([this.#rewrite(own.text, own.json, edits), DONE]);
    }
    const last = {
      id: this.#id ?? this.options.fallbackId,
      object: this.#object ?? 'chat.completion.chunk',
      created: this.#created ?? 0,
      model: this.options.model,
      choices: [],
      usage: raw,
    };
    return encoder.encode(`data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`);
  }

  #learnIdentity(json: Readonly<Record<string, unknown>>): void {
    if (this.#id === undefined && typeof json.id === 'string' && json.id !== '') this.#id = json.id;
    if (typeof json.created === 'number') this.#created ??= json.created;
    if (json.object !== '') this.#object ??= json.object;
  }

  #rewrite(
    text: string,
    json: Readonly<Record<string, unknown>>,
    edits: Record<string, string | null>,
  ): Uint8Array {
    this.#learnIdentity(json);
    const identity: Record<string, string> = {};
    if (json.model !== this.options.model) identity.model = JSON.stringify(this.options.model);
    // Once given, the fallback stays: some upstreams name their answer only from the second event on.
    this.#id ??= this.options.fallbackId;
    const id = this.#id;
    if (json.id !== id) identity.id = JSON.stringify(id);
    if (this.#created !== undefined && json.created !== this.#created)
      identity.created = String(this.#created);
    if (json.object === '') identity.object = JSON.stringify(this.#object ?? 'chat.completion.chunk');
    this.#learnHead(text, identity);
    const edited = editMembers(text, { ...identity, ...edits });
    // Line feeds stand between members where the upstream sent several lines of data; each line needs its name again.
    const data = edited.includes('\n') ? edited.replaceAll('\n', '\ndata: ') : edited;
    return encoder.encode(`data: ${data}\n\n`);
  }

  /** Remembers the text that opens every event, and what it becomes, so that later events need no search. */
  #learnHead(text: string, identity: Readonly<Record<string, string>>): void {
    if (this.#knownHead || this.#created === undefined) return;
    const head = headThrough(text, IDENTITY);
    if (head === undefined) return;
    this.#knownHead = encoder.encode(head);
    this.#newHead = encoder.encode(`data: ${editMembers(`${head}}`, identity).slice(0, -1)}`);
  }
}

function isAnonymous(json: Readonly<Record<string, unknown>>): boolean {
  return json.id === '' && !json.usage && Array.isArray(json.choices) && json.choices.length === 0;
}

/** The choices with a delta in each, where one lacks it (clients read it unasked); legacy completions have none. */
function withDeltas(choices: unknown): string | undefined {
  if (!Array.isArray(choices)) return undefined;
  const lacks = (choice: unknown) =>
    isRecord(choice) &&
    choice.index !== undefined &&
    !isRecord(choice.delta) &&
    choice.text === undefined &&
    choice.message === undefined;
  if (!choices.some(lacks)) return undefined;
  return JSON.stringify(choices.map((choice) => (lacks(choice) ? { ...choice, delta: {} } : choice)));
}

function joined(parts: readonly (Uint8Array | undefined)[]): Uint8Array | undefined {
  const there = parts.filter((part) => part !== undefined);
  return there.length === 0 ? undefined : concatBytes(there);
}

function hasPrefixAt(block: Uint8Array, prefix: Uint8Array, offset: number): boolean {
  if (block.length < offset + prefix.length) return false;
  for (let at = 0; at < prefix.length; at += 1) if (block[offset + at] !== prefix[at]) return false;
  // The prefix may end in a number: only a comma behind it shows that the number ends there too.
  return block[offset + prefix.length] === COMMA;
}

function join(head: Uint8Array, rest: Uint8Array): Uint8Array {
  const out = new Uint8Array(head.length + rest.length + 2);
  out.set(head);
  out.set(rest, head.length);
  out[out.length - 2] = 10;
  out[out.length - 1] = 10;
  return out;
}
