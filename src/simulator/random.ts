/** Seeded pseudo-random numbers: everything the simulator makes up follows from a seed text. */

export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** A whole number in [0, limit). `limit` is at least 1. */
  int(limit: number): number;
  /** One of the items. Throws a `RangeError` when there is none. */
  pick<T>(items: readonly T[]): T;
}

/** Two 32-bit halves of a hash of the text; not for security. */
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

/** A number in [0, 1) that follows from the text alone. */
export function hashFraction(text: string): number {
  return hashText(text)[0] / 0x1_0000_0000;
}

/** The hash as a short text, for use as a seed. */
export function hashLabel(text: string): string {
  const [high, low] = hashText(text);
  return `${high.toString(36)}${low.toString(36)}`;
}

/** A generator whose whole sequence follows from the seed text. */
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
      if (item === undefined) throw new RangeError('There is nothing to pick from.');
      return item;
    },
  };
}

/** Spreads every input bit over the whole word; the result is an unsigned 32-bit number. */
function avalanche(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x21f0aaad);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
