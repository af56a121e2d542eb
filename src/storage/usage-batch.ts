import { eventOf, lineOf, type UsageEvent } from './usage-event.ts';

/** Usage events of one tenant from one journal file. */
export interface UsageBatch {
  /** Name of the file. A batch may be stored again under it, also after it has grown. */
  readonly id: string;
  /** In the order of the file. */
  readonly events: readonly UsageEvent[];
  /** The text of each event. */
  readonly lines: readonly string[];
}

/**
 * Reads a journal file.
 *
 * @param id name of the file
 * @param text events, one on each line
 * @param onDamaged called with each line that is not an event
 * @returns a batch for each tenant
 */
export function readBatches(
  id: string,
  text: string,
  onDamaged: (line: string) => void,
): Map<string, UsageBatch> {
  const batches = new Map<string, { id: string; events: UsageEvent[]; lines: string[] }>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const event = eventOf(line);
    // The last line of a killed process may be incomplete.
    if (!event) {
      onDamaged(line);
      continue;
    }
    let batch = batches.get(event.tenant);
    if (!batch) {
      batch = { id, events: [], lines: [] };
      batches.set(event.tenant, batch);
    }
    batch.events.push(event);
    batch.lines.push(line);
  }
  return batches;
}

/** @returns the batch of some events of one tenant */
export function batchOf(id: string, events: readonly UsageEvent[]): UsageBatch {
  return { id, events, lines: events.map(lineOf) };
}
