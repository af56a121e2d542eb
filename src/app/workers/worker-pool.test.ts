import { expect, test } from 'bun:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import type { Logger } from '../../observability/log.ts';
import type { WorkerProcessEvents } from '../../platform/worker-process.ts';
import { ListenTurns } from './listen-turns.ts';
import { ProcessChannel } from './process-channel.ts';
import { type ParentFunctions, PROTOCOL, type WorkerFunctions } from './protocol.ts';
import type { WorkerHost } from './worker.ts';
import { WorkerPool } from './worker-pool.ts';

/** The process of a worker, as a test plays it. */
class FakeProcess {
  readonly parent: ProcessChannel<ParentFunctions, WorkerFunctions>;
  readonly called: string[] = [];
  isOver = false;
  isHung = false;

  constructor(
    readonly number: number,
    readonly pid: number,
    private readonly events: WorkerProcessEvents,
  ) {
    const note = (name: string) => {
      this.called.push(name);
      return undefined;
    };
    this.parent = new ProcessChannel<ParentFunctions, WorkerFunctions>(
      (message) => events.onMessage(message),
      {
        metrics: () =>
          this.isHung ? new Promise(() => undefined) : `# TYPE a_total counter\na_total ${this.pid}\n`,
        handle: () => ({ status: 200, body: String(this.pid) }),
        refresh: () => note('refresh'),
        inFlight: () => 1,
        steer: (numbers) => {
          this.called.push(`steer ${numbers.join(' ')}`);
          return true;
        },
        spread: () => {
          this.called.push('spread');
          return true;
        },
        leave: () => note('leave'),
        stop: () => note('stop'),
        watch: () => note('watch'),
      },
    );
  }

  async becomeReady(protocol = PROTOCOL): Promise<void> {
    await this.parent.call('start', { protocol });
    await this.parent.call('listenTurn', undefined);
    await this.parent.call('listening', { ok: true });
    await this.parent.call('ready', { boot: `boot-${this.pid}` });
  }

  end(how = 'was ended by SIGKILL'): void {
    if (this.isOver) return;
    this.isOver = true;
    this.events.onExit(how);
  }
}

function create(count: number) {
  const clock = new FakeClock();
  const processes: FakeProcess[] = [];
  const lines: string[] = [];
  const write = (...args: [string] | [object, string]) => {
    lines.push(args.length === 1 ? args[0] : args[1]);
  };
  const logger: Logger = { level: 'info', debug: write, info: write, warn: write, error: write };
  const killed: (string | undefined)[] = [];
  const turns = new ListenTurns();
  const unused = () => Promise.reject(new Error('not used'));
  const host: WorkerHost = {
    ...{ grpcPort: null, port: 1, parentSocket: '/none', writeUsage: unused, saveCounts: unused },
    sqlSessions: () => {
      throw new Error('not used');
    },
    completed: () => undefined,
    printed: () => undefined,
    listenTurn: () => turns.next(),
  };
  const pool = new WorkerPool({
    ...{ count, host, clock, logger, command: () => [], drainMs: () => 1_000 },
    env: (number) => ({ number: String(number) }),
    start: ({ env }, events) => {
      const process = new FakeProcess(Number(env.number), 100 + processes.length, events);
      processes.push(process);
      return {
        pid: process.pid,
        send: (message) => process.parent.received(message),
        kill: () => process.end(),
      };
    },
    onKilled: (boot) => killed.push(boot),
  });
  return { pool, clock, processes, lines, killed };
}

const settled = async () => {
  for (let turn = 0; turn < 5; turn += 1) await nextTurn();
};

async function started(count: number) {
  const made = create(count);
  const starting = made.pool.start();
  await Promise.all(made.processes.map((process) => process.becomeReady()));
  await starting;
  return made;
}

test('a worker that ends is replaced at once, and what it left is reported', async () => {
  const { pool, processes, killed, lines } = await started(2);
  expect(pool.status).toEqual({ configured: 2, ready: 2, restarts: 0, writesFail: false });
  await processes[1]?.parent.call('writesFail', true);
  expect(pool.status.writesFail).toBe(true);
  await pool.collect();
  processes[0]?.end();
  expect(pool.status).toMatchObject({ configured: 2, ready: 1, restarts: 1 });
  expect(killed).toEqual(['boot-100']);
  expect(lines).toEqual([expect.stringContaining('worker ended unexpectedly')]);
  await settled();
  expect(processes).toHaveLength(3);
  await processes[2]?.becomeReady();
  expect(pool.status.ready).toBe(2);
  // The counters of the one that ended still count.
  expect(await pool.metrics('# TYPE a_total counter\na_total 0\n', 'text')).toContain(
    `a_total ${100 + 101 + 102}\n`,
  );
});

