import { type ExchangeRates, exchangeRate } from './currency.ts';
import { Exact } from './exact.ts';
import type { OpenLine } from './invoice-totals.ts';
import { type ActivePrices, STANDARD_TAX } from './price-list.ts';
import { type LineDimension, type RatedLine, rate } from './rating.ts';
import { type BilledSums, quantitySums, type UsageSlice } from './usage-slice.ts';

const HUNDRED = Exact.of(100n);

/** Part of a month with the same prices. */
export interface PricePeriod {
  /** Unix milliseconds. */
  readonly start: number;
  readonly end: number;
  readonly prices: ActivePrices;
}

/** How a month is charged. */
export interface MonthTerms {
  /** `2026-11`. */
  readonly month: string;
  /** In order, without gaps; at least one. The last one's free allowance and minimum apply to the month. */
  readonly periods: readonly PricePeriod[];
  readonly currency: string;
  readonly rates: ExchangeRates;
  readonly lines: readonly LineDimension[];
}

/** Names of keys and users by id. */
export type Names = ReadonlyMap<string, string>;

/**
 * Charges a month: a line for each price period, model, key and user, then discount, free allowance and minimum.
 *
 * @throws MissingRateError
 */
export function chargeMonth(slices: readonly UsageSlice[], terms: MonthTerms, names: Names): OpenLine[] {
  const rated = rateMonth(slices, terms);
  const usage = rated.map((line) => usageLine(line, terms, names, null));
  return [...usage, ...reductions(usage, terms)];
}

/**
 * Charges usage of a closed month that arrived after its close: as much as the month with it costs more than without it.
 *
 * @param billed what invoices contain of the month
 */
export function chargeLate(
  late: readonly UsageSlice[],
  billed: readonly UsageSlice[],
  terms: MonthTerms,
  names: Names,
): OpenLine[] {
  const volumes = new Map<string, bigint>();
  rateMonth(billed, terms, volumes);
  // Tiers continue where the invoice of the month ended.
  const usage = rateMonth(late, terms, volumes).map((line) => usageLine(line, terms, names, terms.month));
  const before = byTaxClass(chargeMonth(billed, terms, names));
  const after = byTaxClass(chargeMonth([...billed, ...late], terms, names));
  const charged = byTaxClass(usage);
  const classes = [...new Set([...before.keys(), ...after.keys()])].sort();
  const adjustments = classes.flatMap((taxClass): OpenLine[] => {
    const of = (amounts: ReadonlyMap<string, Exact>) => amounts.get(taxClass) ?? Exact.ZERO;
    const exact = of(after).minus(of(before)).minus(of(charged));
    if (exact.isZero) return [];
    const description = 'Discount, free allowance, minimum and tiers of the month, with this usage';
    return [{ ...plainLine('adjustment', description, taxClass, exact), late_for: terms.month }];
  });
  return [...usage, ...adjustments];
}

function rateMonth(
  slices: readonly UsageSlice[],
  { periods, currency, rates, lines }: MonthTerms,
  volumes = new Map<string, bigint>(),
): RatedLine[] {
  const byStart = new Map(periods.map(({ start, prices }) => [start, prices]));
  const pricesAt = (start: number) => {
    const prices = byStart.get(start);
    if (!prices) throw new RangeError(`no price period begins at ${new Date(start).toISOString()}`);
    return prices;
  };
  return rate(slices, { pricesAt, currency, rates, lines, volumes });
}

/** A line that is no usage. */
export function plainLine(
  type: OpenLine['type'],
  description: string,
  taxClass: string,
  exact: Exact,
): OpenLine {
  return {
    ...{ type, description, tax_class: taxClass, exact },
    ...{ late_for: null, from: null, to: null, model: null, key: null, user: null, price_list: null },
    ...{ usage: null, parts: [] },
  };
}

function usageLine(
  line: RatedLine,
  { periods, lines }: MonthTerms,
  names: Names,
  lateFor: string | null,
): OpenLine {
  const { start, model, key, user, list, taxClass, sums, parts, amount } = line;
  const period = periods.find((one) => one.start === start);
  const isBy = (dimension: LineDimension) => lines.includes(dimension);
  const named = (id: string) => ({ id, name: names.get(id) ?? null });
  return {
    type: 'usage',
    description: isBy('model') ? model : 'Usage',
    late_for: lateFor,
    from: new Date(start).toISOString(),
    to: period ? new Date(period.end).toISOString() : null,
    model: isBy('model') ? model : null,
    key: isBy('key') ? named(key) : null,
    user: isBy('user') && user !== '' ? named(user) : null,
    price_list: list,
    tax_class: taxClass,
    usage: usageTexts(sums),
    parts: parts.map((part) => ({
      unit: part.unit,
      quantity: part.quantity === null ? null : String(part.quantity),
      price: part.price.toDecimal(),
      per: String(part.per),
      amount_exact: part.amount.toDecimal(),
    })),
    exact: amount,
  };
}

/** Sums as an invoice contains them. */
export function usageTexts(sums: BilledSums): Record<string, string> {
  const counts = Object.entries(quantitySums(sums)).map(([name, value]) => [name, String(value)]);
  return {
    ...Object.fromEntries(counts),
    cost_usd: Exact.of(sums.cost_pico, 10n ** 12n).toDecimal(),
  };
}

/** Discount, free allowance and minimum, each as lines of the tax classes that they reduce. */
function reductions(usage: readonly OpenLine[], terms: MonthTerms): OpenLine[] {
  const { periods, currency, rates } = terms;
  const discounts = periods.flatMap(({ start, end, prices: { discount } }) => {
    const from = new Date(start).toISOString();
    const factor = Exact.parse(discount).over(HUNDRED);
    if (factor.isZero) return [];
    const amounts = byTaxClass(usage.filter((line) => line.from === from));
    return [...amounts].flatMap(([taxClass, amount]): OpenLine[] => {
      if (amount.isZero) return [];
      const line = plainLine('discount', `Discount ${discount} %`, taxClass, amount.times(factor).negated());
      return [{ ...line, from, to: new Date(end).toISOString() }];
    });
  });
  const last = periods.at(-1)?.prices;
  if (!last) return discounts;
  const net = byTaxClass([...usage, ...discounts]);
  const sum = Exact.sum(net.values());
  const convert = (text: string, from: string) =>
    text === '0' ? Exact.ZERO : Exact.parse(text).times(exchangeRate(rates, from, currency));
  const allowance = convert(last.freeAllowance, last.allowanceCurrency);
  const free = allowance.compare(sum) < 0 ? allowance : sum;
  const lines: OpenLine[] = [...discounts];
  if (free.compare(Exact.ZERO) > 0) {
    for (const [taxClass, amount] of net) {
      if (amount.isZero) continue;
      const part = free.times(amount).over(sum).negated();
      lines.push(plainLine('free_allowance', 'Free allowance', taxClass, part));
    }
  }
  const missing = convert(last.minimum, last.minimumCurrency).minus(sum.minus(free));
  if (missing.compare(Exact.ZERO) > 0) {
    lines.push(plainLine('minimum', 'Up to the minimum of the month', STANDARD_TAX, missing));
  }
  return lines;
}

/** Sums of lines by tax class, in the order of the classes' names. */
function byTaxClass(lines: readonly OpenLine[]): Map<string, Exact> {
  const sums = new Map<string, Exact>();
  for (const { tax_class, exact } of lines) {
    sums.set(tax_class, (sums.get(tax_class) ?? Exact.ZERO).plus(exact));
  }
  return new Map([...sums].sort(([a], [b]) => (a < b ? -1 : 1)));
}
