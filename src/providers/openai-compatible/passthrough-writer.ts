import type { OutputBytes } from '../../core/bytes.ts';
import { asString } from '../../core/json.ts';
import { editMembers, headThrough } from '../../core/json-edit.ts';
import { formatEvent } from '../../core/sse.ts';
import type { StreamObservation } from '../../core/stream/observation.ts';
import { ChoiceNormaliser } from './choice-normaliser.ts';

const DONE = 'data: [DONE]\n\n';
const COMMA = 44;
/** UTF-16 units of events that are held back until the id of the response is known. */
const MAX_EARLY = 64 * 1024;
const IDENTITY = ['id', 'object', 'created', 'model'];

/** One event of an upstream stream. */
export interface StreamChunk {
  /** The block as it arrived, with its empty line. */
  readonly block: Uint8Array;
  /** The block is one line: `data: ` and the text. */
  readonly isOneLine: boolean;
  /** The JSON text of the event's data. */
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

/** Values that the writer enforces in a stream. */
export interface PassthroughOptions {
  /** The model's name as the client sent it; each event's `model` gets it. */
  readonly model: string;
  /** Id of a response without one from the upstream. */
  readonly fallbackId: string;
  /**
   * - `as-is`: the gateway requested no usage; usage that the upstream sends anyway is forwarded
   * - `strip`: the gateway requested usage for metering; the client does not receive it
   * - `last`: the client requested usage; it is sent once, in a separate event at the end
   */
  readonly usage: 'as-is' | 'strip' | 'last';
}

/**
 * Forwards events in OpenAI's format byte for byte, except for changes that make them one coherent response: the model's
 * name as the client sent it, one id and one creation time, choices that official SDKs can read, and usage at the position
 * where OpenAI sends it.
 */
export class PassthroughWriter {
  #id: string | undefined;
  #object: unknown;
  #created: number | undefined;
  /** The text that opens each event of this stream, through the last member that may change. */
  #knownHead: string | undefined;
  #newHead: string | undefined;
  /** The upstream's usage event, which is sent at the end: it may contain more than the counts. */
  #usageEvent: Pick<StreamChunk, 'text' | 'json'> | undefined;

  readonly #choices = new ChoiceNormaliser();

  /** Events before the first one with an id: Azure's results of content filters. */
  #early: StreamChunk[] = [];
  #earlyLength = 0;

  constructor(private readonly options: PassthroughOptions) {}

  chunk(chunk: StreamChunk, out: OutputBytes): void {
    if (this.#id === undefined && this.#earlyLength < MAX_EARLY && isAnonymous(chunk.json)) {
      this.#early.push(chunk);
      this.#earlyLength += chunk.text.length;
      return;
    }
    if (this.#early.length > 0) {
      this.#noteIdentity(chunk.json);
      this.#sendEarly(out);
    }
    this.#chunk(chunk, out);
  }

  #sendEarly(out: OutputBytes): void {
    const early = this.#early;
    this.#early = [];
    for (const chunk of early) this.#chunk(chunk, out);
  }

