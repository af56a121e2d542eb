import { type ChildProcess, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { findServices } from '../../../scripts/test-services.mjs';
import { isRecord } from '../../../src/core/json.ts';
import { freePort } from '../free-port.ts';
import { exitOf, outputOf, serviceFolder, startService, untilReady } from './process.ts';

const { prometheus, promtool, alertmanager, amtool } = findServices();

/** False: their tests are skipped; scripts/test-services.mjs prints a notice. */
export const hasPrometheus = prometheus !== undefined && promtool !== undefined;
export const hasAlertmanager = alertmanager !== undefined && amtool !== undefined;

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface TestPrometheus {
  readonly url: string;
  /** @returns the samples of an instant query. @throws Error with the query when Prometheus rejects it */
  query(expression: string): Promise<Sample[]>;
  dispose(): Promise<void>;
}

export interface TestService {
  readonly url: string;
  dispose(): Promise<void>;
}

function sampleOf(entry: unknown): Sample {
  const metric = isRecord(entry) && isRecord(entry.metric) ? entry.metric : {};
  const pair = isRecord(entry) && Array.isArray(entry.value) ? entry.value : [];
  const labels = Object.fromEntries(Object.entries(metric).map(([name, value]) => [name, String(value)]));
  return { labels, value: Number(pair[1]) };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    // Refused: not listening yet.
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = exitOf(child);
  child.kill('SIGKILL');
  await exited;
}

/** @param files by name; `prometheus.yml` is the configuration, which finds the others next to it */
export async function startPrometheus(files: ReadonlyMap<string, string>): Promise<TestPrometheus> {
  if (prometheus === undefined) throw new Error('Prometheus is not installed');
  const folder = serviceFolder('prometheus');
  for (const [name, text] of files) folder.write(name, text);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = [
    `--config.file=${join(folder.path, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder.path, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const child = startService(prometheus, args, folder.path);
  await untilReady(child, outputOf(child), () => answers(`${url}/-/ready`));
  return {
    url,
    query: async (expression) => {
      const response = await fetch(`${url}/api/v1/query`, {
        method: 'POST',
        body: new URLSearchParams({ query: expression }),
      });
      const body: unknown = await response.json();
      const data = isRecord(body) && isRecord(body.data) ? body.data : undefined;
      if (!isRecord(body) || data === undefined) throw new Error(`${expression}: ${JSON.stringify(body)}`);
      if (data.resultType === 'scalar' && Array.isArray(data.result)) {
        return [{ labels: {}, value: Number(data.result[1]) }];
      }
      return Array.isArray(data.result) ? data.result.map(sampleOf) : [];
    },
    dispose: async () => {
      await end(child);
      folder.remove();
    },
  };
}

/** @param config the text of `alertmanager.yml` */
export async function startAlertmanager(config: string): Promise<TestService> {
  if (alertmanager === undefined) throw new Error('Alertmanager is not installed');
  const folder = serviceFolder('alertmanager');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = [
    `--config.file=${folder.write('alertmanager.yml', config)}`,
    `--storage.path=${join(folder.path, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
  ];
  const child = startService(alertmanager, args, folder.path);
  await untilReady(child, outputOf(child), () => answers(`${url}/-/ready`));
  return {
    url,
    dispose: async () => {
      await end(child);
      folder.remove();
    },
  };
}

function runTool(program: string | undefined, args: readonly string[]) {
  if (program === undefined) throw new Error(`not installed; cannot run ${args.join(' ')}`);
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { code: status, output: `${stdout}${stderr}` };
}

/** Runs promtool to its end. */
export const runPromtool = (...args: readonly string[]) => runTool(promtool, args);
/** Runs amtool to its end. */
export const runAmtool = (...args: readonly string[]) => runTool(amtool, args);
