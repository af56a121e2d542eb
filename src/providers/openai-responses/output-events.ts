import type { Origin } from '../../core/chat/request.ts';
import type { EmitChatEvent, StreamedPart } from '../../core/chat/result.ts';
import { GatewayError } from '../../core/errors.ts';
import { asCount, asString, isRecord, type JsonObject, records } from '../../core/json.ts';
import { citationOf, encryptedOf, isToolCall, logprobsOf, toolCallOf } from './output.ts';
import { PartQueue } from './part-queue.ts';

/** Output items of one response. */
const MAX_ITEMS = 10_000;

/** Members with the text of a part, by the part's type. */
const TEXT_MEMBER: Readonly<Record<string, string>> = {
  output_text: 'text',
  refusal: 'refusal',
  reasoning_text: 'text',
  summary_text: 'text',
};

/** State of one output item. */
interface OpenItem {
  /** Keys of its open parts. */
  readonly keys: string[];
  /** Indices of its parts so far, in the order in which they began. */
  readonly indices: { readonly content: number[]; readonly summary: number[] };
  /** Its encrypted reasoning follows with its last event. */
  readonly encrypted: boolean;
  readonly id: string | undefined;
}

/**
 * Converts the events of output items to parts. Servers send deltas, `done` events, or complete items only. The first of
 * them counts, and repetitions are ignored.
 */
export class OutputEvents {
  hasToolCalls = false;
  readonly #parts = new PartQueue(0);
  readonly #items = new Map<string, OpenItem>();
  /** Keys of the items by their ids; the first item of an id counts. */
  readonly #keys = new Map<string, string>();
  readonly #done = new Set<string>();

  constructor(
    private readonly origin: Origin,
    private readonly emit: EmitChatEvent,
  ) {}

  /** @param type the event's name without `response.` */
  event(type: string, json: JsonObject): void {
    switch (type) {
      case 'output_item.added':
        this.#itemAdded(itemKey(json), isRecord(json.item) ? json.item : {});
        return;
      case 'output_item.done':
        if (isRecord(json.item)) this.#itemDone(itemKey(json), json.item);
        return;
      case 'content_part.added':
      case 'content_part.done':
        if (isRecord(json.part)) this.#part(json, 'content', asString(json.part.type), json.part, type);
        return;
      case 'reasoning_summary_part.added':
      case 'reasoning_summary_part.done':
        if (isRecord(json.part)) this.#part(json, 'summary', 'summary_text', json.part, type);
        return;
      case 'output_text.delta':
      case 'output_text.done':
        this.#part(json, 'content', 'output_text', json, type);
        return;
      case 'refusal.delta':
      case 'refusal.done':
        this.#part(json, 'content', 'refusal', json, type);
        return;
      case 'reasoning_text.delta':
      case 'reasoning_text.done':
        this.#part(json, 'content', 'reasoning_text', json, type);
        return;
      case 'reasoning_summary_text.delta':
      case 'reasoning_summary_text.done':
        this.#part(json, 'summary', 'summary_text', json, type);
        return;
      case 'output_text.annotation.added':
        if (isRecord(json.annotation)) this.#annotation(json, json.annotation);
        return;
      case 'function_call_arguments.delta':
      case 'custom_tool_call_input.delta':
        this.#parts.delta(itemKey(json), asString(json.delta) ?? '', this.emit);
        return;
    }
  }

  /** The whole response: emits what no event contained, and ends every part. */
  complete(response: JsonObject): void {
    records(response.output).forEach((item, index) => {
      this.#itemDone(this.#keyOf(item) ?? String(index), item);
    });
    this.#parts.closeAll(this.emit);
  }

