import { expect, test } from 'bun:test';
import { parseEngineLoad } from './engine-load.ts';

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
