import { SensitiveFinder } from '../../redaction/find.ts';
import type { RedactionStyle, SensitiveKind } from '../../redaction/kinds.ts';
import { type Pseudonyms, RestoringStream } from '../../redaction/pseudonyms.ts';
import { type Redacted, Redactor } from '../../redaction/redactor.ts';
import { StreamRedactor } from '../../redaction/stream-redactor.ts';
import { replacerOf } from '../../redaction/styles.ts';
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
    if (!this.#usesPseudonyms) return redact(text, this.#redactor, pause);
    if (stage === 'output') return { text: pseudonyms.restore(text), counts: NOTHING };
    return redact(text, this.#pseudonymiser(pseudonyms), pause);
  }

  stream(_: Omit<CheckedText, 'text'>, { pseudonyms }: CheckContext): TextStream {
    if (!this.#usesPseudonyms) return new StreamRedactor(this.#redactor);
    const stream = new RestoringStream(pseudonyms);
    return {
      get held() {
        return stream.held;
      },
      push: (piece) => ({ text: stream.push(piece), counts: NOTHING }),
      end: () => ({ text: stream.end(), counts: NOTHING }),
    };
  }

  #pseudonymiser(pseudonyms: Pseudonyms): Redactor {
    return new Redactor(this.#finder, (found, value) => pseudonyms.tokenOf(found, value));
  }
}

function redact(text: string, redactor: Redactor, pause: () => Promise<void>): Redacted | Promise<Redacted> {
  return text.length <= PIECE ? redactor.redact(text) : redactInPieces(text, redactor, pause);
}

async function redactInPieces(
  text: string,
  redactor: Redactor,
  pause: () => Promise<void>,
): Promise<Redacted> {
  const stream = new StreamRedactor(redactor);
  const counts = new Map<SensitiveKind, number>();
  const parts: string[] = [];
  const add = (part: Redacted) => {
    parts.push(part.text);
    for (const [kind, count] of part.counts) counts.set(kind, (counts.get(kind) ?? 0) + count);
  };
  for (let start = 0; start < text.length; start += PIECE) {
    add(stream.push(text.slice(start, start + PIECE)));
    await pause();
  }
  add(stream.end());
  return { text: parts.join(''), counts };
}
