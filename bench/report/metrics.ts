import type { ScenarioName } from '../options.ts';

export interface Metric {
  readonly scenario: ScenarioName;
  readonly id: string;
  readonly label: string;
  readonly unit: string;
  readonly digits: number;
  /** Whether a ratio to the floor says something. */
  readonly ratio: boolean;
}

type Short = readonly [id: string, label: string, unit: string, digits: number, ratio?: 'ratio'];

function of(scenario: ScenarioName, ...rows: Short[]): Metric[] {
  return rows.map(([id, label, unit, digits, ratio]) => ({
    scenario,
    id,
    label,
    unit,
    digits,
    ratio: ratio === 'ratio',
  }));
}

/** Every metric the tables show, in their order. `open` are the counts of held streams. */
export function metrics(open: readonly number[]): Metric[] {
  return [
    ...of(
      'non-streaming',
      ['cpu_us', 'CPU per request, saturated', 'µs', 1, 'ratio'],
      ['cpu_us_paced', 'CPU per request, fixed rate', 'µs', 1, 'ratio'],
      ['routing_cpu_us', 'CPU added by 20 targets', 'µs', 1],
      ['requests_per_second', 'requests per second, saturated', '1/s', 0, 'ratio'],
      ['rate', 'the fixed rate', '1/s', 0],
      ['failed', 'failed requests', '', 0],
    ),
    ...of(
      'streaming',
      ['cpu_us', 'CPU per chunk', 'µs', 2, 'ratio'],
      ['translated_cpu_us', 'CPU per chunk, translated by Weir only', 'µs', 2, 'ratio'],
      ['added_first_p50_us', 'added time to first token, p50', 'µs', 0],
      ['first_p50_us', 'time to first token, p50', 'µs', 0],
      ['gap_p50_us', 'time between chunks, p50', 'µs', 0],
      ['gap_p99_us', 'time between chunks, p99', 'µs', 0],
      ['failed', 'broken streams', '', 0],
    ),
    ...of(
      'latency',
      ['rate', 'half of weir’s saturated rate', '1/s', 0],
      ['added_p50_us', 'added over direct, p50', 'µs', 0, 'ratio'],
      ['added_p99_us', 'added over direct, p99', 'µs', 0, 'ratio'],
      ['p50_us', 'p50', 'µs', 0],
      ['p99_us', 'p99', 'µs', 0],
      ['stream_rate', 'half of weir’s saturated rate of streams', '1/s', 0],
      ['added_first_p50_us', 'first token, added over direct, p50', 'µs', 0, 'ratio'],
      ['added_first_p99_us', 'first token, added over direct, p99', 'µs', 0, 'ratio'],
      ['first_p50_us', 'first token, p50', 'µs', 0],
      ['first_p99_us', 'first token, p99', 'µs', 0],
      ['delay_ms', 'longest event-loop delay', 'ms', 1],
      ['busy_ms', 'longest event-loop delay, CPU of the main thread only', 'ms', 1],
      ['failed', 'failed requests and streams', '', 0],
    ),
    ...of(
      'memory',
      ['idle_rss_kib', 'RSS after start', 'KiB', 0, 'ratio'],
      ['first_rss_kib', 'RSS after a first request and stream', 'KiB', 0, 'ratio'],
    ),
    ...open.flatMap((count) =>
      of(
        'memory',
        [`stream_kib_${count}`, `RSS per stream, ${count} asked`, 'KiB', 2, 'ratio'],
        [`stream_pss_kib_${count}`, `PSS per stream, ${count} asked`, 'KiB', 2, 'ratio'],
        [`open_${count}`, `streams open, ${count} asked`, '', 0],
        [`dropped_${count}`, `streams refused or dropped, ${count} asked`, '', 0],
      ),
    ),
    ...of(
      'memory',
      ['closed_rss_kib', 'RSS after all are closed', 'KiB', 0],
      ['retained_rss_kib', 'RSS a minute later', 'KiB', 0],
      ['retained', 'RSS a minute later to RSS before the streams', '', 2],
      ['left_streams', 'upstream streams left after that', '', 0],
      ['left_connections', 'upstream connections left after that', '', 0],
    ),
    ...of(
      'startup',
      ['first_response_ms', 'start to first response', 'ms', 0],
      ['first_chat_ms', 'start to first chat completion', 'ms', 0],
      ['cpu_ms', 'CPU to first response, launcher included', 'ms', 0],
      ['rss_kib', 'RSS of the runtime process then', 'KiB', 0],
      ['chat_rss_kib', 'RSS after the first chat completion', 'KiB', 0],
    ),
    ...of(
      'many-tenants',
      ['cpu_ratio', 'CPU per request, 5,000 keys and 1,000 models in turn, to one of each', '', 2],
      ['many_cpu_us', 'CPU per request, 5,000 keys and 1,000 models', 'µs', 1],
      ['one_cpu_us', 'CPU per request, one key and one model', 'µs', 1],
      ['start_ratio', 'start with these, to a start with one of each', '', 2],
      ['many_start_ms', 'start, 5,000 keys and 1,000 models', 'ms', 0],
      ['one_start_ms', 'start, one key and one model', 'ms', 0],
      ['failed', 'failed requests', '', 0],
    ),
    ...of(
      'guardrails',
      ['off_cpu_us', 'CPU per chunk without guardrails', 'µs', 2],
      ['decoded_cpu_us', 'CPU per chunk, decoded for a guardrail that finds nothing to restore', 'µs', 2],
      ['decoded_share', 'added by decoding, as a share', '', 3],
      ['pii_cpu_us', 'CPU per chunk with `pii`', 'µs', 2],
      ['pii_share', 'added by `pii`, as a share', '', 3],
      ['words_cpu_us', 'CPU per chunk with 100 words', 'µs', 2],
      ['words_share', 'added by 100 words, as a share', '', 3],
      ['injection_cpu_us', 'CPU per chunk with `injection`', 'µs', 2],
      ['injection_share', 'added by `injection`, as a share', '', 3],
      ['failed', 'broken streams', '', 0],
    ),
    ...of(
      'requests',
      ['early_rss_kib', 'RSS in the first third', 'KiB', 0],
      ['late_rss_kib', 'RSS in the last third', 'KiB', 0],
      ['growth', 'last third to first third', '', 3],
      ['cpu_us', 'CPU per request', 'µs', 1, 'ratio'],
      ['failed', 'failed requests', '', 0],
    ),
    ...of(
      'aborts',
      ['before_rss_kib', 'RSS before', 'KiB', 0],
      ['after_rss_kib', 'RSS after', 'KiB', 0],
      ['left_streams', 'upstream streams left', '', 0],
      ['left_connections', 'upstream connections left', '', 0],
      ['failed', 'streams that failed otherwise', '', 0],
    ),
  ];
}
