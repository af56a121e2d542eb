import type { ModelPrice, TokenPrice } from './price-data.ts';

/** Decimals that prices may have. */
const MAX_PLACES = 12;

/**
 * Multiplies two decimals.
 * @returns the exact product, rounded half up beyond twelve decimals
 */
export function multiplyDecimals(a: string, b: string): string {
  const [units, places] = [unitsOf(a) * unitsOf(b), placesOf(a) + placesOf(b)];
  const dropped = Math.max(0, places - MAX_PLACES);
  const scale = 10n ** BigInt(dropped);
  const digits = String((units + scale / 2n) / scale).padStart(places - dropped + 1, '0');
  const point = digits.length - (places - dropped);
  const fraction = digits.slice(point).replace(/0+$/, '');
  return fraction === '' ? digits.slice(0, point) : `${digits.slice(0, point)}.${fraction}`;
}

/** Multiplies all prices of a model with a decimal. */
export function scalePrice(price: ModelPrice, factor: string): ModelPrice {
  const of = (token: TokenPrice): TokenPrice => ({
    base: multiplyDecimals(token.base, factor),
    ...(token.tiers && {
      tiers: token.tiers.map(({ fromTokens, price: its }) => ({
        fromTokens,
        price: multiplyDecimals(its, factor),
      })),
    }),
  });
  const { input, output, cachedInput, cacheWrite, time } = price;
  return {
    ...(input && { input: of(input) }),
    ...(output && { output: of(output) }),
    ...(cachedInput && { cachedInput: of(cachedInput) }),
    ...(cacheWrite && { cacheWrite: of(cacheWrite) }),
    ...(time && { time: { ...time, perHour: multiplyDecimals(time.perHour, factor) } }),
  };
}

function unitsOf(decimal: string): bigint {
  return BigInt(decimal.replace('.', ''));
}

function placesOf(decimal: string): number {
  const point = decimal.indexOf('.');
  return point < 0 ? 0 : decimal.length - point - 1;
}
