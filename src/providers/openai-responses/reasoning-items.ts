import type { Origin, ReasoningPart } from '../../core/chat/request.ts';
import type { Item } from './media.ts';

/**
 * Converts reasoning parts of the history back to items. One item may have become several parts, one for each part of its
 * summary; the last one has the encrypted content, and the others have an empty signature.
 */
export class ReasoningItems {
  /** Reasoning was omitted: it has no signature, or one of another provider. */
  omittedReasoning = false;
  #summary: { readonly id: string | undefined; readonly texts: string[] } | undefined;

  constructor(private readonly origin: Origin) {}

  /** Adds a part. @returns the item that the part completes; undefined when it completes none */
  part({ text, id, signature, redacted }: ReasoningPart): Item | undefined {
    const own = [redacted, signature].find((candidate) => candidate?.origin === this.origin);
    if (own === undefined) {
      this.omittedReasoning = true;
      return undefined;
    }
    if (this.#summary && id !== undefined && this.#summary.id !== id) this.close();
    const texts = this.#summary?.texts ?? [];
    if (text !== '') texts.push(text);
    if (own.value === '') {
      this.#summary = { id, texts };
      return undefined;
    }
    this.#summary = undefined;
    return {
      type: 'reasoning',
      id: id ?? idFrom(own.value),
      summary: texts.map((summary) => ({ type: 'summary_text', text: summary })),
      encrypted_content: own.value,
    };
  }

  /** Drops an incomplete item when another part follows: a summary without encrypted content cannot be sent. */
  close(): void {
    if (this.#summary) this.omittedReasoning = true;
    this.#summary = undefined;
  }

  /** Drops reasoning without output after it, such as of an interrupted response, because the API rejects it. */
  withoutDangling(items: readonly Item[]): Item[] {
    const kept: Item[] = [];
    let followed = false;
    for (const item of [...items].reverse()) {
      if (item.type === 'reasoning') {
        if (!followed) {
          this.omittedReasoning = true;
          continue;
        }
      } else {
        followed = isWork(item);
      }
      kept.push(item);
    }
    return kept.reverse();
  }
}

/** Makes the id that the API requires for each item. It does not look ids up when the encrypted content is present. */
function idFrom(encrypted: string): string {
  return `rs_${encrypted.replaceAll(/[^A-Za-z0-9]/g, '').slice(-32)}`;
}

/** @returns whether an item is output of the model */
function isWork(item: Item): boolean {
  if (item.type === 'message') return item.role === 'assistant';
  return !String(item.type).endsWith('_output');
}
