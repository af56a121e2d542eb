import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openRaw, type RawConnection, requestBytes } from '../support/http-raw.ts';
import { chat, eventually, metric, post } from './harness.ts';

const MIB = 1024 * 1024;
const STREAMS = 200;
/** A whole response of 100,000 tokens takes 4 MiB. */
const MOST_BYTES_EACH = 0.4 * MIB;

let gateway: Gateway;
const connections: RawConnection[] = [];

beforeAll(async () => {
  gateway = await startGateway({ config: { limits: { max_connections_per_ip: 2 * STREAMS } } });
});
afterAll(async () => {
  for (const connection of connections) connection.destroy();
  await gateway.stop();
});

function residentBytes(): number {
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]);
}

test('long streams that no client reads are generated no further, and delay nobody', async () => {
  const first = await post(gateway, chat({ model: 'simulator:tokens=3000', stream: true }));
  await first.text();
  await metric(gateway, 'process_event_loop_busy_max_seconds');
  const before = residentBytes();
  for (let count = 0; count < STREAMS; count += 1) {
    const raw = await openRaw(gateway.url);
    connections.push(raw);
    raw.pause();
    await raw.send(
      requestBytes({
        method: 'POST',
        target: '/v1/chat/completions',
        headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
        body: chat({ model: 'simulator:tokens=100000', stream: true }),
      }),
    );
  }
  await eventually(
    'all streams run',
    async () => (await metric(gateway, 'llm_requests_in_flight')) === STREAMS,
    20_000,
  );
  const delays: number[] = [];
  let peak = 0;
  for (let count = 0; count < 40; count += 1) {
    const askedAt = performance.now();
    const response = await fetch(`${gateway.url}/health/live`);
    await response.text();
    expect(response.status).toBe(200);
    delays.push(performance.now() - askedAt);
    peak = Math.max(peak, residentBytes());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const median = delays.toSorted((a, b) => a - b)[delays.length >> 1];
  const each = (peak - before) / STREAMS;
  console.info(
    `memory +${(each / MIB).toFixed(2)} MiB for each stream; health: median ${median?.toFixed(1)} ms`,
  );
  expect(each).toBeLessThan(MOST_BYTES_EACH);
  expect(median).toBeLessThan(100);
  for (const connection of connections) connection.destroy();
  await eventually(
    'all streams have ended',
    async () => (await metric(gateway, 'llm_requests_in_flight')) === 0,
    20_000,
  );
}, 60_000);
