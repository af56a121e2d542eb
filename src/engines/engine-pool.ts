import { GatewayError } from '../core/errors.ts';
import { Engine, type EngineWorld } from './engine.ts';
import type { EnginePoolSettings, EngineSpec, EngineState } from './types.ts';

/** A request that needs an engine. */
interface LoadWaiter {
  readonly ready: PromiseWithResolvers<void>;
}

interface Member {
  readonly engine: Engine;
  readonly waiters: LoadWaiter[];
  /** It will be stopped: requests in flight may end, new ones wait for the next start. */
  retiring: boolean;
  /** It was in use when it failed, so it is restarted without a request. */
  restart: boolean;
  /** The specification of its next start; undefined where it has not changed. */
  next: EngineSpec | undefined;
  removed: boolean;
}

/** An engine as operators see it. */
export interface EngineStatus {
  readonly id: string;
  readonly state: EngineState;
  readonly pid: number | undefined;
  readonly port: number;
  readonly preload: boolean;
  /** Successful starts. */
  readonly loads: number;
  readonly failures: number;
  readonly lastFailure: string | undefined;
  /** Monotonic milliseconds. */
  readonly readyAt: number | undefined;
  readonly lastUsedAt: number | undefined;
  /** Requests that wait for it. */
  readonly waiting: number;
  /** The last lines that its process wrote. */
  readonly output: readonly string[];
}

/** Engines to evict first have the lowest rank. */
function keepRank({ engine }: Member): number {
  return engine.spec.preload ? 1 : 0;
}

/** Requests wait for the restart of a failed engine only if its backoff ends within this time. */
const SHORT_PAUSE_MS = 5_000;

/**
 * Loads engines when requests need them, within the limit of loaded engines. To load another, it evicts the least
 * recently used idle engine; if all are in use, the one that was loaded first gets no new requests until it is idle.
 */
export class EnginePool {
  readonly #members = new Map<string, Member>();
  /** Engines to load, in the order of their first request. */
  #queue: Member[] = [];
  #closed = false;

  constructor(
    private readonly world: EngineWorld,
    private settings: EnginePoolSettings,
    /** Requests in flight on an engine, including those that wait for it. */
    private readonly inflight: (id: string) => number,
  ) {}

  /** Number of known engines. */
  get size(): number {
    return this.#members.size;
  }

  /** Applies new settings. Changed engines are restarted, and removed ones stopped, as soon as they are idle. */
  configure(settings: EnginePoolSettings, specs: readonly EngineSpec[]): void {
    this.settings = settings;
    for (const [id, member] of this.#members) {
      if (!specs.some((spec) => spec.id === id)) member.removed = true;
    }
    for (const spec of specs) {
      const member = this.#members.get(spec.id);
      if (!member) this.#members.set(spec.id, this.#member(spec));
      else {
        member.removed = false;
        member.next = JSON.stringify(member.engine.spec) === JSON.stringify(spec) ? undefined : spec;
        if (member.next && !member.engine.loaded) this.#replace(member);
      }
    }
    this.tick();
  }

  /** @returns whether an engine accepts requests now */
  isReady(id: string): boolean {
    const member = this.#members.get(id);
    return member?.engine.state === 'ready' && !member.retiring;
  }

  /**
   * Requests that an engine is loaded.
   * @returns undefined where it is loaded; otherwise a promise that settles with the load, and a function that stops
   * waiting for it
   * @throws GatewayError `engine_unavailable` where it failed recently or is unknown
   */
  ensureLoaded(id: string): { readonly ready: Promise<void>; readonly cancel: () => void } | undefined {
    const member = this.#members.get(id);
    if (!member)
      throw new GatewayError('engine_unavailable', `Engine "${id}" is not configured: a reload removed it.`);
    const { engine } = member;
    const now = this.world.clock.now();
    engine.lastUsedAt = now;
    if (this.isReady(id)) return undefined;
    if (engine.pausedUntil - now > SHORT_PAUSE_MS || this.#closed) throw this.#failure(member, now);
    const waiter: LoadWaiter = { ready: Promise.withResolvers() };
    member.waiters.push(waiter);
    this.#enqueue(member);
    this.#schedule();
    return {
      ready: waiter.ready.promise,
      cancel: () => {
        const at = member.waiters.indexOf(waiter);
        if (at >= 0) member.waiters.splice(at, 1);
      },
    };
  }

  /** Loads an engine for an operator. @returns whether it exists */
  load(id: string): boolean {
    const member = this.#members.get(id);
    if (!member) return false;
    if (member.engine.state === 'stopped') {
      member.engine.pausedUntil = 0;
      member.engine.lastUsedAt = this.world.clock.now();
      this.#enqueue(member);
      this.#schedule();
    }
    return true;
  }

  /** Stops an engine as soon as it is idle, for an operator. @returns whether it exists */
  unload(id: string): boolean {
    const member = this.#members.get(id);
    if (!member) return false;
    member.restart = false;
    this.#queue = this.#queue.filter((one) => one !== member);
    if (member.engine.loaded) member.retiring = true;
    this.tick();
    return true;
  }

  /** Stops idle and evicted engines, and restarts failed ones. To be called several times a second. */
  tick(): void {
    const now = this.world.clock.now();
    for (const [id, member] of this.#members) {
      const { engine } = member;
      if (engine.state === 'ready') void engine.check(this.settings);
      const sending = this.#activeRequests(member);
      if (sending > 0) engine.lastUsedAt = now;
      if (engine.state === 'ready' && sending === 0) {
        const reason = this.#reasonToStop(member, now);
        if (reason !== undefined) void engine.stop(reason);
      }
      if (member.removed && !engine.loaded && member.waiters.length === 0) this.#members.delete(id);
      else if (engine.state === 'stopped' && !member.removed) {
        const preloads = engine.spec.preload && engine.loads + engine.failures === 0;
        if (preloads || member.restart || member.waiters.length > 0) this.#enqueue(member);
      }
    }
    this.#schedule();
  }

  /** @returns all engines, in the order of the configuration */
  list(): EngineStatus[] {
    return [...this.#members.values()].map((member) => {
      const { engine, waiters } = member;
      return {
        id: engine.spec.id,
        state: engine.state === 'stopped' && this.#queue.includes(member) ? 'waiting' : engine.state,
        pid: engine.pid,
        port: engine.spec.port,
        preload: engine.spec.preload,
        loads: engine.loads,
        failures: engine.failures,
        lastFailure: engine.lastFailure,
        readyAt: engine.state === 'ready' ? engine.readyAt : undefined,
        lastUsedAt: engine.loads > 0 ? engine.lastUsedAt : undefined,
        waiting: waiters.length,
        output: engine.output,
      };
    });
  }

