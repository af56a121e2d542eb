import { COST_CURRENCY, type ExchangeRates, exchangeRate } from './currency.ts';
import { Exact } from './exact.ts';
import {
  type ActivePrices,
  type ActiveRule,
  type PriceUnit,
  ruleFor,
  STANDARD_TAX,
  type UnitPrice,
} from './price-list.ts';
import { addSums, type BilledSums, type UsageSlice } from './usage-slice.ts';

const PICO = Exact.of(1n, 10n ** 12n);
const HUNDRED = Exact.of(100n);
const MILLION = 1_000_000n;
const SECOND_MS = 1_000n;

/** What lines of an invoice are split by, besides price periods. */
export const LINE_DIMENSIONS = ['model', 'key', 'user'] as const;
export type LineDimension = (typeof LINE_DIMENSIONS)[number];

/** A quantity at one price. */
export interface RatedPart {
  readonly unit: PriceUnit | 'cost';
  /** Tokens, requests, milliseconds; null for the cost. */
  readonly quantity: bigint | null;
  /** In the currency of the invoice, for `per` units; of a cost: the factor of the margin. */
  readonly price: Exact;
  readonly per: bigint;
  readonly amount: Exact;
}

/** A line before rounding. */
export interface RatedLine {
  /** Start of the price period, in Unix milliseconds. */
  readonly start: number;
  readonly model: string;
  readonly key: string;
  readonly user: string;
  readonly list: string;
  readonly taxClass: string;
  readonly sums: BilledSums;
  readonly parts: readonly RatedPart[];
  readonly amount: Exact;
}

/** Units that tiers have counted in a month, by tiered price. */
export type TierVolumes = Map<string, bigint>;

export interface RatingOptions {
  /** The prices of the period that begins at a time. */
  readonly pricesAt: (start: number) => ActivePrices;
  /** Currency of the lines. */
  readonly currency: string;
  readonly rates: ExchangeRates;
  readonly lines: readonly LineDimension[];
  /** Continued: start with an empty map for a month. */
  readonly volumes: TierVolumes;
}

/**
 * Prices usage. Slices of a line are added first, so that the result does not depend on how usage was stored.
 *
 * @returns a line for each price period, model, key, user and rule, in that order, which is also the order of tiers
 * @throws MissingRateError
 */
export function rate(slices: readonly UsageSlice[], options: RatingOptions): RatedLine[] {
  const { pricesAt, lines } = options;
  const groups = new Map<string, Group>();
  for (const slice of slices) {
    const prices = pricesAt(slice.start);
    const active = ruleFor(prices, slice.model, slice.provider);
    const by = {
      start: slice.start,
      model: lines.includes('model') ? slice.model : '',
      key: lines.includes('key') ? slice.key : '',
      user: lines.includes('user') ? slice.user : '',
    };
    const name = JSON.stringify([by, active ? prices.rules.indexOf(active) : null]);
    const known = groups.get(name);
    groups.set(name, {
      ...by,
      ...{ active, prices },
      sums: known ? addSums(known.sums, slice.sums) : slice.sums,
    });
  }
  return [...groups.values()].sort(compareGroups).map((group) => lineOf(group, options));
}

interface Group extends Pick<RatedLine, 'start' | 'model' | 'key' | 'user' | 'sums'> {
  readonly active: ActiveRule | undefined;
  readonly prices: ActivePrices;
}

function compareGroups(a: Group, b: Group): number {
  const place = ({ active, prices }: Group) => (active ? prices.rules.indexOf(active) : prices.rules.length);
  return (
    a.start - b.start ||
    compareText(a.model, b.model) ||
    compareText(a.key, b.key) ||
    compareText(a.user, b.user) ||
    place(a) - place(b)
  );
}

