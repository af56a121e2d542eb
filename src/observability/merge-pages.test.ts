import { expect, test } from 'bun:test';
import { MetricPages } from './merge-pages.ts';

function page(values: {
  readonly requests: number;
  readonly connections: number;
  readonly healthy: number;
  readonly ratio: number;
  readonly bucket: number;
}): string {
  return `# HELP llm_requests_total Requests.
# TYPE llm_requests_total counter
llm_requests_total{model="a } b",status="200"} ${values.requests}

# HELP weir_http_connections Connections.
# TYPE weir_http_connections gauge
weir_http_connections ${values.connections}

# HELP llm_target_healthy Healthy.
# TYPE llm_target_healthy gauge
llm_target_healthy{provider="p"} ${values.healthy}

# HELP llm_quota_used_ratio Used.
# TYPE llm_quota_used_ratio gauge
llm_quota_used_ratio{tenant="t"} ${values.ratio}

# HELP weir_config_reloads_total Reloads.
# TYPE weir_config_reloads_total counter
weir_config_reloads_total{result="applied"} 1

# HELP llm_seconds Time.
# TYPE llm_seconds histogram
llm_seconds_bucket{le="1"} ${values.bucket}
llm_seconds_bucket{le="+Inf"} ${values.bucket}
llm_seconds_sum 2.5
llm_seconds_count ${values.bucket}
`;
}

const one = page({ requests: 3, connections: 2, healthy: 1, ratio: 0.4, bucket: 3 });
const two = page({ requests: 4, connections: 5, healthy: 0, ratio: 0.7, bucket: 4 });

/** The samples of a page, without its comments. */
function samples(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

test('counters and histograms are summed; gauges are summed, or the worst or largest counts', () => {
  const merged = new MetricPages().merge(one, [two]);
  expect(samples(merged)).toEqual({
    'llm_requests_total{model="a } b",status="200"}': 7,
    weir_http_connections: 7,
    'llm_target_healthy{provider="p"}': 0,
    'llm_quota_used_ratio{tenant="t"}': 0.7,
    'weir_config_reloads_total{result="applied"}': 1,
    'llm_seconds_bucket{le="1"}': 7,
    'llm_seconds_bucket{le="+Inf"}': 7,
    llm_seconds_sum: 5,
    llm_seconds_count: 7,
  });
  expect(merged.match(/^# HELP llm_requests_total Requests\.$/gm)).toHaveLength(1);
});

test('counters of a process that has ended still count, and its gauges do not', () => {
  const pages = new MetricPages();
  pages.add(two);
  const merged = samples(pages.merge(one, []));
  expect(merged['llm_requests_total{model="a } b",status="200"}']).toBe(7);
  expect(merged.llm_seconds_count).toBe(7);
  expect(merged.weir_http_connections).toBe(2);
});

test('a page in the OpenMetrics format is merged with one of the other format, and keeps its exemplars', () => {
  const open = `# HELP llm_requests Requests.
# TYPE llm_requests counter
llm_requests_total{model="a } b",status="200"} 3
# HELP llm_seconds Time.
# TYPE llm_seconds histogram
llm_seconds_bucket{le="1.0"} 3 # {trace_id="4bf9"} 0.5 1700000000
llm_seconds_bucket{le="+Inf"} 3
llm_seconds_sum 2.5
llm_seconds_count 3
# EOF
`;
  const pages = new MetricPages();
  pages.add(two);
  const merged = pages.merge(open, [open]);
  expect(merged).toContain('llm_requests_total{model="a } b",status="200"} 10\n');
  expect(merged).toContain('llm_seconds_bucket{le="1.0"} 10 # {trace_id="4bf9"} 0.5 1700000000\n');
  expect(merged.match(/le="1/g)).toHaveLength(1);
  expect(merged).toEndWith('# EOF\n');
});
