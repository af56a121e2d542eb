import { SensitiveFinder } from '../../redaction/find.ts';
import type { RedactionStyle, SensitiveKind } from '../../redaction/kinds.ts';
import { type Pseudonyms, RestoringStream } from '../../redaction/pseudonyms.ts';
import { type Redacted, Redactor } from '../../redaction/redactor.ts';
import { StreamRedactor } from '../../redaction/stream-redactor.ts';
import { replacerOf } from '../../redaction/styles.ts';
import { mapEncodedValues } from '../encoded-values.ts';
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
    const isInput = stage === 'input';
    if (this.#usesPseudonyms && !isInput) return { text: pseudonyms.restore(text), counts: NOTHING };
    const redactor = this.#usesPseudonyms ? this.#pseudonymiser(pseudonyms) : this.#redactor;
    const redacted = redact(text, redactor, pause);
    if (!isInput) return redacted;
    return redacted instanceof Promise
      ? redacted.then((one) => withoutEncoded(one, redactor))
      : withoutEncoded(redacted, redactor);
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

/** Redacts what is encoded in a text of a request: base64 hides nothing from the provider. */
function withoutEncoded(redacted: Redacted, redactor: Redactor): Redacted {
  let counts: Map<SensitiveKind, number> | undefined;
  const text = mapEncodedValues(redacted.text, (value) => {
    const inner = redactor.redact(value);
    for (const [kind, count] of inner.counts) {
      counts ??= new Map(redacted.counts);
      counts.set(kind, (counts.get(kind) ?? 0) + count);
    }
    return inner.text;
  });
  return counts ? { text, counts } : redacted;
}
