import { expect } from 'bun:test';
import { GatewayError } from '../../src/core/errors.ts';
import { readableOf } from '../../src/core/push-stream.ts';
import type { AttemptTrace } from '../../src/dispatch/attempt-trace.ts';
import { DeadlineMonitor } from '../../src/dispatch/deadlines.ts';
import type { HandledResponse } from '../../src/pipeline/inference-handler.ts';
import type { Interceptor } from '../../src/pipeline/interceptor.ts';
import type { Outcome, RequestContext } from '../../src/pipeline/request-context.ts';
import { openAiCompatibleAdapter } from '../../src/providers/openai-compatible/adapter.ts';
import { ModelDirectory } from '../../src/routing/directory.ts';
import { DEFAULT_HEALTH, type InFlightLease } from '../../src/routing/health/target-state.ts';
import { TargetStates } from '../../src/routing/health/target-states.ts';
import { createRoutingState, Router } from '../../src/routing/router.ts';
import { joinBytes } from './bytes.ts';
import { FakeClock, settle } from './fake-clock.ts';
import { FakeTransport, type FakeUpstreamCall } from './fake-transport.ts';
import { testCall, testProvider, UNOBSERVED } from './inference.ts';
import { testPipeline, testRequest } from './pipeline.ts';
import type { Step } from './request-schedule.ts';

/** As the inference handler has it. */
const DEADLINE_GRACE_MS = 1_000;

export const LIMITS = {
  firstTokenMs: 200,
  answerMs: Number.POSITIVE_INFINITY,
  streamIdleMs: 300,
  maxRequestMs: 1_000,
  queueTimeoutMs: 500,
};

/**
 * Plays a schedule against the real chain, attempts, adapter, router and deadline monitor; only time and the network are played.
 */
