import { SensitiveFinder } from '../../redaction/find.ts';
import type { RedactionStyle, SensitiveKind } from '../../redaction/kinds.ts';
import { type Pseudonyms, RestoringStream } from '../../redaction/pseudonyms.ts';
import { type Redacted, Redactor } from '../../redaction/redactor.ts';
import { StreamRedactor } from '../../redaction/stream-redactor.ts';
import { replacerOf } from '../../redaction/styles.ts';
import {
  type EncodedPiece,
  EncodedStream,
  encodedPieces,
  type InflateBudget,
  MAX_DEPTH,
  MAX_INFLATED,
} from '../encoded-values.ts';
import type {
  CheckContext,
  CheckedText,
  GuardrailAction,
  TextChecker,
  TextStream,
  TextVerdict,
} from '../guardrail.ts';

export interface PiiSettings {
  readonly action: GuardrailAction;
  readonly kinds?: readonly SensitiveKind[] | undefined;
  readonly names?: readonly string[] | undefined;
  readonly style?: RedactionStyle | undefined;
}

const NOTHING: ReadonlyMap<SensitiveKind, number> = new Map<SensitiveKind, number>();
/** UTF-16 units that are read at once: a few milliseconds at most. */
const PIECE = 65_536;

/** Personal data and secrets, in requests and responses. */
export class PiiChecker implements TextChecker {
  readonly mode = 'sync';
  readonly readsSettings = true;
  readonly #finder: SensitiveFinder;
  readonly #redactor: Redactor;
  readonly #usesPseudonyms: boolean;

  /** @param secret the key of hashes */
  constructor({ action, kinds, names, style = 'placeholder' }: PiiSettings, secret: string) {
    this.#usesPseudonyms = action === 'pseudonymise';
    this.#finder = new SensitiveFinder({ kinds, names });
    this.#redactor = new Redactor(this.#finder, replacerOf(style, secret));
  }

  check(
    { text, stage }: CheckedText,
    { pseudonyms, pause }: CheckContext,
  ): TextVerdict | Promise<TextVerdict> {
    if (this.#usesPseudonyms && stage === 'output') return restored(text, pseudonyms, newBudget());
    const redactor = this.#usesPseudonyms ? this.#pseudonymiser(pseudonyms) : this.#redactor;
    return text.length <= PIECE
      ? redactText(text, redactor, newBudget())
      : redactLong(text, redactor, pause, newBudget());
  }

  stream(_: Omit<CheckedText, 'text'>, { pseudonyms }: CheckContext): TextStream {
    if (!this.#usesPseudonyms) {
      return new EncodedStream(new StreamRedactor(this.#redactor), (text, budget) =>
        redactEncoded({ text, counts: NOTHING }, this.#redactor, budget, 0),
      );
    }
    const stream = new RestoringStream(pseudonyms);
    // It sends words on as they arrive.
    const shortest = pseudonyms.size === 0 ? Number.POSITIVE_INFINITY : 1;
    const inner: TextStream = {
      get held() {
        return stream.held;
      },
      push: (piece) => ({ text: stream.push(piece), counts: NOTHING }),
      end: () => ({ text: stream.end(), counts: NOTHING }),
    };
    return new EncodedStream(inner, (text, budget) => restored(text, pseudonyms, budget), shortest);
  }

  #pseudonymiser(pseudonyms: Pseudonyms): Redactor {
    return new Redactor(this.#finder, (found, value) => pseudonyms.tokenOf(found, value));
  }
}

function newBudget(): InflateBudget {
  return { left: MAX_INFLATED };
}

/** Puts values in the place of their tokens, also in encoded texts. */
function restored(text: string, pseudonyms: Pseudonyms, budget: InflateBudget): TextVerdict {
  const plain = pseudonyms.restore(text);
  if (pseudonyms.size === 0) return { text: plain, counts: NOTHING };
  const parts = new TextParts(plain);
  for (const piece of encodedPieces(plain, budget)) parts.add(piece, pseudonyms.restore(piece.value));
  return { text: parts.text, counts: NOTHING };
}

/** Redacts a text, and the texts that are encoded in it: base64 hides nothing from who receives it. */
function redactText(text: string, redactor: Redactor, budget: InflateBudget, depth = 0): Redacted {
  return redactEncoded(redactor.redact(text), redactor, budget, depth);
}

function redactEncoded(
  redacted: Redacted,
  redactor: Redactor,
  budget: InflateBudget,
  depth: number,
): Redacted {
  if (depth >= MAX_DEPTH) return redacted;
  const parts = new TextParts(redacted.text);
  const counts = new Counts(redacted.counts);
  for (const piece of encodedPieces(redacted.text, budget)) {
    const inner = redactText(piece.value, redactor, budget, depth + 1);
    counts.add(inner.counts);
    parts.add(piece, inner.text);
  }
  return { text: parts.text, counts: counts.all };
}

/** As `redactText`, with other requests in between. */
async function redactLong(
  text: string,
  redactor: Redactor,
  pause: () => Promise<void>,
  budget: InflateBudget,
  depth = 0,
): Promise<Redacted> {
  const stream = new StreamRedactor(redactor);
  const counts = new Counts(NOTHING);
  const pieces: string[] = [];
  const take = (piece: Redacted) => {
    pieces.push(piece.text);
    counts.add(piece.counts);
  };
  for (let start = 0; start < text.length; start += PIECE) {
    take(stream.push(text.slice(start, start + PIECE)));
    await pause();
  }
  take(stream.end());
  const redacted = pieces.join('');
  if (depth >= MAX_DEPTH) return { text: redacted, counts: counts.all };
  const parts = new TextParts(redacted);
  let read = 0;
  for (const piece of encodedPieces(redacted, budget)) {
    const { value } = piece;
    const inner =
      value.length <= PIECE
        ? redactText(value, redactor, budget, depth + 1)
        : await redactLong(value, redactor, pause, budget, depth + 1);
    counts.add(inner.counts);
    parts.add(piece, inner.text);
    read += value.length;
    if (read < PIECE) continue;
    read = 0;
    await pause();
  }
  return { text: parts.text, counts: counts.all };
}

/** A text of which encoded pieces are changed. */
class TextParts {
  readonly #parts: string[] = [];
  #last = 0;

  constructor(private readonly original: string) {}

  /** @param value in the place of the value of the piece; pieces come in order */
  add({ start, end, value: before, encode }: EncodedPiece, value: string): void {
    if (value === before) return;
    this.#parts.push(this.original.slice(this.#last, start), encode(value));
    this.#last = end;
  }

  get text(): string {
    return this.#last === 0 ? this.original : this.#parts.join('') + this.original.slice(this.#last);
  }
}

/** Adds counts of findings. */
class Counts {
  #own: Map<SensitiveKind, number> | undefined;

  constructor(private readonly first: Redacted['counts']) {}

  add(counts: Redacted['counts']): void {
    if (counts.size === 0) return;
    this.#own ??= new Map(this.first);
    for (const [kind, count] of counts) this.#own.set(kind, (this.#own.get(kind) ?? 0) + count);
  }

  get all(): Redacted['counts'] {
    return this.#own ?? this.first;
  }
}
