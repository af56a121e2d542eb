import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { fileURLToPath } from 'node:url';
import { setUp } from '../../scripts/setup.mjs';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openRaw, type RawConnection, requestBytes } from '../support/http-raw.ts';
import { chat, eventually, metric, mockConfig, post } from './harness.ts';

const MIB = 1024 * 1024;

/** @returns 0 for a process that has ended */
function residentBytes({ pid }: Gateway): number {
  const file = `/proc/${pid}/status`;
  const match = existsSync(file) ? /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(file, 'utf8')) : null;
  return 1024 * Number(match?.[1] ?? 0);
}

/** Reads resident memory until the returned function is called, which returns the most that it was. */
function watchMemory(gateway: Gateway): () => number {
  let peak = residentBytes(gateway);
  const timer = setInterval(() => {
    peak = Math.max(peak, residentBytes(gateway));
  }, 50);
  return () => {
    clearInterval(timer);
    return Math.max(peak, residentBytes(gateway));
  };
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

const WARM_UP_REQUESTS = 8_000;
const CLIENTS = 16;

/** Clients with a key that ask for a chat completion: as fast as they can at first, then each 40 ms. */
function startLoad(gateway: Gateway) {
  let stopped = false;
  const failures: unknown[] = [];
  let served = 0;
  const client = async () => {
    while (!stopped) {
      const pauseMs = served < WARM_UP_REQUESTS ? 0 : 40;
      const next = new Promise((resolve) => setTimeout(resolve, pauseMs));
      try {
        const response = await post(gateway, chat({ model: 'simulator' }));
        await response.text();
        if (response.ok) served += 1;
        else failures.push(response.status);
      } catch (error) {
        failures.push(error);
      }
      await next;
    }
  };
  const running = Promise.all(Array.from({ length: CLIENTS }, client));
  return {
    served: () => served,
    stop: async () => {
      stopped = true;
      await running;
      return failures;
    },
  };
}

/** How long the main thread has used a core, and has waited for one, in nanoseconds. */
function schedule({ pid }: Gateway): { readonly used: number; readonly waited: number } {
  const file = `/proc/${pid}/schedstat`;
  const [used = 1, waited = 0] = existsSync(file) ? readFileSync(file, 'utf8').split(' ').map(Number) : [];
  return { used, waited };
}

/**
 * Asks for `/health/live` until the promise settles.
 * @returns the time of each response, without the share for which other processes had the core
 */
async function measureHealth(gateway: Gateway, until: Promise<unknown>): Promise<number[]> {
  let over = false;
  void until.finally(() => {
    over = true;
  });
  const before = schedule(gateway);
  const times: number[] = [];
  while (!over) {
    const askedAt = performance.now();
    const response = await fetch(`${gateway.url}/health/live`);
    await response.text();
    expect(response.status).toBe(200);
    times.push(performance.now() - askedAt);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const after = schedule(gateway);
  const [used, waited] = [after.used - before.used, after.waited - before.waited];
  return times.map((time) => (time * used) / (used + waited));
}

/** Runs the attacks of test/support/hostile-client.ts, all of them when none is named. */
async function attack(
  gateway: Gateway,
  seconds: number,
  ...names: string[]
): Promise<Record<string, number>> {
  const program = fileURLToPath(new URL('../support/hostile-client.ts', import.meta.url));
  const { port } = new URL(gateway.url);
  const child = spawn(setUp({ withDev: true }), [program, port, String(seconds), ...names], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    output += part;
  });
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return JSON.parse(output);
}

/** All clients of a TLS tunnel have one address, and so the limits of the attacker. */
const THROUGH_TUNNEL = process.env.WEIR_TEST_TLS === '1';

describe.skipIf(THROUGH_TUNNEL)('one address without a key', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(async () => {
    await gateway.stop();
  });

  test('cannot take the memory of the gateway, nor delay others, with all attacks at once under load', async () => {
    const load = startLoad(gateway);
    // Modules are loaded, code is compiled and the heap has the size that it needs under load.
    await eventually('the load runs', () => load.served() > WARM_UP_REQUESTS, 120_000);
    const usual = watchMemory(gateway);
    await eventually('the load goes on', () => load.served() > WARM_UP_REQUESTS + 500, 30_000);
    await metric(gateway, 'process_event_loop_busy_max_seconds');
    const busy: number[] = [];
    const scraping = setInterval(() => {
      void metric(gateway, 'process_event_loop_busy_max_seconds').then((seconds) => busy.push(seconds));
    }, 1_000);
    const before = usual();
    const during = watchMemory(gateway);
    const attacking = attack(gateway, 12);
    const delays = await measureHealth(gateway, attacking);
    clearInterval(scraping);
    const opened = await attacking;
    const grown = during() - before;
    const failures = await load.stop();
    for (const [name, count] of Object.entries(opened)) expect([name, count > 0]).toEqual([name, true]);
    console.info(
      `memory +${Math.round(grown / MIB)} MiB; health: median time ${median(delays).toFixed(1)} ms of ${delays.length}; longest CPU time of the main thread, median of seconds: ${(1000 * median(busy)).toFixed(0)} ms`,
    );
    expect(grown).toBeLessThan(64 * MIB);
    expect(median(delays)).toBeLessThan(100);
    expect(median(busy)).toBeLessThan(0.1);
    expect(failures).toEqual([]);
    const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
    expect(page).toContain('weir_http_limit_reached_total{limit="max_connections_per_ip"}');
    await eventually(
      'the connections of the attacker are gone',
      async () => (await metric(gateway, 'weir_http_connections')) < 100,
    );
    expect(gateway.stdout()).toContain('max_connections_per_ip');
  }, 240_000);

  test('cannot block the event loop or memory with two million chunks of one byte', async () => {
    const raw = await openRaw(gateway.url);
    const head = requestBytes({
      method: 'POST',
      target: '/v1/auth/sign-in',
      headers: { 'transfer-encoding': 'chunked' },
    });
    await metric(gateway, 'process_event_loop_busy_max_seconds');
    const before = residentBytes(gateway);
    const during = watchMemory(gateway);
    await raw.send(head);
    const block = '1\r\nx\r\n'.repeat(100_000);
    for (let count = 0; count < 20; count += 1) {
      await Promise.race([raw.send(block).catch(() => undefined), raw.closed]);
    }
    const response = await raw.readResponse();
    expect([400, 413]).toContain(response.status);
    raw.destroy();
    expect(during() - before).toBeLessThan(32 * MIB);
    expect(await metric(gateway, 'process_event_loop_busy_max_seconds')).toBeLessThan(0.05);
  }, 60_000);
});

