/** Of 10 bits for each text: one test in 120 passes without a match. */
const BITS_EACH = 10;
const HASHES = 7;

/** A Bloom filter: says for certain that a text is not in a batch, and otherwise that it may be. */
export class BatchFilter {
  private constructor(private readonly bytes: Uint8Array) {}

  static of(texts: ReadonlySet<string>): BatchFilter {
    const bytes = new Uint8Array(Math.max(8, Math.ceil((texts.size * BITS_EACH) / 8)));
    for (const text of texts) {
      for (const bit of bitsOf(text, bytes.length * 8)) {
        const at = bit >>> 3;
        bytes[at] = (bytes[at] ?? 0) | (1 << (bit & 7));
      }
    }
    return new BatchFilter(bytes);
  }

  /** @param text which `toString` wrote; a filter of any other text may exclude what is in its batch */
  static parse(text: string): BatchFilter {
    return new BatchFilter(Buffer.from(text, 'base64'));
  }

  /** @returns false where the text is not in the batch */
  mayHave(text: string): boolean {
    if (this.bytes.length === 0) return true;
    return bitsOf(text, this.bytes.length * 8).every(
      (bit) => ((this.bytes[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0,
    );
  }

  toString(): string {
    return Buffer.from(this.bytes).toString('base64');
  }
}

/** @returns the bits of a text, from two hashes (Kirsch and Mitzenmacher, "Less hashing, same performance") */
function bitsOf(text: string, size: number): number[] {
  let first = 0x811c9dc5;
  let second = 0x9747b28c;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    first = Math.imul(first ^ code, 0x01000193);
    second = Math.imul((second ^ code) >>> 1, 0x5bd1e995) ^ (second >>> 15);
  }
  first = (first ^ (first >>> 16)) >>> 0;
  second = (Math.imul(second ^ (second >>> 13), 0x5bd1e995) | 1) >>> 0;
  return Array.from({ length: HASHES }, (_, index) => (first + index * second) % size);
}
