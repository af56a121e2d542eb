import { isRecord, type JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { changed } from '../limited-values.ts';

/** The most cache markers of a request. Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching */
const MAX_MARKS = 4;

/**
 * Removes cache markers beyond the number that the API accepts. The first stays, which covers tools and instructions, and
 * the last ones, which cover most of the conversation.
 * @param body members of a Messages request
 * @returns the changed members; undefined where there are no more markers than accepted
 */
export function limitedCacheMarks(body: JsonObject, warn: Warn): JsonObject | undefined {
  // A marker of the whole request counts as one.
  const max = body.cache_control === undefined ? MAX_MARKS : MAX_MARKS - 1;
  const seen = marksInLists(body);
  if (seen <= max) return undefined;
  const message = `The target takes ${MAX_MARKS} cache markers; ${seen - max} of ${seen} were omitted.`;
  changed('cache_control', message, warn);
  return new Marks(1, seen - max + 1).members(body);
}

/** @param body members of a Messages request */
export function countCacheMarks(body: JsonObject): number {
  return ((body.cache_control ?? null) === null ? 0 : 1) + marksInLists(body);
}

function marksInLists({ tools, system, messages }: JsonObject): number {
  return marksIn(tools) + marksIn(system) + marksIn(messages);
}

/** Counts the markers of blocks and of their content. */
function marksIn(list: unknown): number {
  if (!Array.isArray(list)) return 0;
  let count = 0;
  for (const item of list) {
    if (!isRecord(item)) continue;
    if ((item.cache_control ?? null) !== null) count += 1;
    count += marksIn(item.content);
  }
  return count;
}

/** Visits markers in the order of the prompt, and removes those between the kept first and the kept last ones. */
class Marks {
  #seen = 0;

  constructor(
    private readonly first: number,
    private readonly last: number,
  ) {}

  members({ tools, system, messages }: JsonObject): JsonObject {
    return {
      ...(Array.isArray(tools) ? { tools: this.#blocks(tools) } : {}),
      ...(Array.isArray(system) ? { system: this.#blocks(system) } : {}),
      ...(Array.isArray(messages) ? { messages: this.#containers(messages) } : {}),
    };
  }

  #containers(items: readonly unknown[]): unknown[] {
    return items.map((item) => (isRecord(item) ? this.#withContent(item) : item));
  }

  #withContent(item: JsonObject): JsonObject {
    return Array.isArray(item.content) ? { ...item, content: this.#blocks(item.content) } : item;
  }

  #blocks(blocks: readonly unknown[]): unknown[] {
    return blocks.map((block) => {
      if (!isRecord(block)) return block;
      // The content of a tool's result comes before its own marker.
      const inner = this.#withContent(block);
      if ((block.cache_control ?? null) === null) return inner;
      this.#seen += 1;
      if (this.#seen <= this.first || this.#seen > this.last) return inner;
      const { cache_control: _, ...plain } = inner;
      return plain;
    });
  }
}
