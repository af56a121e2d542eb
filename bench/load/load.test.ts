import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { startUpstream, type Upstream } from '../upstream/server.ts';
import { due } from './fixed-rate.ts';
import type { Endpoint } from './protocol.ts';
import { runClosed, runProbe, runRate } from './requests.ts';
import { HeldStreams, runStreams } from './streams.ts';

let upstream: Upstream;
let endpoint: Endpoint;
const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] });
const streamBody = (fields: Record<string, unknown>) =>
  JSON.stringify({ ...JSON.parse(body), stream: true, ...fields });

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

beforeAll(() => {
  upstream = startUpstream({ hostname: '127.0.0.1', port: 0, model: 'mock-model' });
  endpoint = { hostname: '127.0.0.1', port: upstream.port, path: '/v1/chat/completions', headers: {} };
});
afterAll(() => upstream.stop());

describe('load client against the mock upstream', () => {
  test('a chat answer is OpenAI-like and about 1.2 KB', async () => {
    const { status, body: text } = await runProbe({ type: 'probe', endpoint, body });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ object: 'chat.completion', model: 'mock-model' });
    expect(text.length).toBeGreaterThan(1000);
    expect(text.length).toBeLessThan(1400);
  });

  test('an event stream has the asked number of chunks, a finish reason, usage and [DONE]', async () => {
    const request = { bench_chunks: 5, bench_interval_ms: 1, stream_options: { include_usage: true } };
    const { body: text } = await runProbe({ type: 'probe', endpoint, body: streamBody(request) });
    const events = text.split('\n\n').filter(Boolean);
    expect(events).toHaveLength(7);
    expect(events.at(-1)).toBe('data: [DONE]');
    expect(events.at(-2)).toContain('"choices":[],"usage"');
    expect(events.at(-3)).toContain('"finish_reason":"stop"');
    expect(events[1]?.length).toBeGreaterThan(220);
    expect(events[1]?.length).toBeLessThan(280);
  });

  test('closed loop sends exactly the asked number', async () => {
    const before = upstream.stats.requests;
    const result = await runClosed({ type: 'closed', endpoint, body, requests: 200, connections: 8 });
    expect(result).toMatchObject({ completed: 200, failed: 0 });
    expect(result.latency.count).toBe(200);
    expect(upstream.stats.requests - before).toBe(200);
  });

  test('a rotation uses keys and models in turn', async () => {
    const seen: string[] = [];
    const server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: async (request) => {
        const { model } = JSON.parse(await request.text());
        seen.push(`${request.headers.get('authorization')?.slice(7)} ${model}`);
        return new Response('{}');
      },
    });
    const { port = 0 } = server;
    const rotation = { keys: ['k0', 'k1', 'k2'], models: ['m0', 'm1'] };
    const closed = {
      type: 'closed',
      endpoint: { ...endpoint, port },
      body,
      connections: 1,
      rotation,
    } as const;
    expect(await runClosed({ ...closed, requests: 3 })).toMatchObject({ completed: 3, failed: 0 });
    await runClosed({ ...closed, requests: 2, rotated: 3 });
    expect(seen).toEqual(['k0 m0', 'k1 m1', 'k2 m0', 'k0 m1', 'k1 m0']);
    await server.stop(true);
  });

  test('fixed rate sends the rate times the duration', async () => {
    const job = {
      type: 'rate',
      endpoint,
      body,
      perSecond: 1000,
      durationMs: 50,
      untimedMs: 20,
      maxConnections: 4,
    } as const;
    expect(await runRate(job)).toMatchObject({ completed: 50, failed: 0, latency: { count: 30 } });
  });

  test('an answer other than 200 is a failure with its reason', async () => {
    const lost = { ...endpoint, path: '/nowhere' };
    const result = await runClosed({ type: 'closed', endpoint: lost, body, requests: 3, connections: 2 });
    expect(result).toMatchObject({ completed: 0, failed: 3, reasons: ['status 404'] });
  });

  test('a refused connection is a failure', async () => {
    const gone = startUpstream({ hostname: '127.0.0.1', port: 0, model: 'm' });
    gone.stop();
    const closed = { ...endpoint, port: gone.port };
    const result = await runClosed({ type: 'closed', endpoint: closed, body, requests: 3, connections: 2 });
    expect(result).toMatchObject({ completed: 0, failed: 3 });
    expect(result.reasons[0]).toContain('connect');
  });

  test('streams are read to their end and every event is counted', async () => {
    const job = {
      type: 'streams',
      endpoint,
      body: streamBody({ bench_chunks: 6, bench_interval_ms: 1 }),
      count: 20,
      startsPerSecond: 5000,
      maxOpen: 20,
    } as const;
    const result = await runStreams(job);
    expect(result).toMatchObject({ completed: 20, events: 120, failed: 0 });
    expect(result.firstEvent.count).toBe(20);
    const timed = await runStreams({ ...job, untimed: 15 });
    expect(timed).toMatchObject({ completed: 20, events: 120, firstEvent: { count: 5 }, gap: { count: 25 } });
  });

  test('aborted streams close upstream', async () => {
    const before = upstream.stats.streamsAborted;
    const job = {
      type: 'streams',
      endpoint,
      body: streamBody({ bench_chunks: 1000, bench_interval_ms: 1 }),
      count: 10,
      startsPerSecond: 5000,
      abortAfter: 2,
      maxOpen: 20,
    } as const;
    expect(await runStreams(job)).toMatchObject({ completed: 10, failed: 0 });
    while (upstream.stats.streamsAborted < before + 10) await nextTurn();
    expect(upstream.stats.openStreams).toBe(0);
  });

  test('held streams stay open until they are released', async () => {
    const held = new HeldStreams();
    const hold = { type: 'hold', endpoint, body: streamBody({ bench_hold: true }), maxPending: 8 } as const;
    expect(await held.hold({ ...hold, count: 10 })).toEqual({ open: 10, failed: 0, reasons: [] });
    expect(await held.hold({ ...hold, count: 30 })).toMatchObject({ open: 30 });
    expect(upstream.stats.openStreams).toBe(30);
    expect(held.state()).toEqual({ open: 30, events: 30, dropped: 0 });
    expect(held.release()).toEqual({ closed: 30 });
    while (upstream.stats.openStreams > 0) await nextTurn();
    expect(held.state().open).toBe(0);
  });
});

test('due', () => {
  expect(due(0, 1000, 10)).toBe(1);
  expect(due(4.5, 1000, 10)).toBe(5);
  expect(due(1e6, 1000, 10)).toBe(10);
});
