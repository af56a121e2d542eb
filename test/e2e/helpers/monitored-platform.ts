import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setUp } from '../../../scripts/setup.mjs';
import { isRecord } from '../../../src/core/json.ts';
import { type ExporterFixture, startExporterFixture } from '../../support/exporter-fixture.ts';
import { freePort } from '../../support/free-port.ts';
import { type Gateway, startGateway } from '../../support/gateway.ts';
import { openRaw } from '../../support/http-raw.ts';
import { type MockUpstream, startMockUpstream } from '../../support/mock-upstream.ts';
import { PROGRAM } from '../../support/program.ts';
import { dataEvents, eventStream, json, type Script, status } from '../../support/scripts.ts';
import { chat, chunk, post, provider } from '../harness.ts';
import { admin, done } from './admin.ts';

/** Two gateways with providers, tenants, exporters and a collector that can be made to fail, one by one. */

const MODELS = ['chat', 'failing', 'full', 'slow', 'busy', 'spender', 'tokens', 'other'] as const;
type Model = (typeof MODELS)[number];
/** Longer than the threshold of `HighLatency`. */
const SLOW_MS = 10_300;

/** A program that receives spans. */
class Collector {
  status = 200;
  readonly #server: Server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(this.status).end());
  });

  async start(): Promise<string> {
    const port = await freePort();
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return `http://127.0.0.1:${port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const usage = (prompt: number, output: number) => ({
  prompt_tokens: prompt,
  completion_tokens: output,
  total_tokens: prompt + output,
});
const withUsage = (prompt: number, output: number) =>
  json({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'upstream',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
    usage: usage(prompt, output),
  });
const stream = () =>
  eventStream(
    dataEvents([
      chunk({ role: 'assistant', content: 'Hel' }),
      chunk({ content: 'lo' }),
      chunk({ content: '.' }),
      chunk({ finish: 'stop' }),
      { ...chunk({ content: '' }), choices: [], usage: usage(1, 3) },
    ]),
  );

const simulator = (...more: string[]) => [
  setUp({ withDev: true }),
  ...['--no-orphans', '--no-env-file', '--no-install', PROGRAM, 'simulator', '--port', '{port}', ...more],
];

function configOf(upstream: string, dead: string, exporters: string) {
  const one = (id: string, more: object = {}) => ({ ...provider({ id, url: upstream }), ...more });
  // Requests of faults are equal: the cache must not serve them.
  const target = (id: Model, more: object = {}) => ({
    cache: id === 'chat' ? { exact: { ttl: '60s' } } : false,
    targets: [{ provider: id === 'full' || id === 'busy' ? id : 'main', model: id, ...more }],
  });
  return {
    log: { requests: false },
    cache: {},
    providers: [
      one('main'),
      one('failing'),
      one('full'),
      one('busy'),
      { ...provider({ id: 'dead', url: dead }), engine: 'vllm' },
      { ...provider({ id: 'engine', url: exporters }), engine: 'vllm' },
    ],
    engines: {
      commands: [
        { id: 'loaded', command: simulator(), engine: 'llamacpp' },
        { id: 'ends', command: ['sh', '-c', 'exit 3'] },
      ],
    },
    models: [
      { id: 'chat', ...target('chat') },
      { id: 'failing', cache: false, targets: [{ provider: 'failing', model: 'failing' }] },
      { id: 'full', ...target('full', { max_concurrency: 1 }) },
      { id: 'slow', ...target('slow') },
      { id: 'busy', ...target('busy', { max_concurrency: 1 }) },
      { id: 'spender', ...target('spender') },
      { id: 'tokens', ...target('tokens') },
      { id: 'other', ...target('other') },
      { id: 'split', ...target('other'), split: [{ name: 'other', model: 'other', percent: 50 }] },
      { id: 'dead', targets: [{ provider: 'dead', model: 'dead' }] },
      { id: 'engine', strategy: 'engine-load', targets: [{ provider: 'engine', model: 'engine' }] },
      { id: 'loaded', targets: [{ provider: 'loaded', model: 'simulator' }] },
      { id: 'ends', targets: [{ provider: 'ends', model: 'simulator' }], fallbacks: ['loaded'] },
    ],
    prices: [{ model: '*', input: '1', output: '1' }],
    guardrails: [{ id: 'pii', kind: 'pii', on: ['input'], action: 'redact' }],
    metrics: {
      gpus: {
        interval: '500ms',
        nvidia_smi: null,
        dcgm: [`${exporters}/dcgm/metrics`, 'http://127.0.0.1:9/metrics'],
      },
    },
    limits: { queue_timeout: '8s', head_timeout: '10s' },
    routing: {
      retry: { attempts: 1 },
      breaker: { failures: 1_000_000, min_requests: 1_000_000 },
      cool_down: { max: '0s' },
      health: { interval: '500ms', failures: 1, successes: 1, timeout: '1s', load_interval: '500ms' },
    },
  };
}

const run = (...command: string[]) =>
  spawnSync(command[0] ?? '', command.slice(1), { stdio: 'ignore' }).status === 0;

/** A file system that can be filled; undefined where this user may mount none. */
function smallDisk(): { readonly path: string; remove(): void } | undefined {
  const path = mkdtempSync(join(tmpdir(), 'weir-disk-'));
  if (!run('mount', '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', path)) {
    rmSync(path, { recursive: true, force: true });
    return undefined;
  }
  return {
    path,
    remove: () => {
      run('umount', '-l', path);
      rmSync(path, { recursive: true, force: true });
    },
  };
}

function fill(path: string): void {
  for (const size of [1_048_576, 4_096, 1]) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    }
  }
}

type Releases = (() => void)[];

export class MonitoredPlatform {
  /** Responds with failures. */
  isFailing = false;
  /** Requests for this model are held until `release`. */
  readonly #held: Releases = [];
  isHolding = false;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  readonly #pending = new Set<Promise<void>>();
  readonly #keys = new Map<string, string>();

  private constructor(
    readonly upstream: MockUpstream,
    readonly exporters: ExporterFixture,
    readonly collector: Collector,
    readonly gateway: Gateway,
    private second: Gateway,
    private readonly secondMetricsPort: number,
    private readonly disk: ReturnType<typeof smallDisk>,
    private dead: MockUpstream | undefined,
    private readonly deadPort: number,
  ) {}

  static async start(): Promise<MonitoredPlatform> {
    const upstream = await startMockUpstream();
    const dead = await startMockUpstream();
    dead.respondAlways(() => json({}));
    const exporters = await startExporterFixture();
    const collector = new Collector();
    const endpoint = await collector.start();
    const secondMetricsPort = await freePort();
    const config = configOf(upstream.url, dead.url, exporters.url);
    const gateway = await startGateway({
      config,
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' },
    });
    const disk = smallDisk();
    const second = await MonitoredPlatform.#startSecond(secondMetricsPort, disk?.path).catch((error) => {
      disk?.remove();
      throw error;
    });
    const platform = new MonitoredPlatform(
      ...([
        upstream,
        exporters,
        collector,
        gateway,
        second,
        secondMetricsPort,
        disk,
        dead,
        dead.port,
      ] as const),
    );
    upstream.respondAlways((request) =>
      request.method === 'GET' ? json({}) : platform.#respond(request.json()),
    );
    try {
      await platform.#createTenants();
    } catch (error) {
      await platform.close();
      throw error;
    }
    return platform;
  }

  static #startSecond(metricsPort: number, disk: string | undefined): Promise<Gateway> {
    return startGateway({
      config: { providers: [] },
      env: { METRICS_PORT: String(metricsPort) },
      ...(disk !== undefined && { dataDir: join(disk, 'data') }),
    });
  }

  /** Addresses of both gateways' metrics. */
  get gatewayTargets(): { readonly first: string; readonly second: string } {
    return { first: new URL(this.gateway.metricsUrl).host, second: `127.0.0.1:${this.secondMetricsPort}` };
  }

  get hasDisk(): boolean {
    return this.disk !== undefined;
  }

  async #respond(body: unknown): Promise<Script> {
    const model = isRecord(body) ? body.model : undefined;
    if (model === 'failing' && this.isFailing) return status(500, { error: { message: 'broken' } });
    if (model === 'slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    if (model === 'busy' && this.isHolding) await new Promise<void>((resolve) => this.#held.push(resolve));
    // So few of its requests find a slot, and those that do stay below the threshold of `HighLatency`.
    if (model === 'full') await new Promise((resolve) => setTimeout(resolve, 1_500));
    if (model === 'tokens') return withUsage(60, 40);
    if (model === 'busy' || model === 'full') return withUsage(0, 0);
    if (isRecord(body) && body.stream === true) return stream();
    return withUsage(1, 1);
  }

  async #createTenants(): Promise<void> {
    const tenant = async (id: string, limits: readonly object[], keyLimits: readonly object[] = []) => {
      await done(this.gateway, 'POST', '/tenants', { id, tier: null, limits });
      const { key } = await done(this.gateway, 'POST', `/tenants/${id}/keys`, {
        name: 'k',
        limits: keyLimits,
      });
      this.#keys.set(id, String(key));
    };
    await tenant('steady', [
      { of: 'tokens', per: 'day', max: 1_000_000_000 },
      { of: 'cost', per: 'month', max: '900000.00' },
      { of: 'requests', per: 'minute', max: 1, mode: 'shadow' },
    ]);
    await tenant('limited', [], [{ of: 'requests', per: 'minute', max: 1 }]);
    await tenant('burner', [{ of: 'requests', per: 'day', max: 2 }]);
    await tenant('spender', [{ of: 'cost', per: 'month', max: '0.01' }]);
  }

  /** Sends one chat, and reads the response. @returns its status */
  send(model: string, { tenant = 'steady', more = {} as object } = {}): Promise<number> {
    const key = this.#keys.get(tenant) ?? '';
    const sent = post(this.gateway, chat({ model, ...more }), {
      headers: { authorization: `Bearer ${key}` },
    }).then(async (response) => {
      await response.arrayBuffer();
      return response.status;
    });
    const settled = sent.then(
      () => undefined,
      () => undefined,
    );
    this.#pending.add(settled);
    void settled.then(() => this.#pending.delete(settled));
    return sent;
  }

  /** Sends a chat every so often, until the returned function is called or the platform closes. */
  repeat(everyMs: number, ...sent: Parameters<MonitoredPlatform['send']>): () => void {
    const timer = setInterval(() => {
      this.send(...sent).catch(() => undefined);
    }, everyMs);
    this.#timers.push(timer);
    return () => clearInterval(timer);
  }

  /** Sends many equal chats, a few in each turn of the event loop, which takes other responses in between. */
  burst(count: number, ...sent: Parameters<MonitoredPlatform['send']>): void {
    if (count <= 0) return;
    for (let index = 0; index < 5; index += 1) this.send(...sent).catch(() => undefined);
    setTimeout(() => this.burst(count - 5, ...sent), 20);
  }

  /** Traffic that makes every series of the gateway, and no alert. */
  async startTraffic(): Promise<void> {
    this.repeat(500, 'chat');
    this.repeat(700, 'chat', {
      more: { stream: true, messages: [{ role: 'user', content: 'a@example.com' }] },
    });
    this.repeat(600, 'split');
    this.repeat(1_000, 'other', { more: { temperature: 0.5 } });
    this.repeat(300, 'failing');
    this.repeat(500, 'tokens');
    this.repeat(900, 'spender', { more: { max_tokens: 1 } });
    await Promise.all([this.send('loaded'), this.send('ends')]);
    await post(this.gateway, chat(), { headers: { authorization: 'Bearer wrong' } });
    // A head that never ends.
    const raw = await openRaw(this.gateway.url);
    await raw.send('GET /health HTTP/1.1\r\n');
  }

  release(): void {
    for (const release of this.#held.splice(0)) release();
  }

  /** Stops the engine behind the provider `dead`, or starts it again. */
  async setDead(isDead: boolean): Promise<void> {
    if (isDead) {
      await this.dead?.close();
      this.dead = undefined;
      return;
    }
    this.dead = await startMockUpstream(this.deadPort);
    this.dead.respondAlways(() => json({}));
  }

  /** Leaves no room on the disk of the second gateway, and writes there until it notices. */
  async fillDisk(): Promise<void> {
    if (!this.disk) return;
    fill(join(this.disk.path, 'filler'));
    const name = 'n'.repeat(90);
    for (let index = 0; index < 200; index += 1) {
      const { status: code } = await admin(this.second, 'POST', '/tenants', { id: `t${index}`, name });
      if (code === 503) return;
    }
    throw new Error('a full disk accepts writes');
  }

  freeDisk(): void {
    if (this.disk) rmSync(join(this.disk.path, 'filler'), { force: true });
  }

  async killSecond(): Promise<void> {
    this.second.signal('SIGKILL');
    await this.second.exited;
  }

  async restartSecond(): Promise<void> {
    this.second = await MonitoredPlatform.#startSecond(this.secondMetricsPort, this.disk?.path);
  }

  setLimits(tenant: string, limits: readonly object[]): Promise<unknown> {
    return done(this.gateway, 'PATCH', `/tenants/${tenant}`, { limits });
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.isHolding = false;
    this.release();
    await this.gateway.stop();
    await this.second.stop();
    await Promise.all(this.#pending);
    await this.upstream.close();
    await this.dead?.close();
    await this.exporters.close();
    this.collector.close();
    this.disk?.remove();
  }
}
