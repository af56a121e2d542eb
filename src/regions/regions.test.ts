import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { portionOf } from '../core/limit-portion.ts';
import { limitOf } from '../core/limit-schema.ts';
import type { TenantResidency } from '../core/region.ts';
import { type Region, type RegionSettings, Regions } from './regions.ts';

const region = (id: string, more: Partial<Region> = {}): Region => ({
  ...{ id, address: `https://${id}.example`, share: null, failover: 'automatic', state: 'auto' },
  ...more,
});
const settings = (own: string | null, ...regions: Region[]): RegionSettings => ({
  ...{ own, regions, failoverShare: 0.1 },
});
const residency = (more: Partial<TenantResidency> = {}): TenantResidency => ({
  ...{ region: 'eu', allowed: ['eu', 'us'], failover: [], elsewhere: 'reject' },
  ...more,
});
const placed = (all: RegionSettings, of: TenantResidency, ...down: string[]) =>
  new Regions(all, (id) => !down.includes(id)).place(of);

describe('placement', () => {
  const three = (own: string, eu: Partial<Region> = {}) =>
    settings(own, region('eu', eu), region('us'), region('ap'));

  test('the home region serves, and others name it', () => {
    expect(placed(three('eu'), residency())).toEqual({ kind: 'here', isFailover: false });
    expect(placed(three('us'), residency())).toEqual({ kind: 'there', region: region('eu') });
  });

  test('without regions, a gateway serves every tenant', () => {
    expect(placed(settings(null), residency())).toEqual({ kind: 'here', isFailover: false });
  });

  test('a tenant without failover is served nowhere while its home region is down', () => {
    expect(placed(three('us'), residency(), 'eu')).toEqual({ kind: 'nowhere' });
  });

  test('the first failover region that is up takes over, and others name it', () => {
    const of = residency({ failover: ['us', 'ap'] });
    expect(placed(three('us'), of, 'eu')).toEqual({ kind: 'here', isFailover: true });
    expect(placed(three('ap'), of, 'eu')).toEqual({ kind: 'there', region: region('us') });
    expect(placed(three('ap'), of, 'eu', 'us')).toEqual({ kind: 'here', isFailover: true });
  });

  test('a region never judges its own health by checks, but by what operators say', () => {
    const of = residency({ failover: ['us'] });
    expect(placed(three('eu'), of, 'eu').kind).toBe('here');
    expect(placed(three('eu', { state: 'down' }), of)).toEqual({ kind: 'there', region: region('us') });
    expect(placed(three('us', { state: 'down' }), of)).toEqual({ kind: 'here', isFailover: true });
    expect(placed(three('us', { state: 'up' }), of, 'eu').kind).toBe('there');
  });

  test('with manual failover, checks decide nothing', () => {
    const of = residency({ failover: ['us'] });
    expect(placed(three('us', { failover: 'manual' }), of, 'eu').kind).toBe('there');
    expect(placed(three('us', { failover: 'manual', state: 'down' }), of)).toMatchObject({
      isFailover: true,
    });
  });

  test('a home region that is not configured is not available', () => {
    expect(placed(settings('us', region('us')), residency())).toEqual({ kind: 'nowhere' });
  });
});

describe('parts of limits', () => {
  const limits = [
    limitOf({ of: 'cost', per: 'month', max: '100.000000001', mode: 'enforce', on_store_loss: 'local' }),
    limitOf({ of: 'requests', per: 'minute', max: 1, burst: 2, mode: 'enforce', on_store_loss: 'local' }),
  ];

  test('a tenant with a home region has all of them there, and a part in failover', () => {
    const home = new Regions(settings('eu', region('eu'), region('us')), () => true);
    expect(home.portion(residency())).toBeUndefined();
    const away = new Regions(settings('us', region('eu'), region('us')), () => true).portion(residency());
    expect(portionOf(limits, away).map(({ max }) => max)).toEqual([10_000_000_000, 1]);
  });

  test('with one region, all limits hold in full', () => {
    expect(new Regions(settings('eu', region('eu')), () => true).portion(undefined)).toBeUndefined();
    expect(new Regions(settings(null), () => true).areSeveral).toBe(false);
  });

  test('rates have a part of at least 1', () => {
    const regions = new Regions(settings('us', region('eu'), region('us')), () => true);
    expect(portionOf(limits, regions.portion(undefined))[1]).toMatchObject({ max: 1, burst: 1 });
  });

  test('quotas and budgets of all regions add up to exactly the whole, for any shares and amounts', () => {
    const share = fc.option(fc.double({ min: 0, max: 1, noNaN: true }));
    const shares = fc.array(share, { minLength: 2, maxLength: 6 }).map((list) => {
      const sum = list.reduce<number>((total, one) => total + (one ?? 0), 0);
      return list.map((one) => (one === null || sum <= 1 ? one : one / sum));
    });
    fc.assert(
      fc.property(shares, fc.integer({ min: 0, max: 9_000_000_000_000_000 }), (list, max) => {
        const all = list.map((one, index) => region(`r${index}`, { share: one }));
        const [budget] = limits;
        if (!budget) throw new Error('no limit');
        const parts = all.map(({ id }) => {
          const portion = new Regions(settings(id, ...all), () => true).portion(undefined);
          return portionOf([{ ...budget, max }], portion)[0]?.max ?? Number.NaN;
        });
        const sum = parts.reduce((total, part) => total + part, 0);
        expect(Math.min(...parts)).toBeGreaterThanOrEqual(0);
        expect(sum).toBeLessThanOrEqual(max);
        // Where a region has no share of its own, it gets all that is left.
        if (list.includes(null)) expect(sum).toBe(max);
      }),
      { numRuns: 300 },
    );
  });
});
