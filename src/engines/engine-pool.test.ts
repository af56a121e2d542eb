import { describe, expect, test } from 'bun:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { eventsTo } from '../../test/support/recorded-events.ts';
import type { ProcessEvents, ProcessSpec } from '../platform/child-process.ts';
import { EnginePool } from './engine-pool.ts';
import type { EnginePoolSettings, EngineSpec } from './types.ts';

/** A process that a test plays. */
class Played {
  readonly signals: string[] = [];
  over = false;
  constructor(
    readonly spec: ProcessSpec,
    private readonly events: ProcessEvents,
    readonly port: number,
  ) {}

  end(reason = 'ended with code 0'): void {
    if (this.over) return;
    this.over = true;
    this.events.onExit(reason);
  }

  says(line: string): void {
    this.events.onLine(line);
  }
}

const spec = (id: string, more: Partial<EngineSpec> = {}): EngineSpec => ({
  id,
  command: ['serve', '--port', '{port}'],
  env: {},
  cwd: undefined,
  port: 1_000 + id.charCodeAt(0),
  healthPath: '/health',
  startTimeoutMs: 5_000,
  stopTimeoutMs: 1_000,
  preload: false,
  ...more,
});

const SETTINGS: EnginePoolSettings = {
  maxLoaded: 1,
  idleMs: 60_000,
  swapAfterMs: 10_000,
  healthEveryMs: 10_000,
  healthFailures: 3,
};

function create(specs: readonly EngineSpec[], settings: Partial<EnginePoolSettings> = {}) {
  const clock = new FakeClock();
  const processes: Played[] = [];
  const well = new Set<number>();
  const taken = new Set<number>();
  const sending = new Map<string, number>();
  const waiting = () => new Map(pool.list().map(({ id, waiting: count }) => [id, count]));
  const story: string[] = [];
  const pool = new EnginePool(
    {
      clock,
      spawn: (process, events) => {
        const played = new Played(process, events, Number(process.command.at(-1)));
        processes.push(played);
        return {
          pid: processes.length,
          signal: (name) => {
            played.signals.push(name);
            // A well-behaved program.
            if (name === 'SIGKILL' || !played.spec.env.STUBBORN) played.end(`was ended by ${name}`);
          },
        };
      },
      isHealthy: ({ port }) => Promise.resolve(well.has(port)),
      isPortInUse: (port) => Promise.resolve(taken.has(port)),
      events: eventsTo({
        'engine.loaded': ({ engine, load_ms }) => story.push(`${engine} loaded in ${load_ms}`),
        'engine.failed': ({ engine, reason }) => story.push(`${engine} ${reason}`),
        'engine.stopping': ({ engine, reason }) => story.push(`${engine} stopped: ${reason}`),
      }),
    },
    { ...SETTINGS, ...settings },
    (id) => (sending.get(id) ?? 0) + (waiting().get(id) ?? 0),
  );
  pool.configure({ ...SETTINGS, ...settings }, specs);
  const pass = async (ms: number, step = 250) => {
    for (let passed = 0; passed < ms; passed += step) {
      clock.advance(Math.min(step, ms - passed));
      await settle();
      pool.tick();
      await settle();
    }
  };
  /** Asks for an engine, and tells how that ends. */
  const ask = (id: string) => {
    const end = { how: 'waits' };
    try {
      const waiter = pool.ensureLoaded(id);
      if (!waiter) end.how = 'at once';
      waiter?.ready.then(
        () => {
          end.how = 'ready';
        },
        (error: Error) => {
          end.how = error.message;
        },
      );
      return { end, leave: () => waiter?.cancel() };
    } catch (error) {
      end.how = String(error);
      return { end, leave: () => undefined };
    }
  };
  const states = () =>
    pool
      .list()
      .map(({ id, state }) => `${id} ${state}`)
      .join(', ');
  const portOf = (id: string) => 1_000 + id.charCodeAt(0);
  return { pool, clock, processes, well, taken, sending, story, pass, ask, states, portOf };
}

