import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type Child, Children } from '../harness/children.ts';
import { weirConfig } from '../harness/configs.ts';
import { LoadClient } from '../harness/load-client.ts';
import { freePort, local, untilReady } from '../harness/local.ts';
import { type ProcessUsage, usageReader } from '../harness/process-stats.ts';
import type { SubjectContext } from '../harness/subject.ts';
import { createKey, createTenant, startWeirProcess, weirFolder } from '../harness/weir.ts';
import { type Endpoint, type Job, type ResultOf, results } from '../load/protocol.ts';

/** Where requests of the load end. */
export type UpstreamKind = 'simulator' | 'mock';

export interface InstallationOptions {
  /** Worker processes; 0 is one process without workers. */
  readonly workers: number;
  readonly upstream: UpstreamKind;
  /** A network before the upstream. @returns the port that Weir uses */
  readonly between?: (upstreamPort: number) => number | Promise<number>;
  /** The folder of Weir's data; a temporary one by default. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const usageReport = z.object({ data: z.array(z.object({ requests: z.number() })) });
/** How long stored usage may be behind. Milliseconds. */
const USAGE_MS = 30_000;
const POLL_MS = 250;

type RateJob = Omit<Extract<Job, { type: 'rate' }>, 'type' | 'endpoint' | 'body'>;

const SIMULATED_TENANT = 'load';
const REQUEST = JSON.stringify({
  model: 'bench-model',
  messages: [{ role: 'user', content: 'How deep is the water above the weir?' }],
  max_tokens: 16,
});
/** How much longer than its requests a job may take. Milliseconds. */
const MARGIN_MS = 120_000;

/** A gateway with its upstream and its load, all on this machine. */
export class Installation {
  private readonly usageOf = usageReader(process.platform);

  private constructor(
    private readonly children: Children,
    private readonly folder: string,
    readonly upstream: Child,
    readonly weir: Child,
    private readonly load: LoadClient,
    readonly endpoint: Endpoint,
    readonly metricsPort: number,
    readonly adminKey: string,
  ) {}

  static async start(options: InstallationOptions): Promise<Installation> {
    const folder = mkdtempSync(join(tmpdir(), 'weir-load-'));
    const children = new Children(folder);
    try {
      return await Installation.build(options, folder, children);
    } catch (error) {
      await children.stopAll();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private static async build(
    { workers, upstream: kind, between, dataDir, env = {} }: InstallationOptions,
    folder: string,
    children: Children,
  ): Promise<Installation> {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const runtime = process.execPath;
    const upstream = await startUpstream(children, root, runtime, kind);
    const upstreamPort = (await between?.(upstream.port)) ?? upstream.port;
    const adminKey = `weir_${randomBytes(16).toString('hex')}`;
    const context: SubjectContext = { children, runtime, root, temporary: folder, upstreamPort, adminKey };
    const model = kind === 'simulator' ? 'simulator' : 'mock-model';
    // With a network between, there is another way to the upstream.
    const config = weirConfig(upstreamPort, between ? { secondPort: upstream.port } : {}).replaceAll(
      '"mock-model"',
      `"${model}"`,
    );
    const { child, port, metricsPort } = await startWeirProcess(context, 'weir', {
      folder: weirFolder(context, config),
      args: workers > 0 ? ['--workers', String(workers)] : [],
      ...(dataDir !== undefined && { dataDir }),
      env,
    });
    await createTenant(port, adminKey, SIMULATED_TENANT);
    const key = await createKey(port, adminKey, SIMULATED_TENANT, 'load');
    const load = await LoadClient.start(children, [runtime, join(root, 'bench/load/main.ts')]);
    const endpoint = local(port, { authorization: `Bearer ${key}` });
    const made = new Installation(
      children,
      folder,
      upstream.child,
      child,
      load,
      endpoint,
      metricsPort,
      adminKey,
    );
    const { status, body } = await load.run(
      { type: 'probe', endpoint, body: REQUEST },
      results.probe,
      30_000,
    );
    if (status !== 200) throw new Error(`a request gets ${status}: ${body.slice(0, 300)}`);
    return made;
  }

  /** Sends requests at a fixed rate. */
  atRate(job: RateJob): Promise<ResultOf<'rate'>> {
    return this.load.run(
      { type: 'rate', endpoint: this.endpoint, body: REQUEST, ...job },
      results.rate,
      job.durationMs + MARGIN_MS,
    );
  }

  /** CPU and memory of Weir with its workers and its private Redis. */
  usage(): ProcessUsage {
    const usage = this.usageOf(this.weir.pid, { withPss: true });
    if (!usage) throw new Error(`Weir has ended: ${this.weir.logTail()}`);
    return usage;
  }

  /** Calls the API with the admin key. @returns the parsed body */
  async get(path: string): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.endpoint.port}${path}`, {
      headers: { authorization: `Bearer ${this.adminKey}` },
    });
    return response.json();
  }

  /**
   * Counts the requests of which usage is stored.
   * @param wanted stops to wait when there are so many
   */
  async recordedRequests(wanted: number): Promise<number> {
    const endAt = performance.now() + USAGE_MS;
    for (;;) {
      const body = await this.get(`/admin/v1/tenants/${SIMULATED_TENANT}/usage`);
      const requests = usageReport.parse(body).data.reduce((sum, row) => sum + row.requests, 0);
      if (requests >= wanted || performance.now() > endAt) return requests;
      await Bun.sleep(POLL_MS);
    }
  }

  async stop(): Promise<void> {
    await this.children.stopAll();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function startUpstream(
  children: Children,
  root: string,
  runtime: string,
  kind: UpstreamKind,
): Promise<{ child: Child; port: number }> {
  if (kind === 'mock') {
    const command = [runtime, join(root, 'bench/upstream/main.ts')] as const;
    return children.startWithPort({ name: 'upstream', command });
  }
  const port = freePort();
  const program = process.env.BENCH_PROGRAM ?? join(root, 'src/main.ts');
  const child = await children.start({
    name: 'simulator',
    command: [runtime, program, 'simulator', '--host', '127.0.0.1', '--port', String(port)],
  });
  await untilReady(child, `http://127.0.0.1:${port}/health`);
  return { child, port };
}
