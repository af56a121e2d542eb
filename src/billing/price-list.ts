import { z } from 'zod';
import { matchesAny } from '../core/model-scope.ts';
import { currencyCode } from './currency.ts';

/** What a price can be for. Tokens have prices per million. */
export const TOKEN_UNITS = ['input', 'cached_input', 'cache_write', 'output', 'reasoning'] as const;
export const PRICE_UNITS = [...TOKEN_UNITS, 'request', 'second'] as const;
export type PriceUnit = (typeof PRICE_UNITS)[number];

/** A decimal of at least 0. */
export const amountText = z
  .string()
  .regex(/^\d{1,12}(?:\.\d{1,12})?$/, 'must be a decimal in quotes, such as "0.15"');
const percent = z
  .string()
  .regex(/^-?\d{1,6}(?:\.\d{1,12})?$/, 'must be a percentage in quotes, such as "20" or "-5.5"');
const margin = percent.refine((text) => Number(text) >= -100, 'must be at least "-100"');
const discount = percent.refine(
  (text) => Number(text) >= 0 && Number(text) <= 100,
  'must be from "0" to "100"',
);

const tier = z.strictObject({
  up_to: z
    .int()
    .min(1)
    .nullable()
    .describe('The last unit of the month at this price; null for all further units.'),
  price: amountText,
});
const tiers = z
  .array(tier)
  .min(1)
  .max(20)
  .refine(
    (list) =>
      list.every(({ up_to }, index) => {
        const before = list[index - 1]?.up_to;
        return index === list.length - 1 ? up_to === null : up_to !== null && up_to > (before ?? 0);
      }),
    'must rise in `up_to`, and end with null',
  );

const price = z.union([amountText, z.strictObject({ tiers })]);
export type UnitPrice = z.output<typeof price>;

const prices = z
  .strictObject({
    input: price.optional().describe('Per million input tokens that no cache served.'),
    cached_input: price
      .optional()
      .describe('Per million input tokens read from a prompt cache. Default: `input`.'),
    cache_write: price
      .optional()
      .describe('Per million input tokens written to a prompt cache. Default: `input`.'),
    output: price.optional().describe('Per million output tokens.'),
    reasoning: price
      .optional()
      .describe('Per million reasoning tokens, which are a part of the output. Default: `output`.'),
    request: price.optional().describe('Per successful request, responses of the cache included.'),
    second: price.optional().describe('Per second that attempts took, for engines that are billed by time.'),
  })
  .refine((units) => Object.keys(units).length > 0, 'must have at least one price');

export const taxClass = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,30}$/, 'must be 1 to 31 lowercase letters, digits and "_"');
export const STANDARD_TAX = 'standard';

const rule = z
  .strictObject({
    model: z.string().min(1).max(300).describe('A model of the configuration, or a prefix and `*`.'),
    provider: z.string().min(1).max(100).optional().describe('Only at this provider.'),
    margin: margin.optional().describe('Percent on the cost; negative for less than the cost.'),
    prices: prices.optional().describe('Own prices, instead of the cost.'),
    tax_class: taxClass.optional().describe(`Default: \`${STANDARD_TAX}\`.`),
  })
  .refine(({ margin: on, prices: own }) => (on === undefined) !== (own === undefined), {
    message: 'must have either `margin` or `prices`',
  });
export type PriceRule = z.output<typeof rule>;

/** One version of a price list. Absent members are those of the default list. */
export const priceListDocument = z.strictObject({
  currency: currencyCode
    .optional()
    .describe('Currency of its prices, and of invoices. Default: that of the default list, else USD.'),
  margin: margin
    .optional()
    .describe('Percent on the cost of usage that no rule matches. Default: "0", the cost itself.'),
  discount: discount.optional().describe('Percent off all usage, shown as a line.'),
  rules: z.array(rule).max(1_000).optional().describe('The first that matches applies.'),
  free_allowance: amountText.optional().describe('Usage of each month that is free, in the currency.'),
  minimum: amountText.optional().describe('The least amount of each month, before tax.'),
});
export type PriceListDocument = z.output<typeof priceListDocument>;

/** A stored version. */
export interface PriceListVersion {
  /** From 1, for each list. */
  readonly version: number;
  /** First day, in the time zone of the tenant: `2026-12-01`. */
  readonly validFrom: string;
  readonly document: PriceListDocument;
  readonly createdAt: number;
  readonly createdBy: string;
}

/** A rule with the list that it comes from. */
export interface ActiveRule {
  readonly rule: PriceRule;
  /** Currency of its prices. */
  readonly currency: string;
  readonly list: ListName;
}

/** Such as `default/3` or `tenant/1`. */
export type ListName = string;

/** The prices of one tenant at one time. */
export interface ActivePrices {
  readonly currency: string;
  readonly margin: string;
  readonly discount: string;
  readonly rules: readonly ActiveRule[];
  readonly freeAllowance: string;
  /** Of the free allowance and the minimum. */
  readonly allowanceCurrency: string;
  readonly minimum: string;
  readonly minimumCurrency: string;
  /** The lists that apply, for the invoice. */
  readonly lists: readonly ListName[];
}

/**
 * @param day `2026-12-01`
 * @param knownAt only versions that were created until then, in Unix milliseconds
 * @returns the version that is valid on a day: of the latest start, the latest version
 */
export function versionOn(
  versions: readonly PriceListVersion[],
  day: string,
  knownAt: number,
): PriceListVersion | undefined {
  let found: PriceListVersion | undefined;
  for (const one of versions) {
    if (one.validFrom > day || one.createdAt > knownAt) continue;
    const isLater =
      !found ||
      one.validFrom > found.validFrom ||
      (one.validFrom === found.validFrom && one.version > found.version);
    if (isLater) found = one;
  }
  return found;
}

/** Joins the version of the default list with that of the tenant's own list, whose members come first. */
export function activePrices(
  common: PriceListVersion | undefined,
  own: PriceListVersion | undefined,
): ActivePrices {
  const base = common?.document ?? {};
  const over = own?.document ?? {};
  const baseCurrency = base.currency ?? 'USD';
  const currency = over.currency ?? baseCurrency;
  const rulesOf = (version: PriceListVersion | undefined, name: string, of: string): ActiveRule[] =>
    (version?.document.rules ?? []).map((rule) => ({
      rule,
      currency: of,
      list: `${name}/${version?.version ?? 0}`,
    }));
  return {
    currency,
    margin: over.margin ?? base.margin ?? '0',
    discount: over.discount ?? base.discount ?? '0',
    rules: [...rulesOf(own, 'tenant', currency), ...rulesOf(common, 'default', baseCurrency)],
    freeAllowance: over.free_allowance ?? base.free_allowance ?? '0',
    allowanceCurrency: over.free_allowance === undefined ? baseCurrency : currency,
    minimum: over.minimum ?? base.minimum ?? '0',
    minimumCurrency: over.minimum === undefined ? baseCurrency : currency,
    lists: [...(common ? [`default/${common.version}`] : []), ...(own ? [`tenant/${own.version}`] : [])],
  };
}

/** @returns the first rule that matches; undefined where none does */
export function ruleFor({ rules }: ActivePrices, model: string, provider: string): ActiveRule | undefined {
  return rules.find(
    ({ rule }) =>
      matchesAny([rule.model], model) && (rule.provider === undefined || rule.provider === provider),
  );
}
