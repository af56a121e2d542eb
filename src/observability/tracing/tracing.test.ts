import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { isSampled } from './sampler.ts';
import { SPAN_KIND, type SpanRecord } from './span.ts';
import { SpanExporter, type SpanExporterOptions } from './span-exporter.ts';
import { formatTraceparent, parseTraceparent, readTracestate, TraceIds } from './trace-context.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('traceparent', () => {
  test.each<[string, string | null, unknown]>([
    ['a sampled one', `00-${TRACE}-${SPAN}-01`, { traceId: TRACE, spanId: SPAN, isSampled: true }],
    ['one that is not sampled', `00-${TRACE}-${SPAN}-00`, { traceId: TRACE, spanId: SPAN, isSampled: false }],
    ['unknown flags', `00-${TRACE}-${SPAN}-ff`, { traceId: TRACE, spanId: SPAN, isSampled: true }],
    ['a later version', `01-${TRACE}-${SPAN}-01-more`, { traceId: TRACE, spanId: SPAN, isSampled: true }],
    ['none', null, undefined],
    ['an empty one', '', undefined],
    ['nonsense', 'hello', undefined],
    ['upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`, undefined],
    ['the forbidden version', `ff-${TRACE}-${SPAN}-01`, undefined],
    ['more than this version has', `00-${TRACE}-${SPAN}-01-more`, undefined],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`, undefined],
    ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`, undefined],
    ['a short trace', `00-${TRACE.slice(1)}-${SPAN}-01`, undefined],
    ['a very long one', `01-${TRACE}-${SPAN}-01-${'a'.repeat(600)}`, undefined],
  ])('%s', (_, header, expected) => {
    expect<unknown>(parseTraceparent(header)).toEqual(expected);
  });

  test('is written as it is read', () => {
    const ids = new TraceIds();
    for (let count = 0; count < 1_000; count += 1) {
      const [traceId, spanId] = [ids.traceId(), ids.spanId()];
      const header = formatTraceparent(traceId, spanId, count % 2 === 0);
      expect(parseTraceparent(header)).toEqual({ traceId, spanId, isSampled: count % 2 === 0 });
    }
  });

  test('never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseTraceparent(text)));
  });

  test('tracestate is forwarded when vendors must accept it', () => {
    expect(readTracestate('a=1,b=2')).toBe('a=1,b=2');
    expect(readTracestate('x'.repeat(513))).toBeUndefined();
    expect(readTracestate('a=\u00e9')).toBeUndefined();
    expect(readTracestate(null)).toBeUndefined();
  });
});

describe('the sampler', () => {
  const parent = (isSampled_: boolean) => ({ traceId: TRACE, spanId: SPAN, isSampled: isSampled_ });
  test('follows the caller when it is based on it', () => {
    expect(isSampled('parentbased_always_off', 1, TRACE, parent(true))).toBe(true);
    expect(isSampled('parentbased_always_on', 1, TRACE, parent(false))).toBe(false);
    expect(isSampled('always_on', 1, TRACE, parent(false))).toBe(true);
    expect(isSampled('always_off', 1, TRACE, parent(true))).toBe(false);
    expect(isSampled('parentbased_always_off', 1, TRACE, undefined)).toBe(false);
  });

  test('takes the ratio of traces, the same ones everywhere', () => {
    const ids = new TraceIds();
    const traces = Array.from({ length: 20_000 }, () => ids.traceId());
    const taken = (ratio: number) => traces.filter((id) => isSampled('traceidratio', ratio, id, undefined));
    expect(taken(0)).toEqual([]);
    expect(taken(1)).toHaveLength(traces.length);
    expect(taken(0.1).length).toBeWithin(1_700, 2_300);
    const half = new Set(taken(0.5));
    expect(taken(0.1).every((id) => half.has(id))).toBe(true);
  });
});

const span: SpanRecord = {
  ...{ traceId: TRACE, spanId: SPAN, parentSpanId: undefined, hasRemoteParent: false, traceState: undefined },
  ...{ isSampled: true, name: 'n', kind: SPAN_KIND.internal, startMs: 0, endMs: 1, attributes: {} },
  ...{ error: undefined, events: [] },
};

describe('the exporter', () => {
  function create(fetch: SpanExporterOptions['fetch']) {
    const lost: [number, string][] = [];
    let exported = 0;
    const sleeps: number[] = [];
    const exporter = new SpanExporter({
      settings: () => ({ url: 'http://collector.test/v1/traces', headers: { a: 'b' }, contentType: 'x/y' }),
      encode: async (spans) => new Uint8Array(spans.length),
      fetch,
      sleep: async (ms) => void sleeps.push(ms),
      onExported: (count) => {
        exported += count;
      },
      onLost: (count, reason) => lost.push([count, reason]),
    });
    return { exporter, lost, sleeps, exported: () => exported };
  }

  test('sends batches, with the headers of the configuration', async () => {
    const bodies: number[] = [];
    const { exporter, lost, exported } = create(async (url, init) => {
      expect([url, new Headers(init.headers).get('content-type')]).toEqual([
        'http://collector.test/v1/traces',
        'x/y',
      ]);
      bodies.push(init.body instanceof Uint8Array ? init.body.length : -1);
      return new Response();
    });
    exporter.add(Array.from({ length: 300 }, () => span));
    await exporter.flush();
    expect([bodies, lost, exported(), exporter.waiting]).toEqual([[128, 128, 44], [], 300, 0]);
  });

  test('keeps a bounded number of spans for a collector that is slow, and counts the rest', async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    const { exporter, lost, exported } = create(() => promise);
    for (let count = 0; count < 20_000; count += 1) exporter.add([span]);
    expect(exporter.waiting).toBe(8_192);
    const dropped = lost.reduce((sum, [count]) => sum + count, 0);
    expect(dropped).toBe(20_000 - 8_192 - 128);
    resolve(new Response());
    await exporter.flush();
    expect(exported() + dropped).toBe(20_000);
  });

  test('tries again when the collector is busy or away, and gives the batch up in the end', async () => {
    const statuses = [503, 200];
    const busy = create(async () => new Response(null, { status: statuses.shift() ?? 500 }));
    busy.exporter.add([span]);
    await busy.exporter.flush();
    expect([busy.exported(), busy.lost, busy.sleeps]).toEqual([1, [], [1_000]]);
    const away = create(() => Promise.reject(new Error('connection refused')));
    away.exporter.add([span, span]);
    await away.exporter.flush();
    expect([away.lost, away.sleeps]).toEqual([[[2, 'unreachable']], [1_000, 4_000]]);
    const wrong = create(async () => new Response(null, { status: 401 }));
    wrong.exporter.add([span]);
    await wrong.exporter.flush();
    expect([wrong.lost, wrong.sleeps]).toEqual([[[1, 'rejected']], []]);
  });

  test('sends the rest when it is closed, without waits', async () => {
    const { exporter, lost, sleeps } = create(() => Promise.reject(new Error('connection refused')));
    exporter.add([span]);
    await exporter.close();
    expect([lost, sleeps, exporter.waiting]).toEqual([[[1, 'unreachable']], [], 0]);
  });
});