  /** The key of an item in earlier events, where its index may have been different. */
  #keyOf(item: JsonObject): string | undefined {
    const id = asString(item.id);
    return id ? this.#keys.get(id) : undefined;
  }

  #itemAdded(key: string, item: JsonObject): OpenItem {
    const known = this.#items.get(key);
    if (known) return known;
    if (this.#items.size === MAX_ITEMS) {
      throw new GatewayError('upstream_invalid_response', `The upstream sent more than ${MAX_ITEMS} items.`);
    }
    const open = {
      keys: [],
      indices: { content: [], summary: [] },
      encrypted: encryptedOf(item, this.origin) !== undefined,
      id: asString(item.id),
    };
    this.#items.set(key, open);
    if (open.id && !this.#keys.has(open.id)) this.#keys.set(open.id, key);
    // A call cannot begin without its name; the complete item contains it.
    if (isToolCall(item) && asString(item.name)) this.#openCall(key, item);
    return open;
  }

  #openCall(key: string, item: JsonObject): void {
    const { arguments: _, ...call } = toolCallOf(item);
    this.hasToolCalls = true;
    this.#parts.open(key, call, this.emit);
  }

  /** Reads an event of a content or summary part: its start, a delta, or the complete part. */
  #part(
    event: JsonObject,
    list: 'content' | 'summary',
    kind: string | undefined,
    json: JsonObject,
    type: string,
  ): void {
    const item = this.#itemAdded(itemKey(event), { id: event.item_id });
    const index = asCount(list === 'content' ? event.content_index : event.summary_index) ?? 0;
    const key = `${itemKey(event)}/${list}/${index}`;
    if (this.#done.has(itemKey(event))) return;
    if (kind === undefined || !Object.hasOwn(TEXT_MEMBER, kind)) return;
    if (!this.#parts.has(key)) item.indices[list].push(index);
    this.#openPart(item, key, streamedPart(kind, item.id));
    const delta = type.endsWith('.delta');
    if (delta) this.#parts.delta(key, asString(json.delta) ?? '', this.emit, logprobsOf(json.logprobs));
    else this.#fill(key, kind, json);
  }

  #openPart(item: OpenItem, key: string, part: StreamedPart): void {
    if (this.#parts.has(key)) return;
    for (const previous of item.keys) {
      if (item.encrypted) this.#parts.signature(previous, { origin: this.origin, value: '' }, this.emit);
      this.#parts.close(previous, this.emit);
    }
    item.keys.length = 0;
    item.keys.push(key);
    this.#parts.open(key, part, this.emit);
  }

  /** Emits a complete part, unless a part of it was emitted before. */
  #fill(key: string, kind: string, json: JsonObject): void {
    if (!this.#parts.hasTextAt(key)) {
      const text = asString(json[TEXT_MEMBER[kind] ?? 'text']) ?? '';
      this.#parts.delta(key, text, this.emit, logprobsOf(json.logprobs));
    }
    for (const annotation of records(json.annotations).slice(this.#parts.citations(key))) {
      this.#parts.citation(key, citationOf(annotation), this.emit);
    }
  }

  #annotation(event: JsonObject, annotation: JsonObject): void {
    const key = `${itemKey(event)}/content/${asCount(event.content_index) ?? 0}`;
    this.#parts.citation(key, citationOf(annotation), this.emit);
  }

  #itemDone(key: string, item: JsonObject): void {
    if (this.#done.has(key)) return;
    const open = this.#itemAdded(key, item);
    if (isToolCall(item)) this.#callDone(key, item);
    else if (item.type === 'message') this.#contentDone(key, open, item);
    else if (item.type === 'reasoning') this.#reasoningDone(key, open, item);
    else this.#whole(key, { type: 'unknown', dialect: 'openai-responses', value: item });
    for (const last of open.keys) this.#parts.close(last, this.emit);
    this.#done.add(key);
  }

  #callDone(key: string, item: JsonObject): void {
    this.#openCall(key, item);
    if (!this.#parts.hasTextAt(key)) this.#parts.delta(key, toolCallOf(item).arguments, this.emit);
    this.#parts.close(key, this.emit);
  }

  #contentDone(key: string, open: OpenItem, item: JsonObject): void {
    const parts = records(item.content);
    parts.forEach((part, position) => {
      const at = `${key}/content/${eventIndex(open.indices.content, position, parts.length)}`;
      const kind = asString(part.type) ?? '';
      if (!Object.hasOwn(TEXT_MEMBER, kind)) {
        this.#whole(at, { type: 'unknown', dialect: 'openai-responses', value: part });
        return;
      }
      this.#openPart(open, at, streamedPart(kind, open.id));
      this.#fill(at, kind, part);
    });
  }

  #reasoningDone(key: string, open: OpenItem, item: JsonObject): void {
    const signature = encryptedOf(item, this.origin);
    const id = open.id ?? asString(item.id);
    const completed = { ...open, encrypted: signature !== undefined, id };
    for (const [list, kind] of [
      ['content', 'reasoning_text'],
      ['summary', 'summary_text'],
    ] as const) {
      const parts = records(item[list]);
      parts.forEach((part, position) => {
        const at = `${key}/${list}/${eventIndex(open.indices[list], position, parts.length)}`;
        this.#openPart(completed, at, streamedPart(kind, id));
        this.#fill(at, kind, part);
      });
    }
    if (signature === undefined) return;
    const last = open.keys.at(-1);
    if (last !== undefined) this.#parts.signature(last, signature, this.emit);
    else {
      const named = id === undefined ? {} : { id };
      this.#whole(key, { type: 'reasoning', text: '', redacted: signature, ...named });
    }
  }

  #whole(key: string, part: Extract<StreamedPart, { type: 'whole' }>['part']): void {
    this.#parts.open(key, { type: 'whole', part }, this.emit);
    this.#parts.close(key, this.emit);
  }
}

/** Key by index, because some servers send another id in each event of an item. */
function itemKey(event: JsonObject): string {
  return String(asCount(event.output_index) ?? asString(event.item_id) ?? '0');
}

/**
 * The index by which events named a part of a complete item. Some servers count the parts of a whole response in events,
 * and those of each item in the item; an index outside of the item shows that.
 * @param indices indices of the item's parts in events, in order
 * @param position index of the part in the complete item
 * @param count parts of the complete item
 */
function eventIndex(indices: readonly number[], position: number, count: number): number {
  return indices.some((index) => index >= count) ? (indices[position] ?? position) : position;
}

function streamedPart(kind: string, id: string | undefined): StreamedPart {
  if (kind === 'output_text') return { type: 'text' };
  if (kind === 'refusal') return { type: 'refusal' };
  return {
    type: 'reasoning',
    ...(id === undefined ? {} : { id }),
    ...(kind === 'summary_text' ? { summary: true } : {}),
  };
}