/** By code units: the same everywhere. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function lineOf({ active, prices, ...by }: Group, options: RatingOptions): RatedLine {
  const own = active?.rule.prices;
  const parts = own
    ? pricedParts(by.sums, own, active, options)
    : [costPart(by.sums, active?.rule.margin ?? prices.margin, options)];
  return {
    ...by,
    list: active?.list ?? prices.lists.at(-1) ?? 'cost',
    taxClass: active?.rule.tax_class ?? STANDARD_TAX,
    parts,
    amount: Exact.sum(parts.map(({ amount }) => amount)),
  };
}

function costPart({ cost_pico }: BilledSums, margin: string, options: RatingOptions): RatedPart {
  const factor = Exact.ONE.plus(Exact.parse(margin).over(HUNDRED));
  const cost = Exact.of(cost_pico).times(PICO);
  const price = factor.times(exchangeRate(options.rates, COST_CURRENCY, options.currency));
  return { unit: 'cost', quantity: null, price: factor, per: 1n, amount: cost.times(price) };
}

/** Requests that succeeded, and tokens of each kind once. */
export function quantitiesOf(sums: BilledSums): Record<PriceUnit, bigint> {
  const atLeast0 = (value: bigint) => (value > 0n ? value : 0n);
  return {
    input: atLeast0(sums.input_tokens - sums.cached_tokens - sums.cache_write_tokens),
    cached_input: sums.cached_tokens,
    cache_write: sums.cache_write_tokens,
    output: atLeast0(sums.output_tokens - sums.reasoning_tokens),
    reasoning: sums.reasoning_tokens < sums.output_tokens ? sums.reasoning_tokens : sums.output_tokens,
    // Errors include rejected requests, which are in no other sum.
    request: atLeast0(sums.requests - atLeast0(sums.errors - sums.rejected)),
    second: sums.duration_ms,
  };
}

type OwnPrices = NonNullable<ActiveRule['rule']['prices']>;

/** The price of a unit, and the unit that has it: cached input without a price of its own costs as much as input. */
function priceOf(own: OwnPrices, unit: PriceUnit): [PriceUnit, UnitPrice] | undefined {
  const priced: PriceUnit =
    own[unit] !== undefined
      ? unit
      : unit === 'cached_input' || unit === 'cache_write'
        ? 'input'
        : unit === 'reasoning'
          ? 'output'
          : unit;
  const price = own[priced];
  return price === undefined ? undefined : [priced, price];
}

function perOf(unit: PriceUnit): bigint {
  if (unit === 'request') return 1n;
  return unit === 'second' ? SECOND_MS : MILLION;
}

function pricedParts(
  sums: BilledSums,
  own: OwnPrices,
  { rule, currency, list }: ActiveRule,
  { rates, currency: wanted, volumes }: RatingOptions,
): RatedPart[] {
  const quantities = quantitiesOf(sums);
  const parts: RatedPart[] = [];
  const exchange = exchangeRate(rates, currency, wanted);
  for (const unit of UNIT_ORDER) {
    const quantity = quantities[unit];
    const found = priceOf(own, unit);
    if (quantity === 0n || !found) continue;
    const [priced, price] = found;
    const per = perOf(unit);
    const add = (count: bigint, text: string) => {
      const each = Exact.parse(text).times(exchange);
      parts.push({ unit, quantity: count, price: each, per, amount: each.times(Exact.of(count, per)) });
    };
    if (typeof price === 'string') {
      add(quantity, price);
      continue;
    }
    // A tier's volume continues over price changes, because it belongs to the models, not to a version.
    const counter = JSON.stringify([list.split('/')[0], rule.model, rule.provider ?? null, priced]);
    let used = volumes.get(counter) ?? 0n;
    let left = quantity;
    for (const { up_to, price: text } of price.tiers) {
      const room = up_to === null ? left : BigInt(up_to) * tierScale(unit) - used;
      const count = room < left ? room : left;
      if (count <= 0n) continue;
      add(count, text);
      used += count;
      left -= count;
    }
    volumes.set(counter, used);
  }
  return parts;
}

/** Tiers count seconds; usage counts milliseconds. */
function tierScale(unit: PriceUnit): bigint {
  return unit === 'second' ? SECOND_MS : 1n;
}

const UNIT_ORDER: readonly PriceUnit[] = [
  'input',
  'cached_input',
  'cache_write',
  'output',
  'reasoning',
  'request',
  'second',
];
