import type { Origin, ReasoningPart } from '../../core/chat/request.ts';
import type { Item } from './media.ts';

/**
 * Turns reasoning parts of the history into items again. One item may have become several parts, one for each part
 * of its summary; all but the last then carry an empty signature, and the last one has the encrypted content.
 */
export class ReasoningItems {
  /** Reasoning was omitted: it has no signature, or one of another provider. */
  omittedReasoning = false;
  #summary: { readonly id: string | undefined; readonly texts: string[] } | undefined;

  constructor(private readonly origin: Origin) {}

  /** @returns the item, when this part completes one */
  part({ text, id, signature, redacted }: ReasoningPart): Item | undefined {
    const own = [redacted, signature].find((candidate) => candidate?.origin === this.origin);
    if (own === undefined) {
      this.omittedReasoning = true;
      return undefined;
    }
    if (this.#summary && id !== undefined && this.#summary.id !== id) this.close();
    const texts = [...(this.#summary?.texts ?? []), ...(text === '' ? [] : [text])];
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

  /** Something else follows: a summary whose encrypted content did not come can't be sent. */
  close(): void {
    if (this.#summary) this.omittedReasoning = true;
    this.#summary = undefined;
  }

  /** The API refuses reasoning that is not followed by what it led to, as when an answer was cut off. */
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

/** The API wants an id on every item, and looks none up where the encrypted content is there: the same for the same. */
function idFrom(encrypted: string): string {
  return `rs_${encrypted.replaceAll(/[^A-Za-z0-9]/g, '').slice(-32)}`;
}

/** Whether an item is the model's output, not its input. */
function isWork(item: Item): boolean {
  if (item.type === 'message') return item.role === 'assistant';
  return !String(item.type).endsWith('_output');
}
