const DECIMAL = /^-?\d+(?:\.\d+)?$/;
/** Decimals of amounts that are shown before they are rounded. */
const SHOWN_PLACES = 12;

/** An exact fraction. Amounts stay exact until they are rounded to units of a currency, once. */
export class Exact {
  static readonly ZERO = new Exact(0n, 1n);
  static readonly ONE = new Exact(1n, 1n);

  private constructor(
    private readonly numerator: bigint,
    /** Positive. */
    private readonly denominator: bigint,
  ) {}

  /** @param denominator not zero */
  static of(numerator: bigint, denominator = 1n): Exact {
    if (denominator === 0n) throw new RangeError('a fraction cannot have the denominator 0');
    const sign = denominator < 0n ? -1n : 1n;
    const divisor = greatestDivisor(numerator < 0n ? -numerator : numerator, denominator * sign);
    return new Exact((sign * numerator) / divisor, (sign * denominator) / divisor);
  }

  /** @param text a decimal such as `-0.125`. @throws RangeError for other texts */
  static parse(text: string): Exact {
    if (!DECIMAL.test(text)) throw new RangeError(`not a decimal: ${JSON.stringify(text.slice(0, 40))}`);
    const [whole = '0', fraction = ''] = text.split('.');
    return Exact.of(BigInt(whole + fraction), 10n ** BigInt(fraction.length));
  }

  static sum(values: Iterable<Exact>): Exact {
    let sum = Exact.ZERO;
    for (const value of values) sum = sum.plus(value);
    return sum;
  }

  plus(other: Exact): Exact {
    return Exact.of(
      this.numerator * other.denominator + other.numerator * this.denominator,
      this.denominator * other.denominator,
    );
  }

  minus(other: Exact): Exact {
    return this.plus(other.negated());
  }

  times(other: Exact): Exact {
    return Exact.of(this.numerator * other.numerator, this.denominator * other.denominator);
  }

  /** @param other not zero */
  over(other: Exact): Exact {
    return Exact.of(this.numerator * other.denominator, this.denominator * other.numerator);
  }

  negated(): Exact {
    return new Exact(-this.numerator, this.denominator);
  }

  /** @returns a negative number where this is less, 0 where both are equal, otherwise a positive one */
  compare(other: Exact): number {
    const difference = this.numerator * other.denominator - other.numerator * this.denominator;
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  }

  get isZero(): boolean {
    return this.numerator === 0n;
  }

  /** @returns units of 10^-places, rounded half away from zero */
  round(places: number): bigint {
    const scaled = this.numerator * 10n ** BigInt(places);
    const magnitude = scaled < 0n ? -scaled : scaled;
    const rounded = (2n * magnitude + this.denominator) / (2n * this.denominator);
    return scaled < 0n ? -rounded : rounded;
  }

  /** @returns units of 10^-places, rounded down */
  floor(places: number): bigint {
    const scaled = this.numerator * 10n ** BigInt(places);
    const quotient = scaled / this.denominator;
    return scaled < 0n && quotient * this.denominator !== scaled ? quotient - 1n : quotient;
  }

  /** @returns a decimal, rounded half away from zero beyond `places` decimals */
  toDecimal(places = SHOWN_PLACES): string {
    return trimZeros(decimalOf(this.round(places), places));
  }
}

/** @param units of 10^-places. @returns a decimal with exactly so many places */
export function decimalOf(units: bigint, places: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(places + 1, '0');
  const point = digits.length - places;
  const fraction = places === 0 ? '' : `.${digits.slice(point)}`;
  return `${units < 0n ? '-' : ''}${digits.slice(0, point)}${fraction}`;
}

function trimZeros(decimal: string): string {
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal;
}

function greatestDivisor(a: bigint, b: bigint): bigint {
  let [larger, smaller] = [a, b];
  while (smaller !== 0n) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}
