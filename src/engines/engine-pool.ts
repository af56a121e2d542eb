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
  /** It makes room for another: what is in flight may end, nothing new begins. */
  retiring: boolean;
  /** Was in use when it failed, so it is started again by itself. */
  restart: boolean;
  /** What it is to be when it is started next, if that has changed. */
  next: EngineSpec | undefined;
  removed: boolean;
}

export interface EngineStatus {
  readonly id: string;
  readonly state: EngineState;
  readonly pid: number | undefined;
  readonly port: number;
  readonly preload: boolean;
  readonly loads: number;
  readonly failures: number;
  readonly lastFailure: string | undefined;
  /** Monotonic milliseconds. */
  readonly readyAt: number | undefined;
  readonly lastUsedAt: number | undefined;
  /** Requests that wait for it. */
  readonly waiting: number;
  readonly output: readonly string[];
}

/** Those that are to be kept go last. */
function keepRank({ engine }: Member): number {
  return engine.spec.preload ? 1 : 0;
}

/** Requests wait for an engine that pauses after a failure if it is not for longer; otherwise they go elsewhere. */
const SHORT_PAUSE_MS = 5_000;

/**
 * Keeps engines loaded while they are wanted, and never more than there is room for. When another is wanted, an idle one
 * gives way, the least recently used first; if all are in use, the one that was loaded first takes no new requests
 * until its turn comes again.
 */
export class EnginePool {
  readonly #members = new Map<string, Member>();
  /** Those that are wanted and not started, in the order in which they were asked for. */
  #queue: Member[] = [];
  #closed = false;

  constructor(
    private readonly world: EngineWorld,
    private settings: EnginePoolSettings,
    /** Requests on an engine that have begun and not ended, those that wait for it included. */
    private readonly inflight: (id: string) => number,
  ) {}

  get size(): number {
    return this.#members.size;
  }

  /** Takes other settings over. What has changed is started anew when nobody uses it; what is gone is stopped then. */
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

  /** Whether an engine is ready for requests at once. */
  isReady(id: string): boolean {
    const member = this.#members.get(id);
    return member?.engine.state === 'ready' && !member.retiring;
  }

  /**
   * Sees to it that an engine is loaded.
   * @returns nothing when it is; otherwise a promise, and how to stop waiting for it
   * @throws GatewayError `engine_unavailable` when it has just failed
   */
  ensureLoaded(id: string): { readonly ready: Promise<void>; readonly cancel: () => void } | undefined {
    const member = this.#members.get(id);
    if (!member) throw new GatewayError('engine_unavailable', `There is no engine "${id}" any more.`);
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

  /** An operator's word: load it now, or stop it when nothing is in flight on it. */
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

  unload(id: string): boolean {
    const member = this.#members.get(id);
    if (!member) return false;
    member.restart = false;
    this.#queue = this.#queue.filter((one) => one !== member);
    if (member.engine.loaded) member.retiring = true;
    this.tick();
    return true;
  }

  /** What time brings: idle engines stop, those that make room do when they can, failed ones are started again. */
  tick(): void {
    const now = this.world.clock.now();
    for (const [id, member] of this.#members) {
      const { engine } = member;
      if (engine.state === 'ready') void engine.check();
      const sending = this.#activeRequests(member);
      if (sending > 0) engine.lastUsedAt = now;
      if (engine.state === 'ready' && sending === 0) {
        const why = this.#reasonToStop(member, now);
        if (why !== undefined) void engine.stop(why);
      }
      if (member.removed && !engine.loaded && member.waiters.length === 0) this.#members.delete(id);
      else if (engine.state === 'stopped' && !member.removed) {
        const kept = engine.spec.preload && engine.loads + engine.failures === 0;
        if (kept || member.restart || member.waiters.length > 0) this.#enqueue(member);
      }
    }
    this.#schedule();
  }

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

  /** Stops all of them. Resolves when their processes have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#queue = [];
    const members = [...this.#members.values()];
    for (const member of members) this.#refuse(member);
    await Promise.all(members.map(({ engine }) => engine.stop('the gateway stops')));
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

  /** Those who have waited for it go elsewhere; it comes back by itself if it was in use. */
  #failed(member: Member): void {
    member.restart = member.engine.spec.preload || member.engine.state === 'ready';
    this.#refuse(member);
  }

  #replace(member: Member): void {
    if (member.next) member.engine.spec = member.next;
    member.next = undefined;
    member.engine.pausedUntil = 0;
  }

  #enqueue(member: Member): void {
    if (!this.#queue.includes(member)) this.#queue.push(member);
  }

  /** Starts what is wanted, as far as there is room, and makes room for the rest. */
  #schedule(): void {
    if (this.#closed) return;
    const now = this.world.clock.now();
    const members = [...this.#members.values()];
    let room = this.settings.maxLoaded - members.filter(({ engine }) => engine.loaded).length;
    const leaving = members.filter(({ engine, retiring }) => engine.state === 'stopping' || retiring).length;
    let making = leaving;
    this.#queue = this.#queue.filter((member) => {
      const { engine } = member;
      if (engine.state === 'starting' || engine.state === 'ready') return member.retiring;
      if (engine.state === 'stopping' || engine.pausedUntil > now) return true;
      if (room > 0) {
        room -= 1;
        engine.start();
        return false;
      }
      // One goes for each that is wanted.
      if (making > 0) making -= 1;
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
      void idle.engine.stop('another engine is wanted');
      return;
    }
    const longest = ready.sort((a, b) => a.engine.readyAt - b.engine.readyAt)[0];
    if (longest && now - longest.engine.readyAt >= this.settings.swapAfterMs) longest.retiring = true;
  }

  #reasonToStop({ engine, retiring, removed, next }: Member, now: number): string | undefined {
    if (retiring) return 'it makes room';
    if (removed) return 'it is not configured any more';
    if (next) return 'its configuration has changed';
    if (engine.spec.preload || now - engine.lastUsedAt < this.settings.idleMs) return undefined;
    return 'nobody has used it';
  }

  /** Requests on it that do not wait for it. */
  #activeRequests({ engine, waiters }: Member): number {
    return this.inflight(engine.spec.id) - waiters.length;
  }

  #refuse(member: Member): void {
    const error = this.#failure(member, this.world.clock.now());
    for (const { ready } of member.waiters.splice(0)) ready.reject(error);
  }

  #failure({ engine }: Member, now: number): GatewayError {
    if (this.#closed) return new GatewayError('shutting_down', 'The gateway is stopping.');
    const wait = Math.max(0, engine.pausedUntil - now);
    return new GatewayError(
      'engine_unavailable',
      `Engine "${engine.spec.id}" can't be started: it ${engine.lastFailure ?? 'is not there'}. GET /admin/v1/engines shows its last output.`,
      { provider: engine.spec.id, retryAfterSeconds: Math.max(1, Math.ceil(wait / 1_000)) },
    );
  }
}
