/** Letters of a beginning. */
const LETTERS = 26;
/** In the place of a letter, where a word ends. */
const NONE = LETTERS;
const BASE = LETTERS + 1;

/**
 * Says which words of a text may be a form of a listed word, by their first three letters. A sign or a repeated letter among
 * these may stand for others: then a word may be a form of any.
 */
export class WordBeginnings {
  readonly #known = new Uint8Array(BASE ** 3);

  /** @param word folded, in lower case */
  add(word: string): void {
    const [first, second, third] = [letterAt(word, 0), letterAt(word, 1), letterAt(word, 2)];
    // Words with other characters at their beginning are not indexed, and never excluded.
    if (first === undefined || second === undefined || third === undefined) {
      this.#addOthers(word);
      return;
    }
    this.#set(first, second, third);
    // "ab" of "abbs": an ending after a doubled letter.
    if (word.length === 2) this.#set(first, second, second);
  }

  /** @returns false where no listed word can have the token as a form */
  mayBegin(text: string, start: number, end: number): boolean {
    const first = letterAt(text, start);
    const second = start + 1 < end ? letterAt(text, start + 1) : NONE;
    const third = start + 2 < end ? letterAt(text, start + 2) : NONE;
    if (first === undefined || second === undefined || third === undefined) return true;
    if (second === third && second !== NONE) {
      // Three equal letters count as one or two.
      if (first === second || (start + 3 < end && letterAt(text, start + 3) === third)) return true;
    }
    return this.#known[(first * BASE + second) * BASE + third] === 1;
  }

  #set(first: number, second: number, third: number): void {
    this.#known[(first * BASE + second) * BASE + third] = 1;
  }

  /** Of a word such as "e-mail" or "x2", its letters before the sign: "email" is one of its forms. */
  #addOthers(word: string): void {
    const first = letterAt(word, 0);
    if (first === undefined) {
      this.#known.fill(1);
      return;
    }
    for (let rest = first * BASE * BASE; rest < (first + 1) * BASE * BASE; rest += 1) this.#known[rest] = 1;
  }
}

/** @returns 0 to 25; `NONE` beyond the end; undefined for another character */
function letterAt(text: string, index: number): number | undefined {
  if (index >= text.length) return NONE;
  const letter = (text.charCodeAt(index) | 0x20) - 0x61;
  return letter >= 0 && letter < LETTERS ? letter : undefined;
}
