import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { probeFolder } from '../platform/disk-probe.ts';
import { syncToDisk } from '../platform/file-sync.ts';
import { readSlots, SlotFile } from '../platform/slot-file.ts';
import { eventOf, lineOf, type UsageEvent } from '../storage/usage-event.ts';
import type { WriteHealth } from '../storage/write-health.ts';
import { type JournalProcess, journalFileName, ownerOf, readJournal } from './journal-files.ts';

/** An attempt's use so far. */
export interface InFlightUse {
  readonly outputTokens: number;
  /** 10^-12 US dollars; null where no price is known. */
  readonly costPico: number | null;
  readonly durationMs: number;
}

/** Bytes of a slot and slots of a file: nearly all records fit into the first size. */
const SIZES = [
  { slotSize: 512, slots: 256 },
  { slotSize: 4_096, slots: 16 },
] as const;
/** Files of each size: 131,072 attempts in flight, and 64 MiB. */
const MAX_FILES = 512;

const NAME = /^in-flight-(\d+)-([0-9a-f]+)-(\d+)-(\d+)\.slots$/;
/** Digits of the numbers at the start of a record, which change while the attempt runs. */
const TOKENS_WIDTH = 12;
const COST_WIDTH = 16;
const DURATION_WIDTH = 10;
const USE_WIDTH = TOKENS_WIDTH + COST_WIDTH + DURATION_WIDTH;

/** The place of a record. */
export interface RecordSlot {
  readonly file: SlotFile;
  readonly slot: number;
  readonly pool: number;
}

/**
 * Records the attempts that are in flight on the local disk, so that a killed gateway leaves a usage event for each. A
 * record is a usage event with the outcome `lost`; it is removed when the real event is in the journal. All calls are
 * writes to mapped memory.
 */
export class InFlightRecords {
  readonly #free: RecordSlot[][] = SIZES.map(() => []);
  readonly #files: number[] = SIZES.map(() => 0);
  readonly #paths: string[] = [];
  #open = 0;

  /** @param folder of the journal */
  constructor(
    private readonly folder: string,
    private readonly owner: Pick<JournalProcess, 'pid' | 'boot'>,
    private readonly health: Pick<WriteHealth, 'failed' | 'fails'>,
  ) {}

  /** Number of records. */
  get size(): number {
    return this.#open;
  }

  /**
   * Records an attempt.
   * @param event with the outcome `lost`
   * @returns undefined when it is not recorded: the disk fails, the record is too long, or there are too many
   */
  add(event: UsageEvent): RecordSlot | undefined {
    const text = `${useText(event)}${lineOf(event)}`;
    for (const [pool, free] of this.#free.entries()) {
      const place = free.pop() ?? this.#grow(pool);
      if (!place) return undefined;
      if (place.file.fits(text)) {
        place.file.write(place.slot, text);
        this.#open += 1;
        return place;
      }
      free.push(place);
    }
    return undefined;
  }

  /** Updates the use of an attempt. */
  update({ file, slot }: RecordSlot, use: InFlightUse): void {
    file.replaceStart(slot, useText(use));
  }

  /** Removes the record of an attempt whose event is in the journal. */
  remove(place: RecordSlot): void {
    place.file.clear(place.slot);
    this.#free[place.pool]?.push(place);
    this.#open -= 1;
  }

  /** Deletes the files, if no attempt is in flight. */
  close(): void {
    if (this.#open > 0) return;
    for (const path of this.#paths) rmSync(path, { force: true });
  }

  /** Adds a file of slots. @returns one of them */
  #grow(pool: number): RecordSlot | undefined {
    const size = SIZES[pool];
    const number = this.#files[pool] ?? 0;
    // A failing disk is not tried for each request.
    if (!size || number >= MAX_FILES || this.health.fails('usage_journal')) return undefined;
    const { slots, slotSize } = size;
    const { pid, boot } = this.owner;
    const path = join(this.folder, `in-flight-${pid}-${boot}-${slotSize}-${number}.slots`);
    let file: SlotFile;
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      file = new SlotFile(path, slots, slotSize);
    } catch (error) {
      this.health.failed('usage_journal', error, () => probeFolder(this.folder));
      return undefined;
    }
    this.#paths.push(path);
    this.#files[pool] = number + 1;
    const free = this.#free[pool];
    for (let slot = slots - 1; slot > 0; slot -= 1) free?.push({ file, slot, pool });
    return { file, slot: 0, pool };
  }
}

