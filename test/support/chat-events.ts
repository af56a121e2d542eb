import { expect } from 'bun:test';
import type { ChatEvent, ChatEventReader } from '../../src/core/chat/result.ts';
import { toBytes } from './bytes.ts';

/** All events of a stream that comes in these pieces, with the error that ended it, if one did. */
export function readEvents(
  reader: ChatEventReader,
  pieces: readonly Uint8Array[],
): { readonly events: ChatEvent[]; readonly error: unknown } {
  const events: ChatEvent[] = [];
  const emit = (event: ChatEvent) => {
    events.push(event);
  };
  try {
    for (const piece of pieces) reader.push(toBytes(piece), emit);
    reader.end(emit);
    return { events, error: undefined };
  } catch (error) {
    return { events, error };
  }
}

/** Checks the rules that writers rely on; see ChatEvent. */
export function expectEventRules(events: readonly ChatEvent[], complete: boolean): void {
  const open = new Set<number>();
  const finished = new Set<number>();
  events.forEach((event, index) => {
    expect(event.type === 'start').toBe(index === 0);
    if (event.type === 'end') expect(index).toBe(events.length - 1);
    if (!('choice' in event)) return;
    expect(finished.has(event.choice)).toBe(false);
    if (event.type === 'part-start') {
      expect(open.has(event.choice)).toBe(false);
      open.add(event.choice);
    } else if (event.type === 'part-end') {
      expect(open.delete(event.choice)).toBe(true);
    } else if (event.type === 'finish') {
      expect(open.has(event.choice)).toBe(false);
      finished.add(event.choice);
    } else {
      expect(open.has(event.choice)).toBe(true);
    }
  });
  expect(events.at(-1)?.type === 'end').toBe(complete);
  // Otherwise a reader that waits for a finish reason waits endlessly.
  if (complete)
    expect({ open: [...open], finished: finished.size > 0 }).toEqual({ open: [], finished: true });
}
