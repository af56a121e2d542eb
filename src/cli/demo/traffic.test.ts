import { expect, test } from 'bun:test';
import { createRandom } from '../../simulator/random.ts';
import { eventOf, lineOf, REJECTED } from '../../storage/usage-event.ts';
import { DEMO_MODELS, DEMO_PROVIDERS, DEMO_TENANTS } from './organisations.ts';
import { DEMO_HOURS, demoHistory, demoTraffic } from './traffic.ts';

const END = Date.parse('2026-11-25T12:34:56Z');
const HOUR_MS = 3_600_000;

const traffic = (seed: string) =>
  DEMO_TENANTS.flatMap((tenant) => {
    const keys = new Map(tenant.keys.map(({ name }) => [name, { id: `key ${name}`, member: null }]));
    return demoTraffic({ tenant, names: { keys }, end: END, random: createRandom(`${seed} ${tenant.id}`) });
  });

test('the same seed generates the same traffic, another seed another', () => {
  expect(traffic('a')).toEqual(traffic('a'));
  expect(traffic('a')).not.toEqual(traffic('b'));
});

test('events are as gateways store them, in their hours, with ids of their own', () => {
  const hours = traffic('weir');
  const events = hours.flat();
  expect(events.length).toBeGreaterThan(20_000);
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  for (const [index, hour] of hours.entries()) {
    const from = END - (DEMO_HOURS - (index % DEMO_HOURS)) * HOUR_MS;
    expect(hour.every(({ at }) => at >= from && at < from + HOUR_MS)).toBe(true);
  }
  for (const event of events.slice(0, 2_000)) expect(eventOf(lineOf(event))).toEqual(event);
  const requests = new Map<string, number>();
  for (const { requestId, requests: count, outcome } of events) {
    requests.set(requestId, (requests.get(requestId) ?? 0) + (outcome === REJECTED ? 1 : count));
  }
  expect([...requests.values()].every((count) => count === 1)).toBe(true);
});

test('the weeks before have fewer events, with ids of their own, up to where the two weeks begin', () => {
  const [tenant] = DEMO_TENANTS;
  if (!tenant) throw new Error('the demo has no tenant');
  const keys = new Map(tenant.keys.map(({ name }) => [name, { id: `key ${name}`, member: null }]));
  const plan = { tenant, names: { keys }, end: END, random: createRandom('a') };
  const before = demoHistory(plan, DEMO_HOURS + 14 * 24).flat();
  const after = demoTraffic(plan).flat();
  const start = END - DEMO_HOURS * HOUR_MS;
  expect(before.every(({ at }) => at >= start - 14 * 24 * HOUR_MS && at < start)).toBe(true);
  expect(before.length).toBeGreaterThan(1_000);
  expect(before.length).toBeLessThan(after.length / 3);
  expect(new Set([...before, ...after].map(({ id }) => id)).size).toBe(before.length + after.length);
});

test('there are nights, failures, rejections, hits and every model at a provider of it', () => {
  const events = traffic('weir').flat();
  const atHour = (hour: number) => events.filter(({ at }) => new Date(at).getUTCHours() === hour).length;
  expect(atHour(11)).toBeGreaterThan(2 * atHour(5));
  for (const outcome of ['done', 'failed', 'cached', 'client_gone', REJECTED]) {
    expect(events.filter((event) => event.outcome === outcome).length).toBeGreaterThan(20);
  }
  for (const { id, providers } of DEMO_MODELS) {
    const served = events.filter(({ model, outcome }) => model === id && outcome === 'done');
    expect(served.every(({ provider }) => providers.includes(provider))).toBe(true);
    expect(served.length).toBeGreaterThan(0);
    expect(providers.every((provider) => DEMO_PROVIDERS.includes(provider))).toBe(true);
  }
});