test('one that ends again and again is started with longer pauses, and the others go on', async () => {
  const { pool, clock, processes, lines } = await started(2);
  processes[0]?.end();
  await settled();
  let before = processes.length;
  for (const pause of [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    processes.at(-1)?.end('ended with code 1');
    await settled();
    clock.advance(pause - 1);
    await settled();
    expect(processes).toHaveLength(before);
    clock.advance(1);
    await settled();
    before += 1;
    expect(processes).toHaveLength(before);
    expect(pool.status.ready).toBe(1);
  }
  expect(lines.filter((line) => line.includes('did not start'))).toHaveLength(9);
  await processes.at(-1)?.becomeReady();
  expect(pool.status.ready).toBe(2);
});

test('a start fails when a worker does not become ready', async () => {
  const { pool, processes, clock } = create(2);
  const starting = pool.start();
  await processes[0]?.becomeReady();
  processes[1]?.end('ended with code 1');
  expect(starting).rejects.toThrow('worker 2 ended with code 1 before it was ready');
  await settled();
  const late = create(1);
  const slow = late.pool.start();
  late.clock.advance(60_000);
  expect(slow).rejects.toThrow(/not ready after 60 s|before it was ready/);
  clock.advance(0);
});

test('a reload replaces one worker after the other, and steers new connections away before each leaves', async () => {
  const { pool, clock, processes } = await started(2);
  const reloading = pool.reload();
  await settled();
  expect(processes).toHaveLength(3);
  await processes[2]?.becomeReady();
  await settled();
  const [one, two] = processes;
  // Socket 2 takes the number 0 when the first one closes: only number 1 stays.
  expect(one?.called).toEqual(['steer 1']);
  clock.advance(1_000);
  await settled();
  expect(one?.called).toEqual(['steer 1', 'leave']);
  expect(processes.some(({ called }) => called.includes('spread'))).toBe(true);
  await processes[3]?.becomeReady();
  await settled();
  clock.advance(1_000);
  await settled();
  expect(two?.called.at(-1)).toBe('leave');
  one?.end('ended with code 0');
  two?.end('ended with code 0');
  expect(await reloading).toBe(true);
  expect(pool.status).toMatchObject({ configured: 2, ready: 2, restarts: 0 });
  expect(pool.pids).toEqual([102, 103]);
});

test('a reload whose new worker does not start, or is of another version, leaves the old ones', async () => {
  const { pool, processes, lines } = await started(1);
  const reloading = pool.reload();
  await settled();
  expect(processes[1]?.becomeReady(PROTOCOL + 1)).rejects.toThrow('restart Weir');
  await settled();
  processes[1]?.end('ended with code 1');
  expect(await reloading).toBe(false);
  expect(pool.pids).toEqual([100]);
  expect(processes[0]?.called).toEqual([]);
  expect(lines.at(-1)).toContain('reload stopped');
});

test('a worker that does not respond for a while is killed and replaced', async () => {
  const { pool, clock, processes, lines } = await started(2);
  const [hung] = processes;
  if (hung) hung.isHung = true;
  for (let round = 0; round < 6; round += 1) {
    expect(hung?.isOver).toBe(false);
    const collecting = pool.collect();
    await settled();
    clock.advance(2_000);
    await collecting;
  }
  expect(hung?.isOver).toBe(true);
  expect(lines[0]).toContain('does not respond');
  await settled();
  expect(processes).toHaveLength(3);
});

test('a worker that does not end in time is killed', async () => {
  const { pool, clock, processes, lines, killed } = await started(1);
  const stopping = pool.stop();
  await settled();
  expect(processes[0]?.called).toEqual(['stop']);
  clock.advance(11_000);
  await stopping;
  expect(processes[0]?.isOver).toBe(true);
  expect(lines.at(-1)).toContain('did not end in time');
  expect(killed).toEqual([]);
  await settled();
  expect(processes).toHaveLength(1);
});

test('requests and figures concern all workers, those that leave included', async () => {
  const { pool } = await started(3);
  const request = { method: 'GET', target: '/', headers: [], body: new Uint8Array(0), remoteAddress: '' };
  expect((await pool.handle(request)).map(({ body }) => body)).toEqual(['100', '101', '102']);
  expect(await pool.inFlight()).toBe(3);
  await pool.refresh();
});
