import { afterEach, describe, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventData } from '../support/event-stream.ts';
import { freePort } from '../support/free-port.ts';
import { createGate } from '../support/gate.ts';
import { cleanEnvironment, type Gateway, startGateway } from '../support/gateway.ts';
import { openRaw, requestBytes } from '../support/http-raw.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { slow } from '../support/scripts.ts';
import {
  chat,
  completion,
  errorIn,
  eventually,
  expectError,
  mockConfig,
  post,
  streamed,
  streamPieces,
} from './harness.ts';

const running: { stop(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
});

async function start(
  server: Record<string, unknown> = {},
): Promise<{ mock: MockUpstream; gateway: Gateway }> {
  const mock = await startMockUpstream();
  running.push({ stop: () => mock.close() });
  const gateway = await startGateway({ config: mockConfig(mock.url, { server }) });
  running.push(gateway);
  return { mock, gateway };
}

/** Sends a request on a connection of its own, so that no kept connection is mistaken for an open door. */
async function openAgain(gateway: Gateway, bytes: Uint8Array) {
  const connection = await openRaw(gateway.url);
  await connection.send(bytes);
  const response = await connection.readResponse();
  return { connection, response };
}

function chatRequest(gateway: Gateway): Uint8Array {
  return requestBytes({
    method: 'POST',
    target: '/v1/chat/completions',
    headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
    body: chat(),
  });
}

const draining = (gateway: Gateway) =>
  eventually('the gateway is draining', async () => {
    const { connection, response } = await openAgain(gateway, requestBytes({ target: '/health/ready' }));
    connection.destroy();
    return response.status === 503 && response.text() === '{"status":"draining"}';
  });

describe('SIGTERM', () => {
  test('every request that was taken is answered in full, and new ones are refused', async () => {
    const { mock, gateway } = await start();
    const gate = createGate();
    mock.when((request) => request.text().includes('"held stream"'), slow(streamPieces('Hel', 'lo'), gate));
    mock.when((request) => request.text().includes('"held"'), {
      ...completion('Held.'),
      gate,
      holdHead: true,
    });
    mock.respondAlways((request) =>
      request.text().includes('"stream":true') ? streamed('Quick') : completion('Quick.'),
    );

    const held = Array.from({ length: 20 }, async (_, index) => {
      const stream = index % 2 === 1;
      const response = await post(gateway, chat({ user: stream ? 'held stream' : 'held', stream }));
      return { stream, status: response.status, bytes: await response.bytes() };
    });
    await mock.waitForOpen(20);

    // Clients that go on asking all the while, until they are refused.
    const answered = new Set<string>();
    const refusals: string[] = [];
    let stopping = false;
    const busy = Array.from({ length: 8 }, async (_, client) => {
      for (let turn = 0; ; turn += 1) {
        const user = `client ${client} turn ${turn}`;
        const stream = turn % 2 === 0;
        try {
          const response = await post(gateway, chat({ user, stream }));
          const text = await response.text();
          if (response.status === 200) {
            expect(text).toEndWith(stream ? 'data: [DONE]\n\n' : '}');
            answered.add(user);
            continue;
          }
          refusals.push(`${response.status} ${errorIn(JSON.parse(text)).code}`);
        } catch (error) {
          // No connection any more: not taken, so nothing is owed.
          refusals.push(error instanceof Error && 'code' in error ? String(error.code) : String(error));
        }
        if (stopping) return;
        throw new Error(`refused before the signal: ${refusals.join(', ')}`);
      }
    });
    await mock.waitForRequest(20 + 100);
    stopping = true;
    gateway.signal('SIGTERM');
    await draining(gateway);

    const { connection, response } = await openAgain(gateway, chatRequest(gateway));
    await expectError(response, 503, 'shutting_down');
    expect(response.headers.get('connection')).toBe('close');
    expect(response.headers.get('retry-after')).toBe('1');
    connection.destroy();
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
    await Promise.all(busy);

    gate.open();
    for (const { stream, status, bytes } of await Promise.all(held)) {
      expect(status).toBe(200);
      if (stream) expect(eventData(bytes).at(-1)).toBe('[DONE]');
      else expect(new TextDecoder().decode(bytes)).toContain('Held.');
    }
    expect(await gateway.exited).toEqual({ code: 0, signal: null });

    const seen = mock.requests
      .slice(20)
      .map((request) => /"user":"(client [^"]+)"/.exec(request.text())?.[1]);
    expect(seen.filter((user) => user !== undefined && !answered.has(user))).toEqual([]);
    expect(refusals.filter((refusal) => !/^503 shutting_down$|^ECONN(REFUSED|RESET)$/.test(refusal))).toEqual(
      [],
    );
    expect(mock.openConnections()).toBe(0);
    expect(gateway.logs().map(({ msg }) => msg)).toContain('stopped');
    expect(gateway.stderr()).toBe('');
  });

  test('requests that outlast the drain time end with an error that their clients can read', async () => {
    const { mock, gateway } = await start({ drain_timeout: '200ms' });
    const gate = createGate();
    gate.release(2);
    mock.respond(slow(streamPieces('Hel', 'lo'), gate));
    const stream = await post(gateway, chat({ stream: true }));
    mock.respond({ ...completion(), gate: createGate(), holdHead: true });
    const plain = post(gateway, chat());
    await mock.waitForOpen(2);
    gateway.signal('SIGTERM');

    const data = eventData(await stream.bytes());
    expect(data).not.toContain('[DONE]');
    expect(errorIn(JSON.parse(data.at(-1) ?? '')).code).toBe('shutting_down');
    await expectError(await plain, 503, 'shutting_down');
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(mock.openRequests()).toBe(0);
  });

  test('a second signal ends the process at once', async () => {
    const { mock, gateway } = await start();
    mock.respond({ ...completion(), gate: createGate(), holdHead: true });
    const request = post(gateway, chat()).catch((error: unknown) => error);
    await mock.waitForOpen(1);
    gateway.signal('SIGTERM');
    await draining(gateway);
    let ended = false;
    void gateway.exited.then(() => {
      ended = true;
    });
    // Signals right after the first count as the same one, so one of these is the second.
    await eventually('the process has ended', () => {
      if (!ended) gateway.signal('SIGTERM');
      return ended;
    });
    expect(await gateway.exited).toEqual({ code: 1, signal: null });
    expect(await request).toBeInstanceOf(Error);
  });
});

