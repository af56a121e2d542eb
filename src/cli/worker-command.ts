import { reloadOnChange } from '../app/config-reload.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../app/gateway.ts';
import { startServers } from '../app/servers.ts';
import { shutDown } from '../app/shutdown.ts';
import { isServedByWorkers } from '../app/workers/forward.ts';
import type { LiveRequest, RelayedRequest } from '../app/workers/protocol.ts';
import { relayedRequest } from '../app/workers/relayed-request.ts';
import { type WorkerHandlers, WorkerSide } from '../app/workers/worker-side.ts';
import type { LoadedConfig } from '../config/assemble.ts';
import { systemClock } from '../core/clock.ts';
import { spreadConnections, steerConnections } from '../platform/reuse-port.ts';
import { parentLink } from '../platform/worker-process.ts';
import { CommandError } from './output.ts';

/** How long a worker that takes no new connections waits for open ones to end. Milliseconds. */
const LINGER_MS = 10_000;
/** How often it looks whether all have ended. */
const LOOK_MS = 50;
/** How long the start waits for providers to list their models. */
const FIRST_DISCOVERY_MS = 1_500;
/** Completed requests are sent to the parent's live streams together. */
const LIVE_MS = 100;
const MAX_LIVE = 1_000;
/** How often it is checked whether writes to the local disk fail. */
const WRITES_MS = 500;

/** Runs one worker of `weir serve --workers` until its parent stops it. */
export async function serveWorker(
  { env, loaded, secrets, log, logKeeper, version }: Omit<GatewayOptions, 'clock' | 'worker' | 'pool'>,
  load: (current: LoadedConfig) => LoadedConfig,
): Promise<void> {
  const link = parentLink();
  if (!link) throw new CommandError('WEIR_WORKER is for processes that `weir serve --workers` starts.');
  const { logger } = log;
  const ending = Promise.withResolvers<'leave' | 'stop'>();
  const left = Promise.withResolvers<void>();
  const constructed = Promise.withResolvers<Gateway>();
  const ports: number[] = [];
  const live = new LiveSender((requests) => void side.call('live', requests).catch(() => undefined));
  const handlers: WorkerHandlers = {
    metrics: async (format) => (await constructed.promise).metrics.render(format),
    refresh: async () => {
      await (await constructed.promise).refresh();
      return undefined;
    },
    inFlight: async () => (await constructed.promise).lifecycle.active,
    handle: async (request: RelayedRequest) => relayedRequest((await constructed.promise).router, request),
    // All ports: a process begins to listen on each of them in the same turn.
    steer: (numbers) => onEach(ports, (port) => steerConnections(port, numbers)),
    spread: () => onEach(ports, (port) => spreadConnections(port)),
    leave: async () => {
      ending.resolve('leave');
      await left.promise;
      return undefined;
    },
    stop: () => {
      ending.resolve('stop');
      return undefined;
    },
    watch: async (isWatched) => {
      const { live: feed } = await constructed.promise;
      if (isWatched) feed.add(live);
      else feed.remove(live);
      return undefined;
    },
  };
  const side = await WorkerSide.connect(link, handlers);
  void side.parentEnded.then(() => ending.resolve('leave'));
  // An interrupt of the terminal is for the parent, which stops its workers in order.
  process.on('SIGINT', () => undefined);
  process.on('SIGHUP', () => undefined);
  process.on('SIGTERM', () => ending.resolve('leave'));

  const gateway = await createGateway({
    env,
    loaded,
    secrets,
    clock: systemClock,
    log,
    logKeeper,
    version,
    worker: side,
  });
  constructed.resolve(gateway);
  await Promise.race([gateway.discoverModels(), systemClock.sleep(FIRST_DISCOVERY_MS)]);
  await gateway.loadInferenceApi();
  const { port, grpcPort } = side.start;
  ports.push(port, ...(grpcPort === null ? [] : [grpcPort]));
  const shared = { port, grpcPort, forward: side.forward, isServedHere: isServedByWorkers };
  const servers = await side.listenInTurn(() =>
    startServers(loaded.config, constructed.promise, logger, version, shared),
  );
  gateway.lifecycle.ready();
  gateway.startBackground();
  const watch = loaded.file === null ? undefined : reloadOnChange(gateway, loaded.file, loaded, load);
  reportWrites(gateway, (fail) => void side.call('writesFail', fail).catch(() => undefined));
  await side.call('ready', { boot: gateway.usage.boot });

  const how = await ending.promise;
  watch?.close();
  if (how === 'leave') {
    servers.api.leave();
    servers.grpc?.leave();
    left.resolve();
    const endAt = systemClock.now() + LINGER_MS;
    const open = () => servers.api.stats().connections + (servers.grpc?.stats().connections ?? 0);
    while (open() > gateway.lifecycle.active && systemClock.now() < endAt) {
      await systemClock.sleep(LOOK_MS);
    }
  }
  await shutDown(gateway, servers, systemClock, logger, async () => {
    live.flush();
    await side.call('lastMetrics', await gateway.metrics.render()).catch(() => undefined);
  });
}

/** @returns whether it worked on all ports */
async function onEach(ports: readonly number[], run: (port: number) => Promise<boolean>): Promise<boolean> {
  const worked = await Promise.all(ports.map(run));
  return worked.every(Boolean);
}

/** Reports when writes to the local disk fail and succeed again: readiness is the parent's. */
function reportWrites({ stores: { writes } }: Gateway, report: (fail: boolean) => void): void {
  let reported = false;
  const timer = setInterval(() => {
    if (writes.isFailing === reported) return;
    reported = writes.isFailing;
    report(reported);
  }, WRITES_MS);
  timer.unref();
}

/** Sends completed requests to the parent, which has the live streams. */
class LiveSender {
  readonly actor = 'parent';
  #waiting: LiveRequest[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly send: (requests: readonly LiveRequest[]) => void) {}

  sees(): boolean {
    return true;
  }

  completed(summary: LiveRequest['summary'], costPico: number | undefined): void {
    // What a live stream does not show is in the list of requests.
    if (this.#waiting.length >= MAX_LIVE) return;
    this.#waiting.push({ summary, costPico });
    this.#timer ??= setTimeout(() => this.flush(), LIVE_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length > 0) this.send(this.#waiting);
    this.#waiting = [];
  }

  tick(): void {
    // The parent sends the totals.
  }

  close(): void {
    this.flush();
  }
}
