import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  type BillingInstallation,
  BY_TEST,
  billingInstallation,
  INSTALLATION_DATABASES,
} from '../../test/support/billing-installation.ts';
import type { UsageEvent } from '../storage/usage-event.ts';
import type { PriceListDocument } from './price-list.ts';
import { DEFAULT_LIST } from './price-lists.ts';

/**
 * A month of 50 tenants with three price changes. The expected amounts are computed from the events, not from stored sums,
 * with integers of 10^-48 units: another arithmetic than the invoices'.
 */
const TENANTS = 50;
const EVENTS = 60;
const NOVEMBER = Date.parse('2026-11-01T00:00:00Z');
const HOUR = 3_600_000;
const ZONES = ['UTC', 'Europe/Zurich', 'America/New_York', 'Asia/Tokyo', 'Asia/Kolkata'];
const RATES: Readonly<Record<string, string>> = { EUR: '0.9137', CHF: '0.88125', JPY: '151.372' };
const TAX = '8.875000000001';

const rule = (model: string, input: string, output: string) => ({ model, prices: { input, output } });
const tiered = (first: string, then: string) => ({
  model: 'llama-*',
  prices: {
    input: {
      tiers: [
        { up_to: 400_000, price: first },
        { up_to: null, price: then },
      ],
    },
    output: '0.7',
    request: '0.000125',
  },
});
/** The default list and its three changes. */
const COMMON: readonly (readonly [validFrom: string, document: PriceListDocument])[] = [
  ['2020-01-01', { margin: '12.5', rules: [rule('gpt-4o', '3', '12'), tiered('0', '0.25')] }],
  ['2026-11-08', { margin: '15', rules: [rule('gpt-4o', '2.75', '11.5'), tiered('0.1', '0.3')] }],
  ['2026-11-15', { margin: '-3.333', rules: [tiered('0.1', '0.3')], discount: '7.7' }],
  [
    '2026-11-22',
    {
      ...{ margin: '20', free_allowance: '1.5', minimum: '2' },
      rules: [{ model: 'gpt-*', margin: '33.333333' }, tiered('0.2', '0.35')],
    },
  ],
];
/** Own lists of some tenants. */
const ownList = (index: number): PriceListDocument | undefined => {
  if (index % 5 === 1) return { currency: 'EUR', discount: '2.5' };
  if (index % 5 === 2) return { currency: 'CHF', free_allowance: '0.05', minimum: '0' };
  if (index % 5 === 3) return { currency: 'JPY', minimum: '5000', rules: [rule('claude-*', '450', '2250')] };
  return undefined;
};

/** A small generator, so that each run has the same month. */
function randomOf(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
}

function monthOf(index: number): Partial<UsageEvent>[] {
  const random = randomOf(index + 1);
  return Array.from({ length: EVENTS }, () => {
    const inputTokens = random(60_000);
    const cachedTokens = random(inputTokens + 1);
    const isFailed = random(12) === 0;
    return {
      // A day before and after the month, too.
      at: NOVEMBER - 24 * HOUR + random(32 * 24 * 3_600) * 1_000,
      keyId: `key_${random(3)}`,
      member: random(2) === 0 ? 'usr_1' : null,
      model: ['gpt-4o', 'gpt-4o-mini', 'llama-8b', 'llama-70b', 'claude-sonnet'][random(5)] ?? '',
      provider: ['openai', 'local'][random(2)] ?? '',
      ...{ inputTokens, cachedTokens, outputTokens: random(8_000) },
      costPico: random(20) === 0 ? null : random(1_000_000_000) * 37 + random(1_000),
      ...(isFailed ? { status: 502, outcome: 'failed' } : {}),
    };
  });
}

const DIGITS = 48;
const UNIT = 10n ** BigInt(DIGITS);

/** A decimal as an integer of 10^-48. */
function fixed(text: string): bigint {
  const negative = text.startsWith('-');
  const [whole = '0', part = ''] = text.replace('-', '').split('.');
  const value = BigInt(whole + part.padEnd(DIGITS, '0'));
  return negative ? -value : value;
}