  /** Stops all engines. Resolves when their processes have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#queue = [];
    const members = [...this.#members.values()];
    for (const member of members) this.#rejectWaiters(member);
    await Promise.all(members.map(({ engine }) => engine.stop('gateway shutdown')));
  }

  #member(spec: EngineSpec): Member {
    const listener = { changed: () => this.#changed(member), failed: () => this.#failed(member) };
    const member: Member = {
      engine: new Engine(spec, this.world, listener),
      waiters: [],
      retiring: false,
      restart: false,
      next: undefined,
      removed: false,
    };
    return member;
  }

  #changed(member: Member): void {
    const { engine } = member;
    if (engine.state === 'ready') {
      member.restart = false;
      for (const { ready } of member.waiters.splice(0)) ready.resolve();
    } else if (engine.state === 'stopped') {
      member.retiring = false;
      if (member.next) this.#replace(member);
    }
    this.#schedule();
  }

  /** Fails the requests that wait for the engine; an engine that was in use is restarted. */
  #failed(member: Member): void {
    member.restart = member.engine.spec.preload || member.engine.state === 'ready';
    this.#rejectWaiters(member);
  }

  #replace(member: Member): void {
    if (member.next) member.engine.spec = member.next;
    member.next = undefined;
    member.engine.pausedUntil = 0;
  }

  #enqueue(member: Member): void {
    if (!this.#queue.includes(member)) this.#queue.push(member);
  }

  /** Starts queued engines within the limit, and evicts one for each that exceeds it. */
  #schedule(): void {
    if (this.#closed) return;
    const now = this.world.clock.now();
    const members = [...this.#members.values()];
    let room = this.settings.maxLoaded - members.filter(({ engine }) => engine.loaded).length;
    const stopping = members.filter(({ engine, retiring }) => engine.state === 'stopping' || retiring).length;
    let evictions = stopping;
    this.#queue = this.#queue.filter((member) => {
      const { engine } = member;
      if (engine.state === 'starting' || engine.state === 'ready') return member.retiring;
      if (engine.state === 'stopping' || engine.pausedUntil > now) return true;
      if (room > 0) {
        room -= 1;
        engine.start();
        return false;
      }
      // An engine that is stopping already serves one queued engine.
      if (evictions > 0) evictions -= 1;
      else this.#evictFor(now);
      return true;
    });
  }

  #evictFor(now: number): void {
    const ready = [...this.#members.values()].filter(
      ({ engine, retiring }) => engine.state === 'ready' && !retiring,
    );
    const idle = ready
      .filter((member) => this.#activeRequests(member) === 0 && member.waiters.length === 0)
      .sort((a, b) => keepRank(a) - keepRank(b) || a.engine.lastUsedAt - b.engine.lastUsedAt)[0];
    if (idle) {
      idle.retiring = true;
      void idle.engine.stop('evicted for another engine');
      return;
    }
    const longest = ready.sort((a, b) => a.engine.readyAt - b.engine.readyAt)[0];
    if (longest && now - longest.engine.readyAt >= this.settings.swapAfterMs) longest.retiring = true;
  }

  #reasonToStop({ engine, retiring, removed, next }: Member, now: number): string | undefined {
    if (retiring) return 'evicted for another engine, or by an operator';
    if (removed) return 'removed from the configuration';
    if (next) return 'configuration changed';
    if (engine.spec.preload || now - engine.lastUsedAt < this.settings.idleMs) return undefined;
    return 'idle timeout';
  }

  /** Requests in flight on it, without those that wait for it. */
  #activeRequests({ engine, waiters }: Member): number {
    return this.inflight(engine.spec.id) - waiters.length;
  }

  #rejectWaiters(member: Member): void {
    const error = this.#failure(member, this.world.clock.now());
    for (const { ready } of member.waiters.splice(0)) ready.reject(error);
  }

  #failure({ engine }: Member, now: number): GatewayError {
    if (this.#closed) return new GatewayError('shutting_down', 'The gateway is stopping.');
    const wait = Math.max(0, engine.pausedUntil - now);
    return new GatewayError(
      'engine_unavailable',
      `Engine "${engine.spec.id}" can't be started: it ${engine.lastFailure ?? 'is not loaded'}. GET /admin/v1/engines shows its last output.`,
      { provider: engine.spec.id, retryAfterSeconds: Math.max(1, Math.ceil(wait / 1_000)) },
    );
  }
}