function useText({ outputTokens, costPico, durationMs }: InFlightUse): string {
  const tokens = String(outputTokens).padStart(TOKENS_WIDTH);
  const cost = (costPico === null ? '' : String(costPico)).padStart(COST_WIDTH);
  return tokens + cost + String(durationMs).padStart(DURATION_WIDTH);
}

/**
 * Turns the records of killed processes into journal files, which the journal then stores. Killed itself, it starts over
 * with the same result: the files are named after the process that left the records.
 *
 * @param isAlive whether a process is running, other than this one
 * @returns the number of events
 */
export function recoverInFlight(folder: string, isAlive: (owner: JournalProcess) => boolean): number {
  if (!existsSync(folder)) return 0;
  const left = new Map<
    string,
    { readonly owner: JournalProcess; readonly paths: string[]; readonly texts: string[] }
  >();
  for (const name of readdirSync(folder).sort()) {
    const match = NAME.exec(name);
    if (!match) continue;
    const owner = { pid: Number(match[1]), boot: match[2] ?? '' };
    if (isAlive(owner)) continue;
    const key = `${owner.pid}-${owner.boot}`;
    const own = left.get(key) ?? { owner, paths: [], texts: [] };
    left.set(key, own);
    const path = join(folder, name);
    own.paths.push(path);
    own.texts.push(...readSlots(path, Number(match[3])));
  }
  let count = 0;
  for (const { owner, paths, texts } of left.values()) {
    const events = lostEvents(texts, recordedIds(folder, owner));
    count += events.length;
    if (events.length > 0) writeJournalFile(folder, owner, events);
    for (const path of paths) rmSync(path, { force: true });
  }
  return count;
}

/** @returns the ids of the events that a process has written to files that are not stored yet */
function recordedIds(folder: string, owner: JournalProcess): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { name, text } of readJournal(folder)) {
    const from = ownerOf(name);
    if (from?.pid !== owner.pid || from.boot !== owner.boot) continue;
    for (const line of text.split('\n')) {
      const event = eventOf(line);
      if (event) ids.add(event.id);
    }
  }
  return ids;
}

/** @returns an event for each record, in the order in which the attempts began; each request is counted once */
function lostEvents(texts: readonly string[], recorded: ReadonlySet<string>): UsageEvent[] {
  const events = texts.flatMap((text) => {
    const event = eventOf(text.slice(USE_WIDTH));
    return event && !recorded.has(event.id) ? [{ ...event, ...useOf(text) }] : [];
  });
  events.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
  const counted = new Map(events.map(({ requestId, id }) => [requestId, id]));
  return events.map((event) => ({ ...event, requests: counted.get(event.requestId) === event.id ? 1 : 0 }));
}

function useOf(text: string): InFlightUse {
  const cost = text.slice(TOKENS_WIDTH, TOKENS_WIDTH + COST_WIDTH).trim();
  return {
    outputTokens: Number(text.slice(0, TOKENS_WIDTH)),
    costPico: cost === '' ? null : Number(cost),
    durationMs: Number(text.slice(TOKENS_WIDTH + COST_WIDTH, USE_WIDTH)),
  };
}

/** Number of the file of lost events; a process never writes so many. */
const LOST_NUMBER = 999_999_999_999;

function writeJournalFile(folder: string, owner: JournalProcess, events: readonly UsageEvent[]): void {
  const path = join(folder, journalFileName(owner, LOST_NUMBER));
  const text = events.map((event) => `${lineOf(event)}\n`).join('');
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
  syncToDisk(folder);
}
