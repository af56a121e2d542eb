import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from '../harness/children.ts';
import { freePort } from '../harness/local.ts';
import type { Bench } from './bench.ts';

const SCENARIO = 'startup';
const SUBJECT = 'weir';
const LIMIT_MS = 30_000;
const POLL_MS = 3;

/** Requests until one is answered with 200. @returns milliseconds since `startedAt`, which is on performance.now() */
async function firstSuccess(child: Child, request: () => Request, startedAt: number): Promise<number> {
  let ended: string | undefined;
  child.ended.then((how) => {
    ended = how;
  });
  for (;;) {
    const response = await fetch(request()).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.status === 200) return performance.now() - startedAt;
    if (ended !== undefined) throw new Error(`${child.name} ended (${ended}): ${child.logTail()}`);
    if (performance.now() - startedAt > LIMIT_MS) throw new Error(`${child.name} did not start`);
    await Bun.sleep(POLL_MS);
  }
}

async function startOnce(bench: Bench): Promise<void> {
  const { children, temporary, root, adminKey } = bench.context;
  const add = (metric: string, value: number | undefined) =>
    bench.measurements.add(SCENARIO, SUBJECT, metric, value);
  const folder = mkdtempSync(join(temporary, 'start-'));
  const port = freePort();
  const startedAt = performance.now();
  const child = await children.start({
    name: 'weir-start',
    // As a user starts it: the launcher is part of what is measured.
    command: ['node', join(root, 'bin/weir.mjs'), 'serve'],
    cwd: folder,
    env: {
      DATABASE_URL: undefined,
      REDIS_URL: undefined,
      WEIR_CONFIG: undefined,
      WEIR_DATA_DIR: join(folder, 'data'),
      WEIR_ADMIN_KEY: adminKey,
      SERVER_HOST: '127.0.0.1',
      SERVER_PORT: String(port),
      METRICS_PORT: String(freePort()),
    },
  });
  try {
    const url = `http://127.0.0.1:${port}`;
    add('first_response_ms', await firstSuccess(child, () => new Request(`${url}/health`), startedAt));
    const runtime = bench.innermostDescendant(child.pid);
    const rss = () => (runtime === undefined ? undefined : bench.readUsage(runtime)?.rssKib);
    add('rss_kib', rss());
    add('cpu_ms', (bench.readUsage(child.pid)?.cpuSeconds ?? Number.NaN) * 1000);
    const chat = () =>
      new Request(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'simulator', messages: [{ role: 'user', content: 'Hello.' }] }),
      });
    add('first_chat_ms', await firstSuccess(child, chat, startedAt));
    add('chat_rss_kib', rss());
  } finally {
    await child.stop();
  }
}

/**
 * How long `weir serve` takes to its first response with an empty data folder and no configuration, and the memory of
 * the runtime process then. Other programs on the machine slow this down more than anything else that the bench measures.
 */
export async function startup(bench: Bench): Promise<void> {
  if (!bench.specs.some(({ name }) => name === SUBJECT)) return;
  const starts = bench.options.rounds;
  // The first start reads all files from the disk.
  bench.progress(`${SCENARIO}: ${starts} starts`);
  for (let start = 0; start < starts; start++) await startOnce(bench);
}