export class RequestRun {
  readonly clock = new FakeClock();
  readonly states = new TargetStates();
  readonly transport = new FakeTransport();
  readonly outcomes: Outcome[];
  readonly endedAttempts: AttemptTrace[] = [];
  /** Attempts with a record of their use, which settlement removes. */
  readonly recorded = new Set<AttemptTrace>();
  readonly request: RequestContext;
  readonly #turns: number[];
  readonly #tickers = new Set<() => void>();
  readonly #deadlines = new DeadlineMonitor(
    () => this.clock.now(),
    (sweep) => {
      this.#tickers.add(sweep);
      return () => this.#tickers.delete(sweep);
    },
  );
  /** Other requests' places. */
  others: InFlightLease[] = [];
  answer: HandledResponse | undefined;
  rejection: unknown;
  readonly #finished: Promise<void>;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #read: Uint8Array[] = [];
  #reads: Promise<void>[] = [];
  bodyEnded = false;
  cancelled = false;
  /** Requests that interceptors detached from this one. */
  readonly detached: RequestContext[] = [];
  /** What the gateway reported as defects. */
  readonly defects: unknown[] = [];
  /** Milliseconds after the request's deadline by when it must have completed. */
  readonly #graceMs: number;

  /** @param interceptors go before those of the product; with any, requests get the grace after their deadline */
  constructor(
    {
      stream,
      targets,
      hedged,
      busy,
      continued,
      turns,
    }: {
      readonly stream: boolean;
      readonly targets: readonly string[];
      readonly hedged: boolean;
      readonly busy: boolean;
      readonly continued: boolean;
      readonly turns: readonly number[];
    },
    interceptors?: (run: RequestRun) => readonly Interceptor[],
  ) {
    this.#graceMs = interceptors ? DEADLINE_GRACE_MS : 0;
    this.#turns = [...turns];
    const providers = targets.map((behaviour, index) =>
      testProvider({
        id: `p${index}`,
        transport: this.transport,
        adapter: {
          ...openAiCompatibleAdapter,
          buildRequest: (call, target, context) => {
            if (behaviour === 'refuses') throw new GatewayError('invalid_request', 'cannot be expressed');
            if (behaviour === 'breaks') throw new TypeError('a defect');
            return openAiCompatibleAdapter.buildRequest(call, target, context);
          },
        },
      }),
    );
    const directory = new ModelDirectory(
      [
        {
          id: 'asked',
          aliases: [],
          strategy: 'round-robin',
          targets: providers.map(({ id }) => ({ provider: id, model: 'up', weight: 1 })),
          fallbacks: [],
          continueStreams: continued,
          hedging: hedged ? { percent: 100, afterMs: 100, maxPriceRatio: 2 } : undefined,
        },
      ],
      providers,
      () => new Map(),
    );
    if (busy) {
      this.states.configure(DEFAULT_HEALTH, { limit: 1, limits: new Map(), maxQueued: 10 }, 0);
      this.others = providers.map((provider) =>
        this.states.of({ provider, model: 'up', weight: 1 }).begin(0),
      );
    }
    const { handle } = testPipeline({
      clock: this.clock,
      deadlines: this.#deadlines,
      states: this.states,
      directory,
      router: new Router({ ...createRoutingState(this.states), directory, random: () => 0 }),
      limits: LIMITS,
      observer: { ...UNOBSERVED, attemptEnded: (trace) => this.endedAttempts.push(trace) },
      records: {
        begin: ({ trace }, _, { routing }) => {
          const request = [this.request, ...this.detached].find((one) => one?.routing === routing);
          // Nothing settles an attempt that begins later, and its record would stay.
          expect(request?.completed).not.toBe(true);
          this.recorded.add(trace);
        },
        end: (trace) => this.recorded.delete(trace),
      },
      interceptors: interceptors?.(this) ?? [],
      onDefect: (error) => this.defects.push(error),
    });
    const { request, outcomes } = testRequest(0, LIMITS.maxRequestMs);
    this.request = request;
    this.outcomes = outcomes;
    const call = testCall({ model: 'asked', stream, messages: [{ role: 'user', content: 'Hi' }] });
    this.#finished = handle(request, call).then(
      (answer) => {
        this.answer = answer;
        if (answer.kind === 'stream') this.#reader = readableOf(answer.body).getReader();
      },
      (error: unknown) => {
        this.rejection = error;
      },
    );
  }

  /** Does what can be done of it now; a step that no real network or client could take is passed over. */
  async take(step: Step): Promise<void> {
    const open = this.transport.upstreamCalls.filter((one) => one.open);
    const upstreamCall = open[open.length - 1 - ((this.#turns.shift() ?? 0) % Math.max(1, open.length))];
    const answering = upstreamCall?.state === 'answering' && !upstreamCall.paused;
    switch (step.kind) {
      case 'head':
        if (upstreamCall?.state === 'waiting' && 'head' in step) sendHead(upstreamCall, step.head);
        break;
      case 'data':
        if (answering && 'piece' in step) upstreamCall.data(step.piece);
        break;
      case 'end':
        if (answering) upstreamCall.end();
        break;
      case 'error':
        if (upstreamCall && 'failure' in step) upstreamCall.fail(step.failure);
        break;
      case 'settle':
        await settle();
        break;
      case 'read':
        this.#startRead();
        break;
      case 'advance':
        if ('ms' in step) await this.advance(step.ms);
        break;
      case 'cancel':
        if (this.#reader && !this.cancelled) {
          this.cancelled = true;
          await this.#reader.cancel();
        }
        break;
      case 'another leaves':
        this.others.pop()?.end(this.clock.now(), null, undefined);
        break;
      case 'client gone':
        this.request.abort(new GatewayError('client_closed_request', 'gone'));
        break;
      case 'shutdown':
        this.request.abort(new GatewayError('shutting_down', 'stopping'));
        break;
    }
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    // An attempt may begin in the moment between two sweeps.
    for (const _ of [1, 2]) {
      this.#sweep();
      await settle();
    }
    const mustEndBy = this.request.timing.deadlineAt + this.#graceMs;
    if (this.clock.now() >= mustEndBy) expect(this.request.completed).toBe(true);
  }

  #sweep(): void {
    for (const sweep of [...this.#tickers]) sweep();
  }

  /** Runs until everything has ended: no upstream responds any more, and the client reads everything. */
  async finish(): Promise<void> {
    await settle();
    const isIdle = !this.transport.upstreamCalls.some(({ open }) => open);
    if (this.request.completed && isIdle && this.detached.length === 0) {
      this.#sweep();
      expect(this.watching).toBe(0);
    }
    await this.advance(LIMITS.maxRequestMs + 1);
    if (this.#graceMs > 0) await this.advance(this.#graceMs);
    await this.#finished;
    for (const other of this.others) other.end(this.clock.now(), null, undefined);
    // The connection of a stream that ended well may wait for its upstream to end the body.
    await this.advance(60_000);
    while (this.#reader && !this.bodyEnded) {
      this.#startRead();
      await Promise.all(this.#reads);
    }
  }

  #startRead(): void {
    if (!this.#reader) return;
    this.#reads.push(
      this.#reader.read().then(({ done, value }) => {
        if (done) this.bodyEnded = true;
        else this.#read.push(value);
      }),
    );
  }

  get text(): Uint8Array {
    return joinBytes(this.#read);
  }

  get watching(): number {
    return this.#tickers.size;
  }
}

function sendHead(upstreamCall: FakeUpstreamCall, head: string): void {
  if (head === 'stream') upstreamCall.head();
  else upstreamCall.head(head === 'json' ? 200 : Number(head), { 'content-type': 'application/json' });
}

export function expectBalancedBooks(run: RequestRun): void {
  expectNothingLeft(run);
  const begun = run.request.routing.attempts.filter(({ firstEventAt }) => firstEventAt !== undefined);
  // Of several that were read, all but the last broke and were continued.
  for (const one of begun.slice(0, -1)) expect(one.failure).toBeDefined();
  for (const one of begun.slice(1)) expect(one.continued).toBe(true);
}

/** Completed once, every attempt ended once, and nothing of the request stays behind. */
export function expectNothingLeft(run: RequestRun): void {
  const [outcome, ...more] = run.outcomes;
  expect(more).toEqual([]);
  expect(outcome).toBeDefined();
  expect(run.states.total()).toBe(0);
  expect(run.states.queued()).toBe(0);
  expect(run.watching).toBe(0);
  expect(run.clock.sleeping).toBe(0);

  const attempts = [run.request, ...run.detached].flatMap(({ routing }) => routing.attempts);
  expect(new Set(run.endedAttempts)).toEqual(new Set(attempts));
  expect(run.endedAttempts.length).toBe(attempts.length);
  // Settlement removes the records of all attempts of a request; those that used nothing have none any more.
  for (const trace of run.recorded) expect(attempts).toContain(trace);
  for (const trace of attempts) {
    expect(run.recorded.has(trace)).toBe(trace.outcome !== 'failed' || trace.firstEventAt !== undefined);
  }
  for (const { endedAt, startedAt } of attempts) expect(endedAt).toBeGreaterThanOrEqual(startedAt);
  for (const { state, aborts } of run.transport.upstreamCalls) {
    expect(['ended', 'failed', 'aborted']).toContain(state);
    expect(aborts).toBe(state === 'aborted' ? 1 : 0);
  }
}
