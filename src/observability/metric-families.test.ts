import { describe, expect, test } from 'bun:test';
import { Histogram, Registry } from 'prom-client';
import { HttpHandles } from './http-handles.ts';
import { MetricFamilies } from './metric-families.ts';
import { Metrics } from './metrics.ts';

const BOUNDS = [0.1, 1, 10];

describe('MetricFamilies', () => {
  test('renders counters, gauges and histograms in the text format', async () => {
    const families = new MetricFamilies();
    families.counter('requests_total', 'Requests.', ['model', 'status']).labels('a', '200').inc();
    families.gauge('depth', 'Depth.', []).labels().set(3);
    families.histogram('seconds', 'Seconds.', ['model'], [1, 2]).labels('a').observe(1.5);
    expect(await families.render()).toBe(`# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{model="a",status="200"} 1
# HELP depth Depth.
# TYPE depth gauge
depth 3
# HELP seconds Seconds.
# TYPE seconds histogram
seconds_bucket{le="1",model="a"} 0
seconds_bucket{le="2",model="a"} 1
seconds_bucket{le="+Inf",model="a"} 1
seconds_sum{model="a"} 1.5
seconds_count{model="a"} 1
`);
    expect(families.contentType('text')).toBe('text/plain; version=0.0.4; charset=utf-8');
  });

  test('escapes label values', async () => {
    const families = new MetricFamilies();
    families.counter('c_total', 'C.', ['text']).labels('a"b\\c\nd').inc();
    expect(await families.render()).toContain('c_total{text="a\\"b\\\\c\\nd"} 1\n');
  });

  test('reads a sampled value at each scrape, and leaves out one that is unknown', async () => {
    const families = new MetricFamilies();
    let value: number | undefined = 2;
    families.sampled('cpu_total', 'CPU.', 'counter', () => value);
    families.sampled('files', 'Files.', 'gauge', () => value);
    expect(await families.render()).toContain('\ncpu_total 2\n');
    value = 5;
    expect(await families.render()).toContain('\nfiles 5\n');
    value = undefined;
    expect(await families.render()).not.toMatch(/^(cpu_total|files) /m);
  });

  test('shares nothing with another gateway of the same process', async () => {
    const [one, other] = [new MetricFamilies(), new MetricFamilies()];
    one.counter('c_total', 'C.', []).labels().inc();
    other.counter('c_total', 'C.', []);
    expect(await other.render()).toContain('\nc_total 0\n');
  });

  test('writes to the samples that prom-client renders, whatever the order of labels', async () => {
    const families = new MetricFamilies();
    const counter = families.counter('c_total', 'C.', ['z', 'a']);
    counter.labels('1', '2').inc();
    counter.labels('1', '2').inc(2);
    counter.labels('2', '1').inc(5);
    const gauge = families.gauge('g', 'G.', ['z', 'a']);
    gauge.labels('1', '2').set(7);
    gauge.reset();
    gauge.labels('1', '2').set(8);
    const page = await families.render();
    expect(page).toContain('c_total{z="1",a="2"} 3\n');
    expect(page).toContain('c_total{z="2",a="1"} 5\n');
    expect(page).toContain('\ng{z="1",a="2"} 8\n');
  });

  test('leaves a gauge without labels out after a reset', async () => {
    const families = new MetricFamilies();
    const gauge = families.gauge('age', 'Age.', []);
    gauge.labels().set(7);
    expect(await families.render()).toContain('\nage 7\n');
    gauge.reset();
    expect(await families.render()).not.toContain('\nage ');
    gauge.labels().set(8);
    expect(await families.render()).toContain('\nage 8\n');
  });

  test('returns one child for the same label values', () => {
    const families = new MetricFamilies();
    const family = families.histogram('seconds', 'Seconds.', ['model', 'provider'], BOUNDS);
    expect(family.labels('a', 'b')).toBe(family.labels('a', 'b'));
    expect(family.labels('a', 'b')).not.toBe(family.labels('b', 'a'));
  });

  test('counts values at, above and below the bounds as prom-client does', async () => {
    const families = new MetricFamilies();
    const registry = new Registry();
    const reference = new Histogram({ name: 's', help: 'S.', registers: [registry], buckets: BOUNDS });
    const family = families.histogram('s', 'S.', [], BOUNDS);
    for (const value of [-1, 0, 0.1, 0.2, 1, 10, 10.1, 1e9]) {
      family.labels().observe(value);
      reference.observe(value);
    }
    expect(await families.render()).toBe(await registry.metrics());
  });

  test('rejects values that are no numbers, and counters that decrease', () => {
    const families = new MetricFamilies();
    const counter = families.counter('c_total', 'C.', []).labels();
    expect(() => counter.inc(-1)).toThrow(RangeError);
    expect(() => counter.inc(Number.POSITIVE_INFINITY)).toThrow(RangeError);
    expect(() => families.gauge('g', 'G.', []).labels().set(Number.NaN)).toThrow(RangeError);
    const histogram = families.histogram('s', 'S.', [], BOUNDS).labels();
    expect(() => histogram.observe(Number.NaN)).toThrow(RangeError);
  });

  test('rejects a name that is taken', () => {
    const families = new MetricFamilies();
    families.counter('c_total', 'C.', []);
    expect(() => families.gauge('c_total', 'C.', [])).toThrow('already been registered');
  });

  test('renders many children in parts: the same text, with other tasks in between', async () => {
    const families = new MetricFamilies();
    families.maxSeries = 1_000;
    const registry = new Registry();
    const reference = new Histogram({
      ...{ name: 'seconds', help: 'Seconds.', labelNames: ['model'], registers: [registry] },
      buckets: BOUNDS,
    });
    const family = families.histogram('seconds', 'Seconds.', ['model'], BOUNDS);
    for (let model = 0; model < 1_000; model += 1) {
      family.labels(`m${model}`).observe(model / 100);
      reference.labels(`m${model}`).observe(model / 100);
    }
    let turns = 0;
    let done = false;
    const countTurns = () => {
      turns += 1;
      if (!done) setImmediate(countTurns);
    };
    setImmediate(countTurns);
    const text = await families.render();
    done = true;
    expect(text).toBe(await registry.metrics());
    // 6,000 lines, 128 or more in each part.
    expect(turns).toBeGreaterThanOrEqual(40);
  });
});