describe('streams that no client reads', () => {
  let gateway: Gateway;
  let upstream: Server;
  let streaming = 0;
  const connections: RawConnection[] = [];

  beforeAll(async () => {
    const event = `data: ${JSON.stringify({
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'upstream-chat',
      choices: [{ index: 0, delta: { content: 'x'.repeat(200) }, finish_reason: null }],
    })}\n\n`;
    const block = event.repeat(100);
    upstream = createServer((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      streaming += 1;
      const write = () => {
        while (response.write(block));
      };
      response.on('drain', write);
      response.on('close', () => {
        streaming -= 1;
      });
      write();
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const address = upstream.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const url = `http://127.0.0.1:${address.port}`;
    gateway = await startGateway({ config: mockConfig(url, { limits: { write_idle: '3s' } }) });
  });
  afterAll(async () => {
    for (const connection of connections) connection.destroy();
    await gateway.stop();
    upstream.closeAllConnections();
    upstream.close();
  });

  test('hold little memory, and are ended with their upstream calls', async () => {
    const STREAMS = 60;
    // Its modules are loaded.
    const first = await post(gateway, chat({ stream: true }));
    await first.body?.cancel();
    await eventually('the first stream has ended', () => streaming === 0);
    const before = residentBytes(gateway);
    const during = watchMemory(gateway);
    for (let count = 0; count < STREAMS; count += 1) {
      const raw = await openRaw(gateway.url);
      connections.push(raw);
      raw.pause();
      await raw.send(
        requestBytes({
          method: 'POST',
          target: '/v1/chat/completions',
          headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
          body: chat({ stream: true }),
        }),
      );
    }
    await eventually('all streams run', () => streaming === STREAMS, 20_000);
    await eventually('all streams are ended', () => streaming === 0, 30_000);
    const grown = during() - before;
    console.info(`memory +${(grown / STREAMS / MIB).toFixed(2)} MiB for each stream`);
    // Mostly garbage of what the system took for the client; what the upstream sent before it was paused is a tenth.
    expect(grown / STREAMS).toBeLessThan(8 * MIB);
    expect(await metric(gateway, 'llm_requests_in_flight')).toBe(0);
    expect(await metric(gateway, 'weir_http_unsent_bytes')).toBe(0);
    const page = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
    expect(page).toContain(`weir_http_limit_reached_total{limit="write_idle"} ${STREAMS}`);
  }, 60_000);
});
