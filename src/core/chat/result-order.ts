import type { Message, ToolMessage } from './request.ts';

/**
 * Puts the results of tool calls right after their calls, in the order of the calls. Some formats and the chat templates of
 * most open models have no ids, so that the first result belongs to the first call; others reject a message between a call
 * and its result.
 * @returns `messages` itself where every result is in place; else a copy of the same length
 */
export function orderResults(messages: readonly Message[]): readonly Message[] {
  let ordered: Message[] | undefined;
  let positions = new Map<string, number>();
  for (let index = 0; index < messages.length; ) {
    const message = messages[index];
    if (message?.role === 'assistant') {
      if (messages[index - 1]?.role !== 'assistant') positions = new Map();
      for (const part of message.content) {
        if (part.type === 'tool-call') positions.set(part.id, positions.size);
      }
      index += 1;
      continue;
    }
    const end = endOfTurn(messages, index, ({ role }) => role === 'assistant');
    const sorted = positions.size === 0 ? undefined : sortedTurn(messages.slice(index, end), positions);
    for (const [offset, one] of (sorted ?? []).entries()) {
      ordered ??= [...messages];
      ordered[index + offset] = one;
    }
    index = end;
  }
  return ordered ?? messages;
}

/** @returns the index of the first item from `start` for which `ends` holds, or the number of items */
export function endOfTurn<Item>(
  items: readonly Item[],
  start: number,
  ends: (item: Item) => boolean,
): number {
  for (let at = start; at < items.length; at += 1) {
    const item = items[at];
    if (item !== undefined && ends(item)) return at;
  }
  return items.length;
}

/** Sorts the messages between two of the assistant: results first. @returns undefined where they are sorted already */
function sortedTurn(turn: readonly Message[], positions: ReadonlyMap<string, number>): Message[] | undefined {
  const split = resultsFirst(turn, (message): message is ToolMessage => message.role === 'tool');
  const { results, others, isSorted } = split;
  const parts = results.flatMap(({ content }) => content);
  const sorted = inCallOrder(parts, ({ callId }) => positions.get(callId));
  if (isSorted && sorted === undefined) return undefined;
  const inOrder = sorted ?? parts;
  let from = 0;
  const filled = results.map(({ content }): ToolMessage => {
    from += content.length;
    return { role: 'tool', content: inOrder.slice(from - content.length, from) };
  });
  return [...filled, ...others];
}

/** Separates results from the other items of a turn, and checks whether they come first. */
export function resultsFirst<Item, Result extends Item>(
  turn: readonly Item[],
  isResult: (item: Item) => item is Result,
): { readonly results: Result[]; readonly others: Item[]; readonly isSorted: boolean } {
  const results: Result[] = [];
  const others: Item[] = [];
  let isSorted = true;
  for (const item of turn) {
    if (isResult(item)) {
      if (others.length > 0) isSorted = false;
      results.push(item);
    } else others.push(item);
  }
  return { results, others, isSorted };
}

/**
 * Sorts results by the position of their calls. Results of unknown calls keep their place behind the others.
 * @returns undefined where they are sorted already
 */
export function inCallOrder<Result>(
  results: readonly Result[],
  positionOf: (result: Result) => number | undefined,
): Result[] | undefined {
  let last = -1;
  let isSorted = true;
  for (const result of results) {
    const position = positionOf(result) ?? Number.POSITIVE_INFINITY;
    if (position < last) isSorted = false;
    last = position;
  }
  if (isSorted) return undefined;
  return results
    .map((result) => ({ result, position: positionOf(result) ?? Number.MAX_SAFE_INTEGER }))
    .sort((a, b) => a.position - b.position)
    .map(({ result }) => result);
}
