/** Seeded pseudo-random numbers: all generated content is determined by a seed text. */

/** A random generator. */
export interface Random {
  /** @returns a number in [0, 1) */
  next(): number;
  /** @param limit at least 1 @returns an integer in [0, limit) */
  int(limit: number): number;
  /** @returns one of the items @throws RangeError for an empty list */
  pick<T>(items: readonly T[]): T;
}

/** @returns two 32-bit halves of a hash of the text; not for security */
export function hashText(text: string): readonly [number, number] {
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 0x01000193);
    low = Math.imul(low + unit, 0x2c1b3c6d) ^ (low >>> 15);
  }
  return [avalanche(high ^ (low >>> 13)), avalanche(low ^ (high << 7))];
}

/** @returns a number in [0, 1) that the text determines */
export function hashFraction(text: string): number {
  return hashText(text)[0] / 0x1_0000_0000;
}

/** @returns the hash as a short text, for use as a seed */
export function hashLabel(text: string): string {
  const [high, low] = hashText(text);
  return `${high.toString(36)}${low.toString(36)}`;
}

/** Creates a generator whose sequence the seed determines. */
export function createRandom(seed: string): Random {
  let [a, b] = hashText(seed);
  const next = () => {
    a = (a + 0x9e3779b9) >>> 0;
    b = avalanche(b ^ a);
    return b / 0x1_0000_0000;
  };
  return {
    next,
    int: (limit) => Math.floor(next() * limit),
    pick: (items) => {
      const item = items[Math.floor(next() * items.length)];
      if (item === undefined) throw new RangeError('The list is empty.');
      return item;
    },
  };
}

/** Mixes all bits. @returns an unsigned 32-bit number */
function avalanche(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x21f0aaad);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