describe('an engine', () => {
  test('is started by the first request, which continues when it is healthy', async () => {
    const { ask, pass, well, processes, states, portOf, story, pool } = create([
      spec('a', { env: { URL: 'http://h:{port}' } }),
    ]);
    expect([states(), processes.length]).toEqual(['a stopped', 0]);
    const [one, two] = [ask('a'), ask('a')];
    await pass(1_000);
    expect([one.end.how, states(), processes.length]).toEqual(['waits', 'a starting', 1]);
    expect(processes[0]?.spec).toMatchObject({
      command: ['serve', '--port', '1097'],
      env: { URL: 'http://h:1097' },
    });
    well.add(portOf('a'));
    await pass(500);
    expect([one.end.how, two.end.how, ask('a').end.how]).toEqual(['ready', 'ready', 'at once']);
    expect(story).toEqual(['a loaded in 1250']);
    expect(pool.isReady('a')).toBe(true);
  });

  test('that never becomes healthy is reported, and is restarted after a backoff', async () => {
    const { ask, pass, states, story, processes } = create([spec('a')]);
    const first = ask('a');
    await pass(6_000);
    expect(first.end.how).toBe(
      'Engine "a" can\'t be started: it did not become healthy within 5 s. GET /admin/v1/engines shows its last output.',
    );
    expect([states(), processes[0]?.signals]).toEqual(['a stopped', ['SIGTERM']]);
    // After some failures the pauses are longer than a request would wait.
    for (const _ of [1, 2, 3, 4]) {
      ask('a');
      await pass(12_000);
    }
    const { how } = ask('a').end;
    expect(how).toContain('did not become healthy');
    expect(story.length).toBe(processes.length);
  });

  test('that exits, cannot be started, or whose port is in use, reports the reason', async () => {
    const { ask, pass, processes, taken, portOf } = create([spec('a'), spec('b')], { maxLoaded: 2 });
    const crashed = ask('a');
    await pass(250);
    processes[0]?.says('out of memory');
    processes[0]?.end('ended with code 137');
    taken.add(portOf('b'));
    const occupied = ask('b');
    await pass(250);
    expect(crashed.end.how).toContain('it ended with code 137');
    expect(occupied.end.how).toContain('it port 1098 is used by another program'.slice(3));
    expect(processes.length).toBe(1);
  });

  test('that crashes in use is restarted with a growing backoff', async () => {
    const { ask, pass, processes, well, portOf, pool, clock } = create([spec('a')]);
    well.add(portOf('a'));
    ask('a');
    await pass(500);
    const starts: number[] = [];
    for (const _ of [1, 2, 3]) {
      const before = processes.length;
      processes.at(-1)?.end('ended with code 1');
      const at = clock.now();
      while (processes.length === before) await pass(250);
      starts.push(clock.now() - at);
      await pass(500);
      expect(pool.isReady('a')).toBe(true);
    }
    expect(starts).toEqual([1_000, 2_000, 4_000]);
    await pass(61_000);
    expect(pool.list()).toMatchObject([{ failures: 3, loads: 4, lastFailure: 'ended with code 1' }]);
  });

  test('that hangs is killed and restarted', async () => {
    const { ask, pass, processes, well, portOf, story } = create([spec('a', { env: { STUBBORN: '1' } })]);
    well.add(portOf('a'));
    ask('a');
    await pass(500);
    well.clear();
    await pass(32_000);
    expect(story.slice(0, 2)).toEqual(['a loaded in 250', 'a stopped responding to health checks']);
    expect(processes[0]?.signals).toEqual(['SIGTERM', 'SIGKILL']);
    well.add(portOf('a'));
    await pass(2_000);
    expect([processes.length, story.at(-1)]).toEqual([2, expect.stringMatching(/^a loaded/)]);
  });

  test('that hangs is replaced as soon as the settings say, whatever its stop timeout', async () => {
    const { ask, pass, well, processes, portOf, story } = create(
      [spec('a', { env: { STUBBORN: '1' }, stopTimeoutMs: 15_000 })],
      { healthEveryMs: 1_000, healthFailures: 2 },
    );
    well.add(portOf('a'));
    ask('a');
    await pass(500);
    well.clear();
    await pass(2_250);
    expect(story.at(-1)).toBe('a stopped responding to health checks');
    await pass(2_000);
    expect(processes[0]?.signals).toEqual(['SIGTERM', 'SIGKILL']);
    well.add(portOf('a'));
    await pass(1_500);
    expect([processes.length, story.at(-1)]).toEqual([2, expect.stringMatching(/^a loaded/)]);
  });

  test('that is idle is stopped; one in use is not', async () => {
    const { ask, pass, states, well, portOf, sending, story } = create([spec('a')]);
    well.add(portOf('a'));
    ask('a');
    sending.set('a', 1);
    await pass(100_000, 5_000);
    expect(states()).toBe('a ready');
    sending.set('a', 0);
    await pass(59_000, 1_000);
    expect(states()).toBe('a ready');
    await pass(2_000);
    expect([states(), story.at(-1)]).toEqual(['a stopped', 'a stopped: idle timeout']);
  });

  test('with preload is started with the gateway, and stays loaded', async () => {
    const { pass, states, well, portOf } = create([spec('a', { preload: true })]);
    well.add(portOf('a'));
    await pass(500);
    expect(states()).toBe('a ready');
    await pass(200_000, 5_000);
    expect(states()).toBe('a ready');
  });
});

