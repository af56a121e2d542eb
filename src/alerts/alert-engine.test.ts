import { afterEach, describe, expect, test } from 'bun:test';
import { type AlertInstallation, alertInstallation } from '../../test/support/alert-installation.ts';
import { startHttpReceiver } from '../../test/support/alert-receivers.ts';
import { BY_TEST } from '../../test/support/billing-installation.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { AlertEngine, TENANTS_AT_ONCE } from './alert-engine.ts';
import { EffectiveRules } from './effective-rules.ts';
import { TenantEvaluation } from './tenant-evaluation.ts';

const MINUTE = 60_000;
const START = '2026-11-18T10:00:00Z';

const opened: { dispose(): Promise<void> | void }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.dispose();
});

async function open(alerts: Readonly<Record<string, unknown>> = {}): Promise<AlertInstallation> {
  const one = await alertInstallation({ alerts: { group_wait: '0s', ...alerts } }, START);
  opened.push(one);
  return one;
}

const QUEUE = [{ kind: 'queue_depth', subject: '', value: 500, detail: '' }] as const;

describe('the evaluation of alerts', () => {
  test('is done by one gateway at a time, and another takes over', async () => {
    const one = await open();
    const [first, second] = [one.gateway('gw_1'), one.gateway('gw_2')];
    one.observed = QUEUE;
    for (let minute = 0; minute < 3; minute += 1) {
      one.now += 20_000;
      await one.round(first);
      await one.round(second);
    }
    expect(await one.events()).toEqual([]);
    one.now += 20_000;
    await first.close();
    await one.round(second);
    // The pending time of the first one counts.
    expect(await one.events()).toEqual([['alert.fired', '', 'queue_depth']]);
    await second.close();
  });

  test('ends alerts of rules that are turned off, and of tenants that are deleted', async () => {
    const one = await open();
    const { stores } = one.installation;
    const gateway = one.gateway('gw_1');
    one.observed = QUEUE;
    for (let minute = 0; minute < 3; minute += 1) {
      one.now += MINUTE;
      await one.round(gateway);
    }
    await gateway.alerts.rules.put(
      null,
      await settings('queue_depth'),
      { id: 'queue_depth', enabled: false },
      BY_TEST,
    );
    one.now += 10_000;
    await one.round(gateway);
    expect((await one.events()).map(([type]) => type)).toEqual(['alert.fired', 'alert.resolved']);
    const rows = await stores.control.selectFrom('alerts').select(['state', 'open_key']).execute();
    expect(rows).toEqual([{ state: 'resolved', open_key: null }]);
    await gateway.close();
  });

  test('a receiver that fails is retried, reported and does not delay others', async () => {
    const http = await startHttpReceiver();
    opened.push({ dispose: () => http.close() });
    const hook = { type: 'webhook', secret: null } as const;
    const one = await open({
      receivers: [
        { id: 'bad', ...hook, url: `${http.url}/bad` },
        { id: 'refused', ...hook, url: 'http://127.0.0.1:9/' },
      ],
      repeat_interval: '24d',
    });
    http.respond(503);
    const gateway = one.gateway('gw_1');
    one.observed = QUEUE;
    for (let minute = 0; minute < 900; minute += 20) {
      one.now += 20 * MINUTE;
      await one.round(gateway);
    }
    const messages = await one.installation.stores.control.selectFrom('alert_messages').selectAll().execute();
    expect(messages.map(({ receiver, state, error }) => [receiver, state, error]).sort()).toEqual([
      ['config:bad', 'failed', 'HTTP 503'],
      ['config:refused', 'failed', expect.stringContaining('could not be reached')],
    ]);
    expect(
      new Set(http.requests.map(({ headers }) => headers['webhook-id'] ?? headers['content-type'])).size,
    ).toBe(1);
    expect((await one.events()).filter(([type]) => type === 'alert.undelivered')).toHaveLength(2);
    await gateway.close();
  });

  test('visits so many tenants in a tick, and those with failures in each', async () => {
    const visited: string[][] = [];
    const clock = new FakeClock();
    const tenants = Array.from({ length: 1_000 }, (_, index) => ({ id: `t${index}`, timeZone: 'UTC' }));
    const one = await open();
    const { control } = one.installation.stores;
    let statements = 0;
    const counting = control.withPlugin({
      transformQuery: ({ node }) => {
        statements += 1;
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    const engine = new AlertEngine({
      ...{ control: counting, clock, owner: 'gw_1', tenants: () => tenants },
      settings: () => ({
        ...{ enabled: true, rules: [], receivers: [], groupWaitMs: 0, groupIntervalMs: 0 },
        ...{ repeatIntervalMs: 0, historyMs: 0, consoleUrl: null, runbooksUrl: null },
      }),
      usage: { failingTenants: async () => ['t998', 't999'] },
      evaluation: {
        retain: () => undefined,
        visit: async ({ id }) => {
          visited.at(-1)?.push(id);
          return { evaluations: [], windows: new Map() };
        },
      },
      transitions: { apply: async () => undefined, end: async () => undefined },
      onFailure: (error) => {
        throw error;
      },
    });
    for (let tick = 0; tick < 11; tick += 1) {
      visited.push([]);
      clock.advance(10_000);
      await engine.tick();
    }
    expect(visited.map(({ length }) => length)).toEqual(Array(11).fill(TENANTS_AT_ONCE));
    expect(visited.every((ids) => ids.includes('t999'))).toBe(true);
    expect(new Set(visited.flat()).size).toBe(1_000);
    // The lease (three statements at first), rules, open alerts and reports of gateways.
    expect(statements).toBeLessThanOrEqual(11 * 4 + 2);
  });
});

test('a visit of a tenant where nothing happens takes one statement, and three once an hour', async () => {
  const calls: string[] = [];
  const noted = async <T>(name: string, value: T): Promise<T> => {
    calls.push(name);
    return value;
  };
  const usage = {
    minutes: () => noted('minutes', []),
    failures: () => noted('failures', []),
    firstHour: () => noted('firstHour', 0),
    hours: () => noted('hours', []),
  };
  const evaluation = new TenantEvaluation({
    usage,
    metrics: { sums: () => noted('sums', []) },
    outbox: { publishOnce: async () => true },
    limitsIn: () => [],
    limitUses: async () => [],
    keyName: (_, key) => key,
  });
  const rules = new EffectiveRules([], new Map()).enabled('acme');
  const at = Date.parse('2026-11-18T10:05:00Z');
  const visit = async (now: number) => {
    calls.length = 0;
    await evaluation.visit({ id: 'acme', timeZone: 'Europe/Zurich' }, rules, MINUTE, false, now);
    return [...calls];
  };
  expect(await visit(at)).toEqual(['minutes', 'firstHour', 'hours']);
  expect(await visit(at + 10_000)).toEqual(['minutes']);
  expect(await visit(at + 50 * MINUTE)).toEqual(['minutes']);
  expect(await visit(at + 60 * MINUTE)).toEqual(['minutes', 'firstHour', 'hours']);
});

async function settings(id: string) {
  const { alertRule } = await import('../config/alert-schema.ts');
  return alertRule().parse({ id, enabled: false });
}
