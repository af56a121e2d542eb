/** A word as people write it, also with signs in the place of letters, and with invisible characters within. */
const TOKEN =
  /[\p{L}\p{N}@$](?:[\p{L}\p{N}\p{M}@$!|*_'’\u00ad\u200b-\u200f\u2060\ufeff-]{0,62}[\p{L}\p{N}\p{M}@$])?/gu;
/** UTF-16 units of a longer word are two tokens. */
const LONGEST = 64;

/** Of the characters of ASCII: 0 for those between words, 1 within a word, 2 also at its ends. */
const PART = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (/[A-Za-z0-9@$]/.test(character)) return 2;
  return /[!|*_'-]/.test(character) ? 1 : 0;
});

/** The words of a text, by their indexes: most of them are never read. */
export class Tokens {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  constructor(readonly source: string) {
    if (!this.#readAscii()) this.#readAny();
  }

  get length(): number {
    return this.#starts.length;
  }

  /** @returns the index of a token's first unit; the end of the text for none */
  startOf(index: number): number {
    return this.#starts[index] ?? this.source.length;
  }

  endOf(index: number): number {
    return this.#ends[index] ?? this.source.length;
  }

  /** @returns the token; '' for none */
  at(index: number): string {
    return index < 0 || index >= this.length ? '' : this.source.slice(this.startOf(index), this.endOf(index));
  }

  /** Whether a token is a single letter or sign. */
  isLetter(index: number): boolean {
    return index >= 0 && index < this.length && this.endOf(index) - this.startOf(index) === 1;
  }

  /** Finds what the pattern finds, a few times faster. @returns false for other texts than ASCII */
  #readAscii(): boolean {
    const { source } = this;
    for (let at = 0; at < source.length; at += 1) {
      const code = source.charCodeAt(at);
      if (code >= 128) return this.#restart();
      if (PART[code] !== 2) continue;
      let end = at + 1;
      for (let next = end; next < source.length && next - at < LONGEST; next += 1) {
        const part = PART[source.charCodeAt(next)] ?? 0;
        if (part === 0) break;
        if (part === 2) end = next + 1;
      }
      this.#starts.push(at);
      this.#ends.push(end);
      at = end - 1;
    }
    return true;
  }

  #restart(): false {
    this.#starts.length = 0;
    this.#ends.length = 0;
    return false;
  }

  #readAny(): void {
    for (const { index, 0: token } of this.source.matchAll(TOKEN)) {
      this.#starts.push(index);
      this.#ends.push(index + token.length);
    }
  }
}