/** Exact: the factors have few enough decimals. */
function product(a: bigint, b: bigint): bigint {
  const value = a * b;
  if (value % UNIT !== 0n) throw new Error('the product has more decimals than the test computes with');
  return value / UNIT;
}

function rounded(value: bigint, places: number): bigint {
  const unit = 10n ** BigInt(DIGITS - places);
  const magnitude = value < 0n ? -value : value;
  const half = (magnitude + unit / 2n) / unit;
  return value < 0n ? -half : half;
}

/** Local dates from the runtime's own formatter. */
function localDay(at: number, zone: string): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short' }).format(at);
}

interface Expected {
  readonly subtotal: bigint;
  readonly tax: bigint;
  readonly requests: number;
  readonly input: bigint;
}

/** The amount of a month in the smallest units of the currency, from its events. */
function expectedOf(index: number, events: readonly Partial<UsageEvent>[]): Expected {
  const zone = ZONES[index % ZONES.length] ?? 'UTC';
  const own = ownList(index);
  const currency = own?.currency ?? 'USD';
  const places = currency === 'JPY' ? 0 : 2;
  const exchange = fixed(RATES[currency] ?? '1');
  // Usage is summed by hours of UTC; an hour belongs to the day in which it begins, or ends in the zone.
  const dayOf = (at: number) => localDay(at - (at % HOUR), zone);
  const inMonth = events.filter(({ at = 0 }) => dayOf(at).startsWith('2026-11'));
  let subtotal = 0n;
  const tierUsed = new Map<string, bigint>();
  for (const [part, [validFrom, common]] of COMMON.entries()) {
    const end = COMMON[part + 1]?.[0] ?? '9999';
    const used = inMonth.filter(({ at = 0 }) => dayOf(at) >= validFrom && dayOf(at) < end);
    let sum = 0n;
    for (const event of used) {
      const { model = '', inputTokens = 0, outputTokens = 0, costPico = 0, status = 200 } = event;
      const isOwnRule = own?.rules !== undefined && model.startsWith('claude-');
      if (isOwnRule) {
        sum += perMillion(inputTokens, '450') + perMillion(outputTokens, '2250');
        continue;
      }
      if (model.startsWith('llama-')) {
        const counted = tierUsed.get('llama') ?? 0n;
        const prices = common.rules?.find((one) => one.model === 'llama-*')?.prices;
        const tiers = typeof prices?.input === 'object' ? prices.input.tiers : [];
        const room = 400_000n - counted;
        const cheap = room <= 0n ? 0n : room < BigInt(inputTokens) ? room : BigInt(inputTokens);
        const amount =
          perMillion(cheap, tiers[0]?.price ?? '') +
          perMillion(BigInt(inputTokens) - cheap, tiers[1]?.price ?? '') +
          perMillion(outputTokens, '0.7') +
          (status < 400 ? fixed('0.000125') : 0n);
        tierUsed.set('llama', counted + BigInt(inputTokens));
        sum += product(amount, exchange);
        continue;
      }
      const exactRule = common.rules?.find((one) => one.model === model)?.prices;
      if (exactRule && typeof exactRule.input === 'string' && typeof exactRule.output === 'string') {
        const amount = perMillion(inputTokens, exactRule.input) + perMillion(outputTokens, exactRule.output);
        sum += product(amount, exchange);
        continue;
      }
      const wide = common.rules?.find((one) => one.model === 'gpt-*' && model.startsWith('gpt-'));
      const margin = fixed(wide?.margin ?? common.margin ?? '0') / 100n + UNIT;
      const cost = (BigInt(costPico ?? 0) * UNIT) / 10n ** 12n;
      sum += product(product(cost, margin), exchange);
    }
    const discount = own?.discount ?? common.discount ?? '0';
    subtotal += sum - product(sum, fixed(discount) / 100n);
  }
  const last = COMMON.at(-1)?.[1];
  const allowance =
    own?.free_allowance === undefined
      ? product(fixed(last?.free_allowance ?? '0'), exchange)
      : fixed(own.free_allowance);
  subtotal -= allowance < subtotal ? allowance : subtotal;
  const minimum =
    own?.minimum === undefined ? product(fixed(last?.minimum ?? '0'), exchange) : fixed(own.minimum);
  if (subtotal < minimum) subtotal = minimum;
  const units = rounded(subtotal, places);
  const taxed = units * fixed(TAX);
  const percent = UNIT * 100n;
  return {
    subtotal: units,
    tax: (taxed + percent / 2n) / percent,
    requests: inMonth.length,
    input: inMonth.reduce((all, { inputTokens = 0 }) => all + BigInt(inputTokens), 0n),
  };
}

