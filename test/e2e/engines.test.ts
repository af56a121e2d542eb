import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { setUp } from '../../scripts/setup.mjs';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { PROGRAM } from '../support/program.ts';
import { chat, errorIn, eventually, expectError, post, weir } from './harness.ts';
import { asObject, type Json } from './helpers/json.ts';

/** Real processes: the simulator, served by Weir's own command, in the place of engines that load models. */

const MODEL = 'simulator';

const command = (...more: string[]) => [
  setUp({ withDev: true }),
  ...['--no-orphans', '--no-env-file', '--no-install', PROGRAM, 'simulator', '--port', '{port}', ...more],
];

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({
    config: {
      log: { level: 'debug', requests: false },
      engines: {
        max_loaded: 1,
        swap_after: '0s',
        commands: [
          {
            id: 'one',
            command: command(),
            engine: 'llamacpp',
            gpus: ['0', '1'],
            env: { LABEL: 'at {port}' },
          },
          { id: 'two', command: command(), engine: 'llamacpp' },
          { id: 'slow', command: command('--load-time', '4'), engine: 'llamacpp' },
          { id: 'never', command: command('--load-time', '900'), engine: 'llamacpp', start_timeout: '1s' },
          { id: 'missing', command: ['/nowhere/no-such-program', '{port}'] },
          { id: 'ends', command: ['sh', '-c', 'echo out of memory >&2; exit 3'] },
        ],
      },
      models: [
        { id: 'm1', targets: [{ provider: 'one', model: MODEL }] },
        { id: 'm2', targets: [{ provider: 'two', model: MODEL }] },
        { id: 'backed', targets: [{ provider: 'ends', model: MODEL }], fallbacks: ['simulator'] },
      ],
    },
  });
});
afterAll(() => gateway?.stop());

const ask = (model: string, more: Json = {}) => post(gateway, chat({ model, ...more }));

async function engines(): Promise<Json[]> {
  const response = await fetch(`${gateway.url}/admin/v1/engines`, {
    headers: { authorization: `Bearer ${gateway.adminKey}` },
  });
  const { data } = asObject(await response.json());
  return Array.isArray(data) ? data.map(asObject) : [];
}
async function engine(id: string): Promise<Json> {
  const found = (await engines()).find((one) => one.id === id);
  if (!found) throw new Error(id);
  return found;
}

function alive(pid: unknown): boolean {
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch {
    // ESRCH: there is no such process.
    return false;
  }
}

describe('an engine that the gateway starts', () => {
  test('is there for the first request that asks for it, and only one for all', async () => {
    expect(await engine('one')).toMatchObject({ state: 'stopped', pid: null, loads: 0 });
    const answers = await Promise.all([ask('m1'), ask('m1'), ask('one/simulator')]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(answers[0]?.headers.get('x-weir-provider')).toBe('one');
    const one = await engine('one');
    expect(one).toMatchObject({ state: 'ready', loads: 1, failures: 0, in_flight: 0, waiting: 0 });
    expect(alive(one.pid)).toBe(true);
    expect(String(one.output)).toContain(`http://127.0.0.1:${one.port}/v1`);
  });

  test('is evicted for another that is needed, when there is room for one', async () => {
    const { pid } = await engine('one');
    expect((await ask('m2')).status).toBe(200);
    expect(alive(pid)).toBe(false);
    expect(await engine('one')).toMatchObject({ state: 'stopped', pid: null });
    expect(await engine('two')).toMatchObject({ state: 'ready' });
  });

  test('that dies is started again, without a request', async () => {
    const { pid } = await engine('two');
    process.kill(Number(pid), 'SIGKILL');
    await eventually(
      'it is back',
      async () => {
        const two = await engine('two');
        return two.state === 'ready' && two.pid !== pid;
      },
      15_000,
    );
    expect(await engine('two')).toMatchObject({
      loads: 2,
      failures: 1,
      last_failure: 'was ended by SIGKILL',
    });
    expect((await ask('m2')).status).toBe(200);
  }, 20_000);

  test('can be loaded and unloaded by an operator', async () => {
    const act = (id: string, action: string) =>
      post(gateway, JSON.stringify({ id, action }), { path: '/admin/v1/engines' });
    expect((await act('two', 'unload')).status).toBe(200);
    await eventually('it is gone', async () => (await engine('two')).state === 'stopped');
    expect((await act('one', 'load')).status).toBe(200);
    await eventually('it is there', async () => (await engine('one')).state === 'ready');
    await expectError(await act('nobody', 'load'), 404, 'not_found');
    await expectError(await act('one', 'dance'), 400, 'invalid_request');
  });

  test('is waited for by streams that say that they are alive', async () => {
    const response = await ask('slow/simulator', { stream: true });
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text.split('\n\n')[0]).toBe(': The model is loading.');
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
    expect(text.match(/^data: /gm)?.length).toBeGreaterThan(2);
  }, 20_000);

  test('is waited for no longer than the client waits', async () => {
    const controller = new AbortController();
    const gone = post(gateway, chat({ model: 'm2' }), { signal: controller.signal });
    await eventually('it waits', async () => (await engine('two')).waiting === 1);
    controller.abort();
    await expect(gone).rejects.toThrow();
    await eventually('no request waits', async () => (await engine('two')).waiting === 0);
  });
});

describe('an engine that cannot be started', () => {
  test('because it never becomes healthy', async () => {
    const error = await expectError(await ask('never/simulator'), 503, 'engine_unavailable');
    expect(error.message).toBe(
      'Engine "never" can\'t be started: it did not become healthy within 1 s. GET /admin/v1/engines shows its last output.',
    );
    await eventually('it is gone', async () => (await engine('never')).pid === null);
  }, 20_000);

  test('because there is no such program', async () => {
    const error = await expectError(await ask('missing/m'), 503, 'engine_unavailable');
    expect(error.message).toContain('could not be started: ');
  });

  test('because it ends at once; its last words are kept for operators, and a fallback answers', async () => {
    const response = await ask('backed');
    expect([response.status, response.headers.get('x-weir-provider')]).toEqual([200, 'simulator']);
    expect(await engine('ends')).toMatchObject({
      last_failure: 'ended with code 3',
      output: ['out of memory'],
    });
    const refused = await ask('ends/m');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(errorIn(await refused.json()).message).not.toContain('out of memory');
  });
});

test('all of them end with the gateway', async () => {
  await ask('m1');
  const { pid } = await engine('one');
  expect(alive(pid)).toBe(true);
  await gateway.stop();
  expect(alive(pid)).toBe(false);
});

test('weir simulator refuses a port that is none', async () => {
  const { code, stderr } = await weir(['simulator', '--port', 'http']);
  expect([code, stderr.trim()]).toEqual([1, '--port must be a number from 0 to 65535; got "http".']);
});
