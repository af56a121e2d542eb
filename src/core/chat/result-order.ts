import type { Message, ToolMessage } from './request.ts';

/**
 * Sorts the results of parallel tool calls into the order of their calls. Some formats and the chat templates of most
 * open models have no ids: the first result belongs to the first call.
 * @returns `messages` itself where every result is in place; else a copy with the same number of messages
 */
export function orderResults(messages: readonly Message[]): readonly Message[] {
  let ordered: Message[] | undefined;
  let positions = new Map<string, number>();
  for (let index = 0; index < messages.length; index += 1) {
    const message = messages[index];
    if (message?.role === 'assistant') {
      if (messages[index - 1]?.role !== 'assistant') positions = new Map();
      for (const part of message.content) {
        if (part.type === 'tool-call') positions.set(part.id, positions.size);
      }
    } else if (message?.role === 'tool') {
      const run = runOfResults(messages, index);
      const sorted = inCallOrder(
        run.flatMap(({ content }) => content),
        ({ callId }) => positions.get(callId),
      );
      if (sorted) {
        ordered ??= [...messages];
        let from = 0;
        for (const [offset, { content }] of run.entries()) {
          ordered[index + offset] = { role: 'tool', content: sorted.slice(from, from + content.length) };
          from += content.length;
        }
      }
      index += run.length - 1;
    }
  }
  return ordered ?? messages;
}

function runOfResults(messages: readonly Message[], start: number): ToolMessage[] {
  const run: ToolMessage[] = [];
  for (let at = start; at < messages.length; at += 1) {
    const message = messages[at];
    if (message?.role !== 'tool') break;
    run.push(message);
  }
  return run;
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