describe('through the launchers', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));

  /** Starts a command in a process group of its own, and resolves when the gateway in it is ready. */
  async function launch(command: string, args: readonly string[]) {
    const home = mkdtempSync(join(tmpdir(), 'weir-launch-'));
    const port = await freePort();
    const env = {
      ...cleanEnvironment(home),
      SERVER_HOST: '127.0.0.1',
      SERVER_PORT: String(port),
      METRICS_PORT: 'off',
      WEIR_DATA_DIR: join(home, 'data'),
      WEIR_DETECT_ENGINES: '0',
      LOG_FORMAT: 'json',
    };
    const child = spawn(command, args, { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    let code: number | null | undefined;
    const exited = new Promise<void>((resolve) => {
      child.once('close', (value) => {
        code = value;
        resolve();
      });
    });
    const { pid } = child;
    if (pid === undefined) throw new Error(`${command} could not be started`);
    running.push({
      stop: async () => {
        if (code === undefined) process.kill(-pid, 'SIGKILL');
        await exited;
        rmSync(home, { recursive: true, force: true });
      },
    });
    const url = `http://127.0.0.1:${port}`;
    const answers = () =>
      fetch(`${url}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    await eventually(`${command} is ready`, () => answers(), 20_000);
    return { pid, exited, output: () => output, code: () => code, answers };
  }

  test.each([
    ['SIGTERM to `node bin/weir.mjs serve`', 'node', ['bin/weir.mjs', 'serve'], 'SIGTERM', false],
    ['Ctrl-C at `node bin/weir.mjs serve`', 'node', ['bin/weir.mjs', 'serve'], 'SIGINT', true],
    ['SIGTERM to `npm start`', 'npm', ['start'], 'SIGTERM', false],
    ['Ctrl-C at `npm start`', 'npm', ['start'], 'SIGINT', true],
  ] as const)(
    '%s reaches the gateway',
    async (_, command, args, signal, wholeGroup) => {
      const launched = await launch(command, args);
      process.kill(wholeGroup ? -launched.pid : launched.pid, signal);
      await launched.exited;
      expect(launched.output()).toContain('"msg":"stopped"');
      expect(await launched.answers()).toBe(false);
      if (command === 'node') expect(launched.code()).toBe(0);
    },
    30_000,
  );

  test.each([
    ['node bin/weir.mjs serve', 'node', ['bin/weir.mjs', 'serve']],
    ['npm start', 'npm', ['start']],
  ] as const)(
    'SIGKILL to `%s` leaves no gateway behind',
    async (_, command, args) => {
      const launched = await launch(command, args);
      process.kill(launched.pid, 'SIGKILL');
      // Its output ends with the last process that has inherited it.
      await launched.exited;
      expect(await launched.answers()).toBe(false);
    },
    30_000,
  );
});