  #chunk({ block, isOneLine, text, json }: StreamChunk, out: OutputBytes): void {
    const edits: Record<string, string | null> = {};
    const usageOnly = Array.isArray(json.choices) && json.choices.length === 0;
    if (this.options.usage === 'strip' && 'usage' in json) {
      if (json.usage === null) edits.usage = null;
      else if (usageOnly) {
        if (!hasFurtherMembers(json)) return;
        edits.usage = null;
        // A client that asked for no usage may expect a choice in every event.
        edits.choices = JSON.stringify([emptyChoice(json)]);
      }
    } else if (this.options.usage === 'last' && json.usage) {
      if (usageOnly) {
        this.#noteIdentity(json);
        this.#usageEvent = { text, json };
        return;
      }
      edits.usage = 'null';
    }
    const choices = this.#choices.deltas(json.choices, this.#id ?? asString(json.id));
    if (choices) edits.choices = JSON.stringify(choices);
    for (const _ in edits) {
      out.add(this.#rewrite(text, json, edits));
      return;
    }
    const head = this.#knownHead;
    const newHead = this.#newHead;
    if (head === undefined || newHead === undefined || !isOneLine || !opensWith(text, head)) {
      out.add(this.#rewrite(text, json, edits));
    } else if (head === newHead) out.add(block);
    else out.add(`data: ${newHead}${text.slice(head.length)}\n\n`);
  }

  /** Whether a choice has no finish reason yet. */
  get hasUnfinished(): boolean {
    return this.#choices.unfinished() !== undefined;
  }

  comment(block: Uint8Array, out: OutputBytes): void {
    out.add(block);
  }

  /** Ends the stream: with a finish reason for each choice without one, usage where it belongs here, and `[DONE]`. */
  done(observed: StreamObservation, out: OutputBytes): void {
    this.#sendEarly(out);
    const choices = this.#choices.unfinished();
    if (choices) out.add(this.#closing({ choices }));
    const usage = this.#lastUsage(observed);
    if (usage) out.add(usage);
    out.add(DONE);
  }

  #lastUsage(observed: StreamObservation): string | undefined {
    if (this.options.usage !== 'last' || !observed.usage) return undefined;
    const { raw } = observed.usage;
    const own = this.#usageEvent;
    if (own) {
      const edits: Record<string, string> = own.json.usage === raw ? {} : { usage: JSON.stringify(raw) };
      return this.#rewrite(own.text, own.json, edits);
    }
    return this.#closing({ choices: [], usage: raw });
  }

  #closing(members: Readonly<Record<string, unknown>>): string {
    const event = {
      id: this.#id ?? this.options.fallbackId,
      object: this.#object ?? 'chat.completion.chunk',
      created: this.#created ?? 0,
      model: this.options.model,
      ...members,
    };
    return formatEvent(undefined, JSON.stringify(event));
  }

  #noteIdentity(json: Readonly<Record<string, unknown>>): void {
    if (this.#id === undefined && typeof json.id === 'string' && json.id !== '') this.#id = json.id;
    if (typeof json.created === 'number') this.#created ??= json.created;
    if (json.object !== '') this.#object ??= json.object;
  }

  #rewrite(
    text: string,
    json: Readonly<Record<string, unknown>>,
    edits: Record<string, string | null>,
  ): string {
    this.#noteIdentity(json);
    const identity: Record<string, string> = {};
    if (json.model !== this.options.model) identity.model = JSON.stringify(this.options.model);
    // The fallback stays, because some upstreams send an id from the second event only.
    this.#id ??= this.options.fallbackId;
    const id = this.#id;
    if (json.id !== id) identity.id = JSON.stringify(id);
    if (this.#created !== undefined && json.created !== this.#created)
      identity.created = String(this.#created);
    if (json.object === '') identity.object = JSON.stringify(this.#object ?? 'chat.completion.chunk');
    const isSettled = this.#created !== undefined && (this.#object !== undefined || json.object !== '');
    if (!this.#knownHead && isSettled) this.#keepHead(text, identity);
    return formatEvent(undefined, editMembers(text, { ...identity, ...edits }));
  }

  /** Keeps the text that opens each event and its replacement, so that later events need no search. */
  #keepHead(text: string, identity: Readonly<Record<string, string>>): void {
    const head = headThrough(text, IDENTITY);
    if (head === undefined) return;
    this.#knownHead = head;
    this.#newHead = editMembers(`${head}}`, identity).slice(0, -1);
  }
}

/** The members of a usage event that every vendor sends. */
const USUAL_MEMBERS = new Set([
  ...['id', 'object', 'created', 'model', 'choices', 'usage', 'system_fingerprint', 'service_tier'],
  ...['obfuscation', 'provider'],
]);

/** Whether a usage event has more than usage: llama.cpp adds its `timings`. */
function hasFurtherMembers(json: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(json).some(([name, value]) => !USUAL_MEMBERS.has(name) && value != null);
}

function emptyChoice({ object }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const content = object === 'text_completion' ? { text: '', logprobs: null } : { delta: {} };
  return { index: 0, ...content, finish_reason: null };
}

function isAnonymous(json: Readonly<Record<string, unknown>>): boolean {
  return json.id === '' && !json.usage && Array.isArray(json.choices) && json.choices.length === 0;
}

/** Whether these members open the text. The last one may be a number, which ends only if a comma follows. */
function opensWith(text: string, head: string): boolean {
  return text.charCodeAt(head.length) === COMMA && text.startsWith(head);
}
