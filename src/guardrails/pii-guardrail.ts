import { SensitiveFinder } from '../redaction/find.ts';
import type { RedactionStyle, SensitiveKind } from '../redaction/kinds.ts';
import { type Pseudonyms, RestoringStream } from '../redaction/pseudonyms.ts';
import { type Redacted, Redactor } from '../redaction/redactor.ts';
import { StreamRedactor } from '../redaction/stream-redactor.ts';
import { replacerOf } from '../redaction/styles.ts';
import type { RequestTextKind } from './request-texts.ts';

export type GuardrailDirection = 'input' | 'output' | 'tool_call' | 'tool_result';
export type GuardrailAction = 'redact' | 'pseudonymise' | 'block' | 'flag' | 'shadow';

export interface PiiGuardrailSettings {
  readonly id: string;
  readonly on: readonly GuardrailDirection[];
  readonly action: GuardrailAction;
  readonly kinds?: readonly SensitiveKind[] | undefined;
  readonly names: readonly string[];
  readonly style: RedactionStyle;
  /** Models that it holds for; all where the list is empty. */
  readonly models: readonly string[];
}

/** What a text of a response is. */
export type ResponseTextKind = 'output' | 'tool_call';

/** Filters the pieces of one text of a streamed response. */
export interface TextStream {
  push(piece: string): Redacted;
  end(): Redacted;
}

const NOTHING: ReadonlyMap<SensitiveKind, number> = new Map<SensitiveKind, number>();
/** UTF-16 units that are read at once: a few milliseconds at most. */
const PIECE = 65_536;

/** Personal data and secrets, in requests and responses. */
export class PiiGuardrail {
  readonly id: string;
  readonly action: GuardrailAction;
  readonly #finder: SensitiveFinder;
  readonly #redactor: Redactor;
  readonly #on: ReadonlySet<GuardrailDirection>;
  readonly #models: ReadonlySet<string>;

  /** @param secret the key of hashes */
  constructor(settings: PiiGuardrailSettings, secret: string) {
    this.id = settings.id;
    this.action = settings.action;
    this.#on = new Set(settings.on);
    this.#models = new Set(settings.models);
    this.#finder = new SensitiveFinder({ kinds: settings.kinds, names: settings.names });
    this.#redactor = new Redactor(this.#finder, replacerOf(settings.style, secret));
  }

  appliesTo(model: string): boolean {
    return this.#models.size === 0 || this.#models.has(model);
  }

  /** Whether it reads requests. */
  get readsRequests(): boolean {
    return this.#on.has('input') || this.#on.has('tool_call') || this.#on.has('tool_result');
  }

  /** Whether it reads responses. */
  get readsResponses(): boolean {
    return this.action === 'pseudonymise' || this.#on.has('output') || this.#on.has('tool_call');
  }

  /** Whether it changes what it finds in requests. */
  get changesRequests(): boolean {
    return this.readsRequests && (this.action === 'redact' || this.action === 'pseudonymise');
  }

  /** Whether it changes, or ends, responses. */
  get changesResponses(): boolean {
    return this.readsResponses && this.action !== 'flag' && this.action !== 'shadow';
  }

  /**
   * @param pause resolves when other tasks had their turn: a long text is read in pieces
   * @returns the text for the provider, and what was found
   */
  request(
    text: string,
    kind: RequestTextKind,
    pseudonyms: Pseudonyms,
    pause: () => Promise<void>,
  ): Redacted | Promise<Redacted> {
    if (!this.#on.has('input') && !this.#on.has(kind)) return { text, counts: NOTHING };
    const redactor =
      this.action === 'pseudonymise'
        ? new Redactor(this.#finder, (found, value) => pseudonyms.tokenOf(found, value))
        : this.#redactor;
    return text.length <= PIECE ? redactor.redact(text) : redactInPieces(text, redactor, pause);
  }

  /** @returns the text for the client, and what was found */
  response(text: string, kind: ResponseTextKind, pseudonyms: Pseudonyms): Redacted {
    if (this.action === 'pseudonymise') {
      return { text: pseudonyms.restore(text, encoderOf(kind)), counts: NOTHING };
    }
    return this.#reads(kind) ? this.#redactor.redact(text) : { text, counts: NOTHING };
  }

  /** @returns the same for a text that arrives in pieces; undefined where it is not read */
  responseStream(kind: ResponseTextKind, pseudonyms: Pseudonyms): TextStream | undefined {
    if (this.action === 'pseudonymise') {
      const stream = new RestoringStream(pseudonyms, encoderOf(kind));
      return {
        push: (piece) => ({ text: stream.push(piece), counts: NOTHING }),
        end: () => ({ text: stream.end(), counts: NOTHING }),
      };
    }
    return this.#reads(kind) ? new StreamRedactor(this.#redactor) : undefined;
  }

  #reads(kind: ResponseTextKind): boolean {
    return this.#on.has('output') || this.#on.has(kind);
  }
}

async function redactInPieces(
  text: string,
  redactor: Redactor,
  pause: () => Promise<void>,
): Promise<Redacted> {
  const stream = new StreamRedactor(redactor);
  const counts = new Map<SensitiveKind, number>();
  let out = '';
  const add = (part: Redacted) => {
    out += part.text;
    for (const [kind, count] of part.counts) counts.set(kind, (counts.get(kind) ?? 0) + count);
  };
  for (let start = 0; start < text.length; start += PIECE) {
    add(stream.push(text.slice(start, start + PIECE)));
    await pause();
  }
  add(stream.end());
  return { text: out, counts };
}

/** In arguments, which are JSON text, a value is written with the escapes of JSON. */
function encoderOf(kind: ResponseTextKind): ((value: string) => string) | undefined {
  return kind === 'tool_call' ? (value) => JSON.stringify(value).slice(1, -1) : undefined;
}
