/** Reads the JSON text of a value, and writes it with some values changed. The text is valid JSON. */
class ChangeWriter {
  #at = 0;
  readonly #parts: string[] = [];
  #copied = 0;

  constructor(private readonly text: string) {}

  /** @returns the text with the changes between two forms of its value */
  write(before: unknown, after: unknown): string {
    this.#value(before, after);
    this.#parts.push(this.text.slice(this.#copied));
    return this.#parts.join('');
  }

  #value(before: unknown, after: unknown): void {
    this.#space();
    if (before === after) {
      this.#skip();
      return;
    }
    const open = this.text.charAt(this.#at);
    if (open === '[' && Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
      this.#list(before, after);
    } else if (open === '{' && isObject(before) && isObject(after) && hasSameKeys(before, after)) {
      this.#object(before, after);
    } else this.#replace(after);
  }

  #list(before: readonly unknown[], after: readonly unknown[]): void {
    this.#at += 1;
    for (let index = 0; ; index += 1) {
      this.#space();
      const sign = this.text.charAt(this.#at);
      if (sign === ',') {
        this.#at += 1;
        index -= 1;
        continue;
      }
      if (sign === ']' || sign === '') break;
      this.#value(before[index], after[index]);
    }
    this.#at += 1;
  }

  #object(before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>): void {
    this.#at += 1;
    for (;;) {
      this.#space();
      const sign = this.text.charAt(this.#at);
      if (sign === ',') {
        this.#at += 1;
        continue;
      }
      if (sign !== '"') break;
      const start = this.#at;
      this.#skip();
      const key: unknown = JSON.parse(this.text.slice(start, this.#at));
      this.#space();
      // The colon.
      this.#at += 1;
      this.#value(before[String(key)], after[String(key)]);
    }
    this.#at += 1;
  }

  #replace(value: unknown): void {
    this.#parts.push(this.text.slice(this.#copied, this.#at), JSON.stringify(value));
    this.#skip();
    this.#copied = this.#at;
  }

  #space(): void {
    while (this.text.charCodeAt(this.#at) <= 0x20) this.#at += 1;
  }

  /** Moves behind the value at this place. */
  #skip(): void {
    let depth = 0;
    for (;;) {
      const code = this.text.charCodeAt(this.#at);
      if (Number.isNaN(code)) return;
      if (code === 0x22) this.#skipString();
      else if (code === 0x7b || code === 0x5b) {
        depth += 1;
        this.#at += 1;
      } else if (code === 0x7d || code === 0x5d) {
        if (depth === 0) return;
        depth -= 1;
        this.#at += 1;
      } else if (depth === 0) {
        this.#skipScalar();
        return;
      } else this.#at += 1;
      if (depth === 0) return;
    }
  }

  #skipString(): void {
    for (;;) {
      this.#at = this.text.indexOf('"', this.#at + 1);
      if (this.#at < 0) {
        this.#at = this.text.length;
        return;
      }
      let backslashes = 0;
      while (this.text.charCodeAt(this.#at - 1 - backslashes) === 0x5c) backslashes += 1;
      if (backslashes % 2 === 0) {
        this.#at += 1;
        return;
      }
    }
  }

  #skipScalar(): void {
    while (this.#at < this.text.length && !',]}'.includes(this.text.charAt(this.#at))) this.#at += 1;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object with other keys is written again. */
function hasSameKeys(
  one: Readonly<Record<string, unknown>>,
  other: Readonly<Record<string, unknown>>,
): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => Object.hasOwn(other, key));
}

/**
 * Writes a changed value in the form of its original text: numbers above 2^53, the spelling of numbers, spaces and the order
 * of keys stay. An object whose keys change is written again. A key that occurs more than once has the new value everywhere.
 * @param text valid JSON
 * @param before the value of the text
 * @param after the same value with other strings and numbers in it; parts that are identical are copied
 */
export function writeChanges(text: string, before: unknown, after: unknown): string {
  return new ChangeWriter(text).write(before, after);
}
