import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { GatewayError } from '../core/errors.ts';
import type { LimitDocument } from '../core/limit-schema.ts';
import { isAddressAllowed } from './address-scope.ts';
import { assertNotLoosened, assertWithinCreator, type KeyRestrictions } from './key-restrictions.ts';

const NONE: KeyRestrictions = { scopes: {}, limits: [], expiresAt: null };
const restrictions = (more: Partial<KeyRestrictions>): KeyRestrictions => ({ ...NONE, ...more });
const limit = (more: Partial<LimitDocument> = {}): LimitDocument => ({
  ...{ of: 'requests', per: 'minute', max: 10, mode: 'enforce', on_store_loss: 'local', ...more },
});
/** @returns the field that would be loosened; undefined for none */
const loosened = (
  before: Partial<KeyRestrictions>,
  after: Partial<KeyRestrictions>,
  check = assertNotLoosened,
) => {
  try {
    check(restrictions(before), restrictions(after));
    return undefined;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'permission_denied') return error.param;
    throw error;
  }
};

describe('tightening is allowed', () => {
  test.each<[string, Partial<KeyRestrictions>, Partial<KeyRestrictions>]>([
    ['nothing', NONE, NONE],
    ['a first limit', {}, { limits: [limit()] }],
    ['a lower limit', { limits: [limit()] }, { limits: [limit({ max: 9 })] }],
    ['a smaller burst', { limits: [limit()] }, { limits: [limit({ burst: 1 })] }],
    ['a stricter mode', { limits: [limit({ mode: 'warn' })] }, { limits: [limit()] }],
    [
      'a smaller budget',
      { limits: [limit({ of: 'cost', per: 'day', max: '10' })] },
      { limits: [limit({ of: 'cost', per: 'day', max: '9.50' })] },
    ],
    ['an earlier expiry', { expiresAt: 10 }, { expiresAt: 9 }],
    ['an expiry', {}, { expiresAt: 9 }],
    ['fewer models', { scopes: { models: ['a*', 'b'] } }, { scopes: { models: ['abc', 'ad*'] } }],
    [
      'a smaller network',
      { scopes: { addresses: ['10.0.0.0/8'] } },
      { scopes: { addresses: ['10.1.0.0/16', '10.2.3.4'] } },
    ],
    ['fewer endpoints', {}, { scopes: { endpoints: ['/v1/embeddings'] } }],
  ])('%s', (_, before, after) => {
    expect(loosened(before, after)).toBeUndefined();
  });
});

describe('loosening is refused, and the error names the field', () => {
  test.each<[string, Partial<KeyRestrictions>, Partial<KeyRestrictions>]>([
    ['limits', { limits: [limit()] }, {}],
    ['limits', { limits: [limit()] }, { limits: [limit({ max: 11 })] }],
    ['limits', { limits: [limit()] }, { limits: [limit({ per: 'second' })] }],
    ['limits', { limits: [limit()] }, { limits: [limit({ mode: 'shadow' })] }],
    ['limits', { limits: [limit({ burst: 2 })] }, { limits: [limit()] }],
    ['limits', { limits: [limit({ on_store_loss: 'refuse' })] }, { limits: [limit()] }],
    [
      'limits',
      { limits: [limit({ of: 'cost', per: 'day', max: '9.50' })] },
      { limits: [limit({ of: 'cost', per: 'day', max: '10' })] },
    ],
    ['expires_at', { expiresAt: 10 }, {}],
    ['expires_at', { expiresAt: 10 }, { expiresAt: 11 }],
    ['scopes.models', { scopes: { models: ['a'] } }, {}],
    ['scopes.models', { scopes: { models: ['a'] } }, { scopes: { models: ['a', 'b'] } }],
    ['scopes.models', { scopes: { models: ['ab*'] } }, { scopes: { models: ['a*'] } }],
    ['scopes.endpoints', { scopes: { endpoints: ['/v1/embeddings'] } }, {}],
    ['scopes.endpoints', {}, { scopes: { endpoints: ['/admin/*'] } }],
    ['scopes.endpoints', {}, { scopes: { endpoints: ['/*'] } }],
    ['scopes.endpoints', {}, { scopes: { endpoints: ['/admin/v1/me'] } }],
    [
      'scopes.addresses',
      { scopes: { addresses: ['10.0.0.0/8'] } },
      { scopes: { addresses: ['10.0.0.0/7'] } },
    ],
    ['scopes.addresses', { scopes: { addresses: ['10.0.0.1'] } }, { scopes: { addresses: ['10.0.0.0/24'] } }],
    ['scopes.addresses', { scopes: { addresses: ['0.0.0.0/0'] } }, { scopes: { addresses: ['::/0'] } }],
  ])('%s', (param, before, after) => {
    expect(loosened(before, after)).toBe(param);
  });
});

test('addresses that pass the check admit no client that was refused before', () => {
  const address = fc.ipV4();
  const range = fc.oneof(
    address,
    fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([ip, bits]) => `${ip}/${bits}`),
  );
  fc.assert(
    fc.property(range, range, address, (outer, inner, client) => {
      if (loosened({ scopes: { addresses: [outer] } }, { scopes: { addresses: [inner] } }) !== undefined)
        return;
      if (isAddressAllowed([inner], client)) expect(isAddressAllowed([outer], client)).toBe(true);
    }),
    { numRuns: runs(1_000) },
  );
});

describe('a key that another key creates', () => {
  test('does no more with models than its creator', () => {
    const creator = { scopes: { models: ['a*'], endpoints: ['/admin/*'] }, expiresAt: 10 };
    const within = (wanted: Partial<KeyRestrictions>) => loosened(creator, wanted, assertWithinCreator);
    expect(within({ scopes: { models: ['ab'] }, expiresAt: 10 })).toBeUndefined();
    expect(within({ scopes: {}, expiresAt: 10 })).toBe('scopes.models');
    expect(within({ scopes: { models: ['ab'] } })).toBe('expires_at');
  });
});
