import { expect, test } from 'bun:test';
import { parseEngineLoad, readEngineMetrics } from './engine-load.ts';

test('reads the gauges of each engine', () => {
  const vllm = [
    '# HELP vllm:num_requests_waiting x',
    'vllm:num_requests_waiting{model_name="m",engine="0"} 2.0',
    'vllm:num_requests_waiting{model_name="m",engine="1"} 1.0',
    'vllm:num_requests_running{model_name="m"} 4.0',
    'vllm:kv_cache_usage_perc{model_name="m"} 0.25',
  ].join('\n');
  expect(parseEngineLoad(vllm)).toEqual({ waiting: 3, running: 4, cacheUsage: 0.25 });
  const sglang = 'sglang:num_queue_reqs 1\nsglang:num_running_reqs 2\nsglang:token_usage 0.5';
  expect(parseEngineLoad(sglang)).toEqual({ waiting: 1, running: 2, cacheUsage: 0.5 });
  const llama = 'llamacpp:requests_processing 1\nllamacpp:requests_deferred 4';
  expect(parseEngineLoad(llama)).toEqual({ waiting: 4, running: 1, cacheUsage: 0 });
  expect(parseEngineLoad('<html>')).toBeUndefined();
});

test('reads TGI, older names of vLLM, copies of a model, and prefix caches', () => {
  expect(parseEngineLoad('tgi_queue_size 3\ntgi_batch_current_size 8\n')).toEqual({
    ...{ waiting: 3, running: 8, cacheUsage: 0 },
  });
  const copies = [
    'vllm:num_requests_running{engine="0"} 1',
    'vllm:num_requests_running{engine="1"} 2',
    'vllm:gpu_cache_usage_perc{engine="0"} 0.9',
    'vllm:gpu_cache_usage_perc{engine="1"} 0.3',
    'vllm:prefix_cache_hits_total{engine="0"} 30',
    'vllm:prefix_cache_queries_total{engine="0"} 40',
    'vllm:prefix_cache_hits_total{engine="1"} 10',
    'vllm:prefix_cache_queries_total{engine="1"} 40',
  ].join('\n');
  const { load, prefixHitRatio, malformed } = readEngineMetrics(copies);
  expect([load?.running, malformed, prefixHitRatio]).toEqual([3, 0, 0.5]);
  expect(load?.cacheUsage).toBeCloseTo(0.6);
  expect(readEngineMetrics('sglang:cache_hit_rate 0.25\n').prefixHitRatio).toBe(0.25);
});

test('tolerates malformed and impossible values, and counts them', () => {
  const page = [
    'vllm:num_requests_waiting{model_name="m" 2',
    'vllm:num_requests_waiting{model_name="m"} many',
    'vllm:num_requests_waiting{model_name="m"} -3',
    'vllm:num_requests_running{model_name="m"} 4',
    'vllm:kv_cache_usage_perc{model_name="m"} 1e300',
    'vllm:some_mean NaN',
    '<script>',
  ].join('\r\n');
  expect(readEngineMetrics(page)).toEqual({
    load: { waiting: 0, running: 4, cacheUsage: 0 },
    prefixHitRatio: undefined,
    malformed: 5,
  });
});
