import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { hostname, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { chat, eventually, post } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-gpus-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}

/** A folder for `PATH` with a program of this name. */
function fakeProgram(text: string): string {
  const place = join(folder, String(closers.length), String(performance.now()));
  mkdirSync(place, { recursive: true });
  const path = join(place, 'nvidia-smi');
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return `${place}${delimiter}${process.env.PATH}`;
}

async function start(gpus: object, PATH = '/nowhere', providers: readonly object[] = []): Promise<Gateway> {
  const gateway = await startGateway({
    env: { PATH },
    config: {
      metrics: { gpus: { interval: '1s', ...gpus } },
      providers: [...providers],
      models: [{ id: 'chat', targets: [{ provider: 'simulator', model: 'simulator-a' }] }],
    },
  });
  closers.push(() => gateway.stop());
  return gateway;
}

const page = async (gateway: Gateway) => (await fetch(`${gateway.metricsUrl}/metrics`)).text();
const has = (gateway: Gateway, line: string) => async () => (await page(gateway)).includes(`\n${line}\n`);

describe('GPUs', () => {
  test('of this machine come from nvidia-smi', async () => {
    const path = fakeProgram(
      'case "$*" in *--query-gpu=index,name*--format=csv,noheader,nounits*) echo "0, NVIDIA L4, 37, 18432, 23034, 61, 53.21";; esac',
    );
    const gateway = await start({}, path);
    const labels = `gpu="0",node="${hostname()}"`;
    await eventually('it is read', has(gateway, `llm_gpu_utilization_percent{${labels}} 37`), 15_000);
    const text = await page(gateway);
    expect(text).toContain(`\nllm_gpu_memory_used_bytes{${labels}} ${18_432 * 1024 ** 2}\n`);
    expect(text).toContain(`\nllm_gpu_memory_total_bytes{${labels}} ${23_034 * 1024 ** 2}\n`);
    expect(text).toContain(`\nllm_gpu_temperature_celsius{${labels}} 61\n`);
    expect(text).toContain(`\nllm_gpu_info{${labels},product="NVIDIA L4"} 1\n`);
  });

  test('that are absent are no error, and one whose driver hangs costs requests nothing', async () => {
    const without = await start({});
    const hanging = await start({ interval: '100ms' }, fakeProgram('sleep 600'));
    for (const gateway of [without, hanging]) {
      const response = await post(gateway, chat());
      await response.text();
      expect(response.status).toBe(200);
    }
    await eventually(
      'the time-out is counted',
      async () =>
        (await page(hanging)).includes('weir_scrape_errors_total{source="nvidia-smi",reason="timeout"}'),
      20_000,
    );
    expect(await page(without)).not.toMatch(/^(?:llm_gpu|weir_scrape_errors_total)/m);
  }, 60_000);

  test('of other machines come from DCGM exporters, as far as they are readable', async () => {
    const good = await serve((_, response) =>
      response.end(
        'DCGM_FI_DEV_GPU_UTIL{gpu="1",Hostname="node-1",modelName="NVIDIA A100"} 99\nDCGM_FI_DEV_GPU_TEMP{gpu="1",Hostname="node-1"} hot\n',
      ),
    );
    const html = await serve((_, response) => response.end('<html>\n'.repeat(5)));
    const broken = await serve((_, response) => response.writeHead(500).end());
    const endless = await serve((_, response) => {
      const more = () => {
        while (response.write('x'.repeat(60_000)));
      };
      response.on('drain', more);
      more();
    });
    const gateway = await start({
      dcgm: [...[good, html, broken, endless].map((url) => `${url}/metrics`), 'http://127.0.0.1:9/metrics'],
    });
    const line = 'llm_gpu_utilization_percent{gpu="1",node="node-1"} 99';
    await eventually('it is read', has(gateway, line), 15_000);
    const counted = (url: string, reason: string) => {
      const error = `weir_scrape_errors_total{source="${new URL(url).host}",reason="${reason}"} `;
      return eventually(`${reason} is counted`, async () => (await page(gateway)).includes(error), 15_000);
    };
    await counted(good, 'malformed');
    await counted(html, 'malformed');
    await counted(broken, 'status');
    await counted(endless, 'too_large');
    await counted('http://127.0.0.1:9', 'unreachable');
    expect(await page(gateway)).not.toContain('llm_gpu_temperature_celsius{');
  }, 60_000);
});

describe('engines', () => {
  const PAGES = {
    vllm: 'vllm:num_requests_running{model_name="m"} 3\nvllm:num_requests_waiting{model_name="m"} 2\nvllm:kv_cache_usage_perc{model_name="m"} 0.5\nvllm:prefix_cache_hits_total{model_name="m"} 1\nvllm:prefix_cache_queries_total{model_name="m"} 4\n',
    sglang:
      'sglang:num_running_reqs 3\nsglang:num_queue_reqs 2\nsglang:token_usage 0.5\nsglang:cache_hit_rate 0.25\n',
    tgi: 'tgi_batch_current_size 3\ntgi_queue_size 2\n',
    llamacpp: 'llamacpp:requests_processing 3\nllamacpp:requests_deferred 2\n',
  };

  test.each(Object.entries(PAGES))(
    '%s: its own load is shown, malformed lines are counted',
    async (engine, text) => {
      const url = await serve((request, response) => {
        if (request.url === '/metrics') response.end(`${text}${text.split(/[ {]/, 1)[0]} nonsense\n`);
        else response.writeHead(request.url === '/health' ? 200 : 404).end();
      });
      const provider = {
        id: 'own',
        kind: 'openai-compatible',
        engine,
        base_url: `${url}/v1`,
        discover: false,
      };
      const gateway = await start({}, '/nowhere', [provider]);
      await eventually('it is read', has(gateway, 'llm_engine_requests_running{provider="own"} 3'), 15_000);
      const shown = await page(gateway);
      expect(shown).toContain('\nllm_engine_requests_waiting{provider="own"} 2\n');
      if (text.includes('0.5'))
        expect(shown).toContain('\nllm_engine_kv_cache_used_ratio{provider="own"} 0.5\n');
      if (text.includes('cache_')) {
        expect(shown.includes('\nllm_engine_prefix_cache_hit_ratio{provider="own"} 0.25\n')).toBe(
          engine === 'vllm' || engine === 'sglang',
        );
      }
      expect(shown).toContain('weir_scrape_errors_total{source="own",reason="malformed"} ');
    },
    30_000,
  );

  test('without metrics are no error', async () => {
    let asked = 0;
    const url = await serve((request, response) => {
      if (request.url === '/metrics') asked += 1;
      response.writeHead(404).end();
    });
    const provider = {
      id: 'own',
      kind: 'openai-compatible',
      engine: 'llamacpp',
      base_url: `${url}/v1`,
      discover: false,
    };
    const gateway = await start({}, '/nowhere', [provider]);
    await eventually('it is asked', () => asked > 1, 15_000);
    expect(await page(gateway)).not.toMatch(/^(?:weir_scrape_errors_total|llm_engine_requests)/m);
  }, 30_000);
});