describe('more engines than may be loaded', () => {
  test('the least recently used idle engine is evicted', async () => {
    const { ask, pass, states, well, portOf, story } = create([spec('a'), spec('b'), spec('c')], {
      maxLoaded: 2,
    });
    for (const id of ['a', 'b', 'c']) well.add(portOf(id));
    ask('a');
    await pass(500);
    ask('b');
    await pass(500);
    ask('a');
    const third = ask('c');
    await pass(1_000);
    expect([states(), third.end.how]).toEqual(['a ready, b stopped, c ready', 'ready']);
    expect(story).toContain('b stopped: evicted for another engine');
  });

  test('an engine in use is evicted when it is idle; requests that arrive meanwhile wait for its next load', async () => {
    const { ask, pass, states, well, portOf, sending } = create([spec('a'), spec('b')]);
    for (const id of ['a', 'b']) well.add(portOf(id));
    ask('a');
    await pass(500);
    sending.set('a', 2);
    const other = ask('b');
    await pass(5_000);
    // Too early: it has just been loaded.
    expect([ask('a').end.how, states()]).toEqual(['at once', 'a ready, b waiting']);
    await pass(6_000);
    const late = ask('a');
    expect(late.end.how).toBe('waits');
    sending.set('a', 0);
    sending.set('b', 1);
    await pass(1_000);
    expect([other.end.how, late.end.how, states()]).toEqual(['ready', 'waits', 'a waiting, b ready']);
    sending.set('b', 0);
    await pass(11_000);
    expect([late.end.how, states()]).toEqual(['ready', 'a ready, b stopped']);
  });

  test('the limit of loaded engines always holds', async () => {
    const ids = ['a', 'b', 'c', 'd'];
    const { ask, pass, pool, well, portOf, processes, sending } = create(
      ids.map((id) => spec(id)),
      { maxLoaded: 2, swapAfterMs: 500 },
    );
    for (const id of ids) well.add(portOf(id));
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    const served = new Map<string, number>();
    for (let turn = 0; turn < 400; turn += 1) {
      const id = ids[random(4)] ?? 'a';
      const { end } = ask(id);
      if (random(10) === 0) processes.at(-1)?.end('ended with code 1');
      await pass(250);
      expect(processes.filter(({ over }) => !over).length).toBeLessThanOrEqual(2);
      if (end.how === 'ready' || end.how === 'at once') served.set(id, (served.get(id) ?? 0) + 1);
      sending.set(id, random(2));
    }
    for (const id of ids) expect(served.get(id) ?? 0).toBeGreaterThan(10);
    await pool.close();
    expect(processes.every(({ over }) => over)).toBe(true);
  });
});

test('a cancelled wait is dropped; requests that wait at shutdown fail', async () => {
  const { ask, pool, pass, processes } = create([spec('a')]);
  const [gone, there] = [ask('a'), ask('a')];
  await pass(250);
  gone.leave();
  expect(pool.list()).toMatchObject([{ waiting: 1 }]);
  await pool.close();
  expect([gone.end.how, there.end.how]).toEqual(['waits', 'The gateway is stopping.']);
  expect(processes.map(({ over }) => over)).toEqual([true]);
  expect(ask('a').end.how).toContain('The gateway is stopping.');
});

test('a changed engine is restarted when it is idle, and a removed one is stopped', async () => {
  const { ask, pool, pass, processes, well, portOf, sending } = create([spec('a'), spec('b')], {
    maxLoaded: 2,
  });
  for (const id of ['a', 'b']) well.add(portOf(id));
  ask('a');
  ask('b');
  await pass(500);
  sending.set('a', 1);
  pool.configure({ ...SETTINGS, maxLoaded: 2 }, [spec('a', { command: ['other', '{port}'] })]);
  await pass(500);
  expect(pool.list().map(({ id, state }) => `${id} ${state}`)).toEqual(['a ready']);
  sending.set('a', 0);
  await pass(500);
  ask('a');
  await pass(500);
  expect(processes.at(-1)?.spec.command).toEqual(['other', '1097']);
  expect(() => pool.ensureLoaded('b')).toThrow('Engine "b" is not configured: a reload removed it.');
});

test('operators load and unload engines', async () => {
  const { pool, pass, well, portOf, states } = create([spec('a')]);
  well.add(portOf('a'));
  expect([pool.load('a'), pool.load('x'), pool.unload('x')]).toEqual([true, false, false]);
  await pass(500);
  expect(states()).toBe('a ready');
  pool.unload('a');
  await pass(250);
  expect(states()).toBe('a stopped');
});
