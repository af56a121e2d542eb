import type { AnswerText } from '../../core/answer-text.ts';
import type { ByteSlice } from '../../core/byte-slice.ts';
import type { Pieces } from '../../core/pieces.ts';
import { type Constant, type Example, learnPattern } from './event-lesson.ts';
import type { EventPattern } from './event-pattern.ts';

/** Kinds of events that are remembered of the streams of one target, for each way of handing them on. */
const MAX_KINDS = 4;
/** Ways of handing on the streams of one target: under so many names, with their usage or without it. */
const MAX_WAYS = 64;
/** So often in a row it is tried to learn, until what was learned has been of use. */
const MAX_LESSONS = 8;
const USEFUL_AFTER = 16;
/** Characters. Longer events, such as those with pictures in them, are no words, and would take long to compare. */
const MAX_LEARNED = 8 * 1024;

/** What tells the events of one stream from those of another one that is handed on in the same way. */
export interface StreamIdentity {
  /** The way: events of streams of the same way differ in their constants and holes, or become something else. */
  readonly way: string;
  readonly constants: readonly Constant[];
}

/** What was learned of the streams of one target, for those that are still to come. */
export class SharedPatterns {
  readonly #ways = new Map<string, EventPattern[]>();

  /** The kinds of events that streams of this way have had, the latest first. It is added to while it is in use. */
  of(way: string): EventPattern[] {
    let kinds = this.#ways.get(way);
    if (!kinds) {
      if (this.#ways.size >= MAX_WAYS) this.#ways.clear();
      kinds = [];
      this.#ways.set(way, kinds);
    }
    return kinds;
  }
}

/**
 * Nearly all events of a stream differ from the one before in their words only. From two of them it is learned where these
 * stand, in what comes and in what goes out; whatever looks the same after that needs neither to be parsed as JSON nor to
 * be edited. Anything else is read in full, as are the events that it is learned from. Streams of one target share what
 * they have learned, as far as it is the same for all of them but for the answer's id and its time.
 */
export class EventPatterns {
  readonly #shared: SharedPatterns;
  readonly #maxLessons: number;
  #pattern: EventPattern | undefined;
  /** What is known of other streams like this one, as soon as it is known what is like it. */
  #kinds: EventPattern[] | undefined;
  #identity: StreamIdentity | undefined;
  #constants: readonly Buffer[] = [];
  #previous: string | undefined;
  #lessons = 0;
  #uses = 0;

  /** @param maxLessons 0 for learning nothing */
  constructor(shared = new SharedPatterns(), maxLessons = MAX_LESSONS) {
    this.#shared = shared;
    this.#maxLessons = maxLessons;
  }

  /**
   * What the client gets for this event.
   * @param answer gets its words
   * @returns undefined when it has to be read in full
   */
  apply(block: ByteSlice, answer: AnswerText): Pieces | undefined {
    const out = this.#pattern?.apply(block, this.#constants, answer) ?? this.#tryOthers(block, answer);
    if (out && this.#lessons > 0) {
      this.#uses += 1;
      if (this.#uses >= USEFUL_AFTER) this.#lessons = 0;
    }
    return out;
  }

  /**
   * Looks at an event that was read in full.
   * @param text its JSON
   * @param identity as far as it is settled what becomes of the stream's events
   * @param read reads another event of the same stream in full; undefined when it says more than words
   */
  learn(
    text: string,
    identity: StreamIdentity | undefined,
    read: (text: string) => Example | undefined,
  ): void {
    if (this.#maxLessons === 0) return;
    if (identity && !this.#identity) {
      this.#identity = identity;
      this.#constants = identity.constants.map(({ value }) => Buffer.from(value));
      this.#kinds = this.#shared.of(identity.way);
    }
    const previous = this.#previous;
    this.#previous = text.length > MAX_LEARNED ? undefined : text;
    if (previous === undefined || text.length > MAX_LEARNED || this.#lessons >= this.#maxLessons) return;
    this.#lessons += 1;
    this.#uses = 0;
    const learned = learnPattern(previous, text, this.#identity?.constants ?? [], read);
    if (!learned) return;
    this.#pattern = learned.pattern;
    if (learned.isShared) this.#share(learned.pattern);
  }

  #tryOthers(block: ByteSlice, answer: AnswerText): Pieces | undefined {
    for (const pattern of this.#kinds ?? []) {
      if (pattern === this.#pattern) continue;
      const out = pattern.apply(block, this.#constants, answer);
      if (!out) continue;
      this.#pattern = pattern;
      return out;
    }
    return undefined;
  }

  #share(pattern: EventPattern): void {
    const kinds = this.#kinds;
    if (!kinds) return;
    kinds.unshift(pattern);
    if (kinds.length > MAX_KINDS) kinds.pop();
  }
}
