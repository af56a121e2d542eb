import { z } from 'zod';
import { Exact } from './exact.ts';

/** Decimals of a currency's smallest unit (ISO 4217): 2 for USD, 0 for JPY, 3 for KWD. */
export function minorPlaces(currency: string): number {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  return format.resolvedOptions().maximumFractionDigits ?? 2;
}

/** An ISO 4217 code. */
export const currencyCode = z
  .string()
  .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code, such as USD')
  .refine((code) => Intl.supportedValuesOf('currency').includes(code), 'is not a currency');

/** What provider costs and prices without another currency are in. */
export const COST_CURRENCY = 'USD';

/** Fixed rates: units of each currency for one US dollar, as decimals. */
export type ExchangeRates = Readonly<Record<string, string>>;

/** There is no rate for a currency. */
export class MissingRateError extends Error {
  override readonly name = 'MissingRateError';

  constructor(readonly currency: string) {
    super(
      `There is no exchange rate for ${currency}. Set \`billing.exchange_rates.${currency}\`: units of ${currency} for one ${COST_CURRENCY}.`,
    );
  }
}

/**
 * Converts between currencies by fixed rates.
 *
 * @returns units of `to` for one unit of `from`
 * @throws MissingRateError
 */
export function exchangeRate(rates: ExchangeRates, from: string, to: string): Exact {
  if (from === to) return Exact.ONE;
  return rateOf(rates, to).over(rateOf(rates, from));
}

function rateOf(rates: ExchangeRates, currency: string): Exact {
  if (currency === COST_CURRENCY) return Exact.ONE;
  const rate = Object.hasOwn(rates, currency) ? rates[currency] : undefined;
  if (rate === undefined) throw new MissingRateError(currency);
  return Exact.parse(rate);
}
