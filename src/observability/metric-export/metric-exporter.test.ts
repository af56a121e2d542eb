import { describe, expect, test } from 'bun:test';
import { MetricFamilies } from '../metric-families.ts';
import { encodeMetrics } from './encode-metrics.ts';
import { MetricExporter, type MetricExporterOptions } from './metric-exporter.ts';

const URL = 'http://collector.test/v1/metrics';

function create(fetch: MetricExporterOptions['fetch'], families = new MetricFamilies()) {
  const lost: [number, string][] = [];
  const batches: number[] = [];
  let [now, exported, enabled] = [0, 0, true];
  const exporter = new MetricExporter({
    settings: () =>
      enabled
        ? { url: URL, headers: { a: 'b' }, contentType: 'x/y', intervalMs: 10_000, includes: () => true }
        : undefined,
    snapshot: () => families.snapshot(),
    encode: async (snapshots) => {
      batches.push(snapshots.reduce((sum, { points }) => sum + points.length, 0));
      return new Uint8Array(1);
    },
    fetch,
    now: () => now,
    wallTime: () => 0,
    onExported: (points) => {
      exported += points;
    },
    onLost: (points, reason) => lost.push([points, reason]),
  });
  return {
    ...{ exporter, families, lost, batches },
    exported: () => exported,
    tickAt: (ms: number) => {
      now = ms;
      exporter.tick();
    },
    disable: () => {
      enabled = false;
    },
  };
}

function withSeries(count: number): MetricFamilies {
  const families = new MetricFamilies();
  families.maxSeries = count;
  const counter = families.counter('c_total', 'C.', ['model']);
  for (let model = 0; model < count; model += 1) counter.labels(`m${model}`).inc();
  families.histogram('empty', 'E.', ['model'], [1]);
  return families;
}

describe('the exporter of metrics', () => {
  test('sends every value once each interval, in bounded batches', async () => {
    const sent: unknown[] = [];
    const { exporter, batches, exported, tickAt, lost } = create(async (url, init) => {
      sent.push([url, new Headers(init.headers).get('content-type'), new Headers(init.headers).get('a')]);
      return new Response();
    }, withSeries(600));
    for (const ms of [0, 5_000, 9_999]) tickAt(ms);
    expect(batches).toEqual([]);
    tickAt(10_000);
    await exporter.flush();
    expect([batches, exported(), lost]).toEqual([[256, 256, 88], 600, []]);
    expect(sent).toEqual(Array(3).fill([URL, 'x/y', 'b']));
  });

  test('never has two exports at once: a slow collector costs one export, and the loss is counted', async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    let calls = 0;
    const { exporter, lost, exported, tickAt } = create(() => {
      calls += 1;
      return promise;
    }, withSeries(5));
    for (let ms = 0; ms <= 60_000; ms += 1_000) tickAt(ms);
    expect(lost).toEqual(Array(5).fill([5, 'busy']));
    resolve(new Response());
    await exporter.flush();
    expect([calls, exported()]).toEqual([1, 5]);
  });

  test('counts what an unreachable collector did not get, and tries one batch only', async () => {
    let calls = 0;
    const { exporter, lost } = create(() => {
      calls += 1;
      return Promise.reject(new Error('connection refused'));
    }, withSeries(600));
    await exporter.flush();
    expect([calls, lost]).toEqual([
      1,
      [
        [256, 'unreachable'],
        [344, 'unreachable'],
      ],
    ]);
  });

  test('counts what a collector rejects, and sends the rest', async () => {
    const statuses = [413, 200, 200];
    const { exporter, lost, exported } = create(
      async () => new Response(null, { status: statuses.shift() ?? 500 }),
      withSeries(600),
    );
    await exporter.flush();
    expect([lost, exported()]).toEqual([[[256, 'rejected']], 344]);
  });

  test('does not read what a collector answers with', async () => {
    let pulled = 0;
    const endless = new ReadableStream({
      pull: (controller) => {
        pulled += 1;
        controller.enqueue(new Uint8Array(1_000_000));
      },
    });
    const { exporter, exported } = create(async () => new Response(endless), withSeries(1));
    await exporter.flush();
    expect(exported()).toBe(1);
    expect(pulled).toBeLessThan(5);
  });

  test('sends the last values when it is closed, and nothing while it is off', async () => {
    const { exporter, exported, tickAt, disable } = create(async () => new Response(), withSeries(3));
    await exporter.close();
    expect(exported()).toBe(3);
    disable();
    for (let ms = 0; ms <= 60_000; ms += 1_000) tickAt(ms);
    await exporter.close();
    expect(exported()).toBe(3);
  });
});

test('values are encoded with the names, units and attributes of the conventions', () => {
  const families = new MetricFamilies();
  const attributes = { op: 'gen_ai.operation.name', error_type: 'error.type' };
  families
    .histogram('gen_ai_x_seconds', 'X.', ['op', 'error_type'], [1, 2], {
      ...{ name: 'gen_ai.x', unit: 's', attributes },
    })
    .labels('chat', '')
    .observe(1.5);
  families.counter('requests_total', 'R.', ['model']).labels('a').inc(3);
  families.gauge('memory_bytes', 'M.', []).labels().set(7);
  const resource = { attributes: { 'service.name': 'weir' }, version: '1.2.3' };
  const period = { startMs: 1_000, endMs: 2_500 };
  const text = new TextDecoder().decode(encodeMetrics(families.snapshot(), resource, period, 'http/json'));
  const times = { startTimeUnixNano: '1000000000', timeUnixNano: '2500000000' };
  const [{ scopeMetrics }] = JSON.parse(text).resourceMetrics;
  expect(scopeMetrics[0].scope).toMatchObject({ name: 'weir', version: '1.2.3' });
  expect(scopeMetrics[0].metrics).toMatchObject([
    {
      ...{ name: 'gen_ai.x', description: 'X.', unit: 's' },
      histogram: {
        aggregationTemporality: 2,
        dataPoints: [
          {
            ...times,
            attributes: [{ key: 'gen_ai.operation.name', value: { stringValue: 'chat' } }],
            ...{ bucketCounts: [0, 1, 0], explicitBounds: [1, 2], count: 1, sum: 1.5 },
          },
        ],
      },
    },
    {
      name: 'requests_total',
      sum: {
        ...{ aggregationTemporality: 2, isMonotonic: true },
        dataPoints: [{ ...times, asDouble: 3, attributes: [{ key: 'model', value: { stringValue: 'a' } }] }],
      },
    },
    { name: 'memory_bytes', unit: 'By', gauge: { dataPoints: [{ asDouble: 7 }] } },
  ]);
  const protobuf = encodeMetrics(families.snapshot(), resource, period, 'http/protobuf');
  expect(new TextDecoder('latin1').decode(protobuf)).toContain('gen_ai.operation.name');
});