describe('OpenMetrics', () => {
  function create() {
    const families = new MetricFamilies(() => 1_700_000_000.5);
    const histogram = families.histogram('seconds', 'Seconds.', ['model'], [0.00005, 1, 2]);
    return { families, histogram };
  }

  test('has exemplars with trace ids, which the text format has not', async () => {
    const { families, histogram } = create();
    families.counter('requests_total', 'Requests.', ['model']).labels('a').inc(2);
    const child = histogram.labels('a');
    child.observe(0.5, 'trace1');
    child.observe(1.5);
    child.observe(9, 'trace0');
    child.observe(10, 'trace2');
    expect(await families.render('openmetrics')).toBe(`# HELP seconds Seconds.
# TYPE seconds histogram
seconds_bucket{le="5e-05",model="a"} 0
seconds_bucket{le="1.0",model="a"} 1 # {trace_id="trace1"} 0.5 1700000000.5
seconds_bucket{le="2.0",model="a"} 2
seconds_bucket{le="+Inf",model="a"} 4 # {trace_id="trace2"} 10 1700000000.5
seconds_sum{model="a"} 21
seconds_count{model="a"} 4
# HELP requests Requests.
# TYPE requests counter
requests_total{model="a"} 2
# EOF
`);
    expect(families.contentType('openmetrics')).toBe(
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    );
    const text = await families.render();
    expect(text).not.toContain('trace');
    expect(text).toContain('# TYPE requests_total counter\n');
    expect(text).toContain('seconds_bucket{le="1",model="a"} 1\n');
  });

  test('a value that is rejected leaves no exemplar', async () => {
    const { families, histogram } = create();
    expect(() => histogram.labels('a').observe(Number.NaN, 'trace1')).toThrow(RangeError);
    expect(await families.render('openmetrics')).not.toContain('trace');
  });

  test('rejects counters without the suffix, and names that differ by it only', () => {
    const families = new MetricFamilies();
    expect(() => families.counter('c', 'C.', [])).toThrow('_total');
    families.counter('c_total', 'C.', []);
    expect(() => families.gauge('c', 'C.', [])).toThrow('OpenMetrics');
  });
});

test('sums the children of a counter', () => {
  const families = new MetricFamilies();
  const lost = families.counter('lost_total', 'Lost.', ['reason']);
  expect(lost.total()).toBe(0);
  lost.labels('a').inc(2);
  lost.labels('b').inc(3);
  expect(lost.total()).toBe(5);
});

/** The samples of one metric, as the page shows them. */
async function samplesOf(families: MetricFamilies, name: string): Promise<string[]> {
  const page = await families.render();
  return page.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}

