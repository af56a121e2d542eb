import assert from 'node:assert/strict';
import { test } from 'node:test';
import plugin from './index.ts';

const host = { id: 'header-router', log: () => undefined, count: () => undefined };
const { strategy } = plugin.setup(
  { header: 'x-region', routes: { eu: 'frankfurt', us: 'ohio/large' }, strict: true },
  host,
);
const facts = { id: '', operation: 'chat', model: 'chat', stream: false, tenant: '', tags: [] } as const;
const target = (provider: string, model: string) => ({ provider, model, weight: 1, tier: 0 });
const targets = [target('ohio', 'small'), target('frankfurt', 'small'), target('ohio', 'large')];
const order = (headers: Record<string, string>) => strategy.order({ ...facts, headers, targets });

test('selects the targets of the header', () => {
  assert.deepEqual(order({ 'x-region': 'eu' }), { order: [1], only: true });
  assert.deepEqual(order({ 'x-region': 'us' }), { order: [2], only: true });
});

test('leaves requests without the header, or with another value, to the strategy of the model', () => {
  assert.equal(order({}), undefined);
  assert.equal(order({ 'x-region': 'asia' }), undefined);
});
