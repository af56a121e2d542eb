import type { Usage } from '../core/usage.ts';
import { costPico, dollarsOfPico } from './price.ts';
import type { ModelPrice } from './price-data.ts';

/** A decimal number: an integer, and how many of its digits are after the decimal point. */
interface Decimal {
  readonly units: bigint;
  readonly places: number;
}

function parse(text: string): Decimal {
  const [whole = '0', fraction = ''] = text.split('.');
  return { units: BigInt(whole + fraction), places: fraction.length };
}

function add(a: Decimal, b: Decimal): Decimal {
  const places = Math.max(a.places, b.places);
  const scaled = ({ units, places: own }: Decimal) => units * 10n ** BigInt(places - own);
  return { units: scaled(a) + scaled(b), places };
}

function format({ units, places }: Decimal): string {
  const digits = units.toString().padStart(places + 1, '0');
  const whole = digits.slice(0, digits.length - places);
  const fraction = digits.slice(digits.length - places).replace(/0+$/, '');
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

/**
 * Cost of a response. Cached input has the price of input where it has none of its own.
 *
 * @returns US dollars as an exact decimal; undefined, not zero, when a price is unknown or depends on the duration
 */
export function costOf(price: ModelPrice, usage: Usage): string | undefined {
  if (price.time) return undefined;
  const pico = costPico(price, usage);
  return pico === undefined ? undefined : dollarsOfPico(pico);
}

const NANO_PLACES = 9;

/** @param cost US dollars, as a decimal. @returns 10^-9 US dollars, rounded down; for metrics and comparisons */
export function nanoUsd(cost: string): number {
  const { units, places } = parse(cost);
  const scaled =
    places <= NANO_PLACES
      ? units * 10n ** BigInt(NANO_PLACES - places)
      : units / 10n ** BigInt(places - NANO_PLACES);
  return Number(scaled);
}

/** @returns the exact sum of two decimals */
export function addCosts(a: string, b: string): string {
  return format(add(parse(a), parse(b)));
}