describe('the bound on label sets', () => {
  test('keeps the first 100 label sets; 10,000 hostile names count as "other", and none is lost', async () => {
    const families = new MetricFamilies();
    const counter = families.counter('c_total', 'C.', ['model', 'tenant']);
    const histogram = families.histogram('s', 'S.', ['provider'], BOUNDS);
    const hostile = (index: number) => `${'"}\n\\'.repeat(index % 7)}${'x'.repeat(index % 50)}${index}`;
    for (let index = 0; index < 10_000; index += 1) {
      counter.labels(hostile(index), hostile(index)).inc();
      histogram.labels(hostile(index)).observe(1);
    }
    const lines = await samplesOf(families, 'c_total');
    expect(lines).toHaveLength(101);
    expect(lines.at(-1)).toBe('c_total{model="other",tenant="other"} 9900');
    expect(await samplesOf(families, 's_count')).toHaveLength(101);
    expect((await samplesOf(families, 's_count')).at(-1)).toBe('s_count{provider="other"} 9900');
    // Those that came first go on alone.
    counter.labels(hostile(3), hostile(3)).inc();
    expect((await samplesOf(families, 'c_total'))[3]).toEndWith('} 2');
  });

  test('keeps the labels whose values Weir defines, also among the others', async () => {
    const families = new MetricFamilies();
    families.maxSeries = 1;
    const counter = families.counter('c_total', 'C.', ['model', 'status']);
    for (const [model, status] of [
      ['a', '200'],
      ['a', '500'],
      ['b', '200'],
      ['c', '500'],
    ] as const)
      counter.labels(model, status).inc();
    expect(await samplesOf(families, 'c_total')).toEqual([
      'c_total{model="a",status="200"} 1',
      'c_total{model="other",status="500"} 2',
      'c_total{model="other",status="200"} 1',
    ]);
    const routes = families.counter('r_total', 'R.', ['route']);
    for (const route of ['/a', '/b', '/c']) routes.labels(route).inc();
    expect(await samplesOf(families, 'r_total')).toHaveLength(3);
  });

  test('holds for every label that Weir does not define, and for one that a single metric opens', async () => {
    const families = new MetricFamilies();
    const named = families.counter('n_total', 'N.', ['plugin', 'name']);
    const opened = families.counter('o_total', 'O.', ['guardrail', 'kind'], ['kind']);
    for (let index = 0; index < 10_000; index += 1) {
      named.labels('p', `n${index}`).inc();
      opened.labels('g', `k${index}`).inc();
    }
    expect(await samplesOf(families, 'n_total')).toHaveLength(101);
    expect(await samplesOf(families, 'o_total')).toHaveLength(101);
  });

  test('can be raised while the gateway runs', async () => {
    const families = new MetricFamilies();
    families.maxSeries = 1;
    const counter = families.counter('c_total', 'C.', ['tenant']);
    for (const tenant of ['a', 'b']) counter.labels(tenant).inc();
    families.maxSeries = 2;
    for (const tenant of ['b', 'c']) counter.labels(tenant).inc();
    expect(await samplesOf(families, 'c_total')).toEqual([
      'c_total{tenant="a"} 1',
      'c_total{tenant="other"} 2',
      'c_total{tenant="b"} 1',
    ]);
  });

  test('a gauge of others shows the worst value since the last scrape', async () => {
    const families = new MetricFamilies();
    families.maxSeries = 1;
    const breaker = families.gauge('breaker', 'B.', ['provider']);
    const healthy = families.gauge('healthy', 'H.', ['provider'], 'smallest');
    const setAll = (...values: number[]) => {
      for (const [index, value] of values.entries()) {
        breaker.labels(`p${index}`).set(value);
        healthy.labels(`p${index}`).set(value);
      }
    };
    setAll(5, 1, 2, 0);
    expect((await samplesOf(families, 'breaker')).at(-1)).toBe('breaker{provider="other"} 2');
    setAll(5, 1, 0, 1);
    expect((await samplesOf(families, 'breaker')).at(-1)).toBe('breaker{provider="other"} 1');
    expect((await samplesOf(families, 'healthy')).at(-1)).toBe('healthy{provider="other"} 0');
    breaker.reset();
    setAll(0, 0);
    expect(await samplesOf(families, 'breaker')).toEqual([
      'breaker{provider="p0"} 0',
      'breaker{provider="other"} 0',
    ]);
  });
});

describe('the metrics of a gateway', () => {
  const create = () => {
    const stats = { cpuSeconds: 0, residentBytes: 0, startedAtSeconds: 0, openFiles: undefined };
    return new Metrics(
      () => stats,
      () => 0,
      { takeMaxDelay: () => 0, takeMaxBusy: () => 0 },
    );
  };

  test('are rendered once for scrapes at the same time', async () => {
    const metrics = create();
    let renders = 0;
    metrics.beforeRender = () => {
      renders += 1;
    };
    const pages = await Promise.all(Array.from({ length: 50 }, () => metrics.render()));
    expect([renders, new Set(pages).size]).toEqual([1, 1]);
    await Promise.all([metrics.render(), metrics.render('openmetrics')]);
    expect(renders).toBe(3);
  });

  test('count HTTP requests by method, route and status, whatever was there before', async () => {
    const metrics = create();
    const handles = new HttpHandles(metrics);
    for (const [method, status] of [
      ['GET', 200],
      ['GET', 200],
      ['GET', 404],
      ['POST', 200],
      ['GET', 200],
    ] as const)
      handles.finished(method, '/a', status, 0.5);
    const page = await metrics.render();
    expect(page).toContain('http_requests_total{method="GET",route="/a",status="200"} 3\n');
    expect(page).toContain('http_requests_total{method="GET",route="/a",status="404"} 1\n');
    expect(page).toContain('http_request_duration_seconds_sum{method="GET",route="/a",status="200"} 1.5\n');
  });
});
