import { PrefixIndex, prefixChain } from '../../src/routing/prefix-index.ts';
import type { EventQueue } from './event-queue.ts';
import type { SimulatedRequest } from './workload.ts';

export interface ReplicaSpec {
  readonly name: string;
  /** Requests at the same time; more wait in line. */
  readonly slots: number;
  /** Of one answer. */
  readonly tokensPerSecond: number;
  /** Of a prompt that is not in the cache. */
  readonly prefillPerSecond: number;
  /** Blocks of prompts that fit into its cache. */
  readonly cacheBlocks: number;
  /** US dollars per million tokens. */
  readonly price: { readonly input: number; readonly output: number; readonly cached: number };
  /** Answers every request with an error between these times, in milliseconds. */
  readonly fails?: readonly [from: number, to: number];
}

export interface Served {
  readonly failed: boolean;
  readonly firstTokenAt: number;
  readonly blocks: number;
  readonly hits: number;
  readonly cost: number;
}

/** How long an error takes, in milliseconds. */
const ERROR_MS = 20;
const TOKENS_PER_BLOCK = 64;

/** A serving engine: so many slots, a line before them, and a cache of the beginnings of prompts. */
export class Replica {
  #busy = 0;
  readonly #line: (() => void)[] = [];
  readonly #cache: PrefixIndex;

  constructor(
    readonly spec: ReplicaSpec,
    private readonly events: EventQueue,
  ) {
    this.#cache = new PrefixIndex(spec.cacheBlocks);
  }

  serve(request: SimulatedRequest, done: (served: Served) => void): void {
    const { fails, slots } = this.spec;
    if (fails && this.events.now >= fails[0] && this.events.now < fails[1]) {
      const nothing = { failed: true, firstTokenAt: 0, blocks: 0, hits: 0, cost: 0 };
      this.events.after(ERROR_MS, () => done(nothing));
      return;
    }
    const start = () => this.#start(request, done);
    if (this.#busy < slots) start();
    else this.#line.push(start);
  }

  #start({ messages, inputTokens, outputTokens }: SimulatedRequest, done: (served: Served) => void): void {
    const { tokensPerSecond, prefillPerSecond, price } = this.spec;
    this.#busy += 1;
    const chain = prefixChain(messages.map(({ role, content }) => `${role}\n${content}`));
    const hits = this.#cache.seen('', chain, 'here');
    this.#cache.add('', chain, 'here');
    const cached = Math.min(inputTokens, hits * TOKENS_PER_BLOCK);
    const prefillMs = ((inputTokens - cached) / prefillPerSecond) * 1_000;
    const firstTokenAt = this.events.now + prefillMs;
    const cost =
      (price.input * (inputTokens - cached) + price.cached * cached + price.output * outputTokens) / 1e6;
    this.events.after(prefillMs + (outputTokens / tokensPerSecond) * 1_000, () => {
      this.#busy -= 1;
      this.#line.shift()?.();
      done({ failed: false, firstTokenAt, blocks: chain.length, hits, cost });
    });
  }
}