function perMillion(count: number | bigint, price: string): bigint {
  return (BigInt(count) * fixed(price)) / 1_000_000n;
}

const unitsOf = (text: string) => BigInt(text.replace('.', ''));

describe('a month of 50 tenants with three price changes', () => {
  let installation: BillingInstallation;
  const months: Partial<UsageEvent>[][] = [];
  beforeAll(async () => {
    installation = await billingInstallation(INSTALLATION_DATABASES[0], {
      issuer: { name: 'Weir Operations Ltd' },
      taxes: { standard: [{ name: 'Sales tax', rate: TAX }] },
      exchange_rates: RATES,
    });
    installation.setTime(Date.parse('2026-10-01T00:00:00Z'));
    const { priceLists, accounts } = installation.billing;
    for (const [validFrom, document] of COMMON) {
      await priceLists.add(DEFAULT_LIST, validFrom, document, 'price_list:default', BY_TEST);
    }
    for (let index = 0; index < TENANTS; index += 1) {
      const id = `t${String(index).padStart(2, '0')}`;
      await installation.addTenant(id, ZONES[index % ZONES.length]);
      const list = ownList(index);
      if (list) {
        const { account } = await accounts.get(id);
        await priceLists.add(account, '2020-01-01', list, `tenant:${id}`, BY_TEST);
      }
      const events = monthOf(index);
      months.push(events);
      await installation.use(id, events);
    }
  }, 60_000);
  afterAll(() => installation?.dispose());

  test('is invoiced to the last unit', async () => {
    installation.setTime(Date.parse('2026-12-02T00:00:00Z'));
    const { closeRun, invoices } = installation.billing;
    const closed = await closeRun.run({ month: '2026-11', dry_run: false, issue: true }, BY_TEST);
    expect(closed.map(({ error }) => error).filter(Boolean)).toEqual([]);
    const ofTenants = closed.filter(({ tenant }) => tenant !== 'default');
    expect(ofTenants).toHaveLength(TENANTS);
    // The built-in tenant pays the minimum.
    expect(closed.map(({ number }) => number)).toEqual(
      Array.from({ length: TENANTS + 1 }, (_, index) => `INV-2026-${String(index + 1).padStart(5, '0')}`),
    );
    for (const [index, { invoice }] of ofTenants.entries()) {
      const { document } = await invoices.get(invoice ?? '');
      const expected = expectedOf(index, months[index] ?? []);
      const { lines } = document;
      expect([index, unitsOf(document.subtotal), unitsOf(document.tax), unitsOf(document.total)]).toEqual([
        index,
        expected.subtotal,
        expected.tax,
        expected.subtotal + expected.tax,
      ]);
      // Lines add up to the subtotal, and their usage to what was recorded.
      const sum = (of: (line: (typeof lines)[number]) => string | undefined) =>
        lines.reduce((all, line) => all + unitsOf(of(line) ?? '0'), 0n);
      expect(sum(({ amount }) => amount)).toBe(expected.subtotal);
      expect(sum(({ usage }) => usage?.requests)).toBe(BigInt(expected.requests));
      expect(sum(({ usage }) => usage?.input_tokens)).toBe(expected.input);
      expect(document.usage.requests).toBe(String(expected.requests));
    }
  }, 60_000);
});
