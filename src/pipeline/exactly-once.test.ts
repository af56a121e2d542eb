import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { joinBytes } from '../../test/support/bytes.ts';
import { runs } from '../../test/support/effort.ts';
import { eventData } from '../../test/support/event-stream.ts';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { FakeTransport, type FakeUpstreamCall } from '../../test/support/fake-transport.ts';
import { chatAnswer, chatEvent, testCall, testProvider, UNOBSERVED } from '../../test/support/inference.ts';
import { testPipeline, testRequest } from '../../test/support/pipeline.ts';
import { GatewayError } from '../core/errors.ts';
import { readableOf } from '../core/push-stream.ts';
import type { TransportFailure } from '../core/transport.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import { DeadlineMonitor } from '../dispatch/deadlines.ts';
import { openAiCompatibleAdapter } from '../providers/openai-compatible/adapter.ts';
import { ModelDirectory } from '../routing/directory.ts';
import { DEFAULT_HEALTH, type InFlightLease } from '../routing/health/target-state.ts';
import { TargetStates } from '../routing/health/target-states.ts';
import { createRoutingState, Router } from '../routing/router.ts';
import type { HandledResponse } from './inference-handler.ts';
import type { Outcome, RequestContext } from './request-context.ts';

/**
 * Whatever happens to a request, in whatever order, its books are closed once and nothing of it stays behind.
 * Each run plays a random schedule against the real service, attempt, adapter, router and deadline monitor;
 * only time and the network are played.
 */

const DONE = 'data: [DONE]\n\n';
const FAILURES: readonly TransportFailure[] = [
  'connect',
  'connect_timeout',
  'closed_before_response',
  'closed_mid_body',
  'protocol',
];

const PIECES = [
  chatEvent('a'),
  chatEvent('b').repeat(12),
  chatEvent('half').slice(0, 40),
  chatEvent('', 'stop'),
  chatEvent('', 'stop') + DONE,
  DONE,
  ': ping\n\n',
  'data: {"error":{"message":"no"}}\n\n',
  'data: {oops\n\n',
  `${chatEvent('a')}data: {oops\n\n`,
  chatAnswer(),
  '<html>',
] as const;

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('head'),
      head: fc.constantFrom('stream', 'stream', 'json', '500', '401', '400'),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('data'),
      piece: fc.constantFrom(...PIECES, PIECES[0], PIECES[1]),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('end') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('error'), failure: fc.constantFrom(...FAILURES) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('settle') }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('read') }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('advance'), ms: fc.constantFrom(10, 150, 350, 1_100) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('another leaves') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('client gone') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('shutdown') }) },
) satisfies fc.Arbitrary<{ kind: string }>;
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const anyHead = (head: 'stream' | 'json'): Step => ({ kind: 'head', head });
const anyData = (piece: (typeof PIECES)[number]): Step => ({ kind: 'data', piece });
/** Runs of steps that get far, so that disturbances meet requests in every state. */
const progress = fc.constantFrom<Step[]>(
  [anyHead('stream'), anyData(PIECES[0]), { kind: 'settle' }],
  [anyHead('stream'), anyData(PIECES[1]), anyData(PIECES[0])],
  [anyHead('stream'), anyData(PIECES[0]), { kind: 'settle' }, { kind: 'read' }, anyData(PIECES[4])],
  [anyHead('json'), anyData(chatAnswer()), { kind: 'end' }],
  [anyData(PIECES[0]), { kind: 'read' }],
  [anyData(PIECES[4]), { kind: 'end' }],
);
const schedule = fc.record({
  stream: fc.boolean(),
  /** Whether a second target is asked soon beside a slow one. */
  hedged: fc.boolean(),
  /** Whether each target takes one request at a time, and another request is there already. */
  busy: fc.boolean(),
  /** Whether another target continues a stream that breaks. */
  continued: fc.boolean(),
  /** Which of several upstreams that answer at the same time moves next. */
  turns: fc.array(fc.nat(1), { maxLength: 20 }),
  /** What building a request for each target does. */
  targets: fc.array(fc.constantFrom('sends', 'sends', 'sends', 'sends', 'sends', 'refuses', 'breaks'), {
    minLength: 1,
    maxLength: 3,
  }),
  steps: fc
    .array(
      fc.oneof(
        progress,
        step.map((one): Step[] => [one]),
      ),
      { maxLength: 20 },
    )
    .map((steps) => steps.flat()),
});

const LIMITS = {
  firstTokenMs: 200,
  answerMs: Number.POSITIVE_INFINITY,
  streamIdleMs: 300,
  maxRequestMs: 1_000,
  queueTimeoutMs: 500,
};

class Run {
  readonly clock = new FakeClock();
  readonly states = new TargetStates();
  readonly transport = new FakeTransport();
  readonly outcomes: Outcome[];
  readonly endedAttempts: AttemptTrace[] = [];
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

  constructor({
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
  }) {
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
    if (this.clock.now() >= this.request.timing.deadlineAt) expect(this.request.completed).toBe(true);
  }

  #sweep(): void {
    for (const sweep of [...this.#tickers]) sweep();
  }

  /** Runs until everything has ended: no upstream responds any more, and the client reads everything. */
  async finish(): Promise<void> {
    await settle();
    if (this.request.completed && !this.transport.upstreamCalls.some(({ open }) => open)) {
      this.#sweep();
      expect(this.watching).toBe(0);
    }
    await this.advance(LIMITS.maxRequestMs + 1);
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

function expectBalancedBooks(run: Run): void {
  const [outcome, ...more] = run.outcomes;
  expect(more).toEqual([]);
  expect(outcome).toBeDefined();
  expect(run.states.total()).toBe(0);
  expect(run.states.queued()).toBe(0);
  expect(run.watching).toBe(0);
  expect(run.clock.sleeping).toBe(0);

  expect(new Set(run.endedAttempts)).toEqual(new Set(run.request.routing.attempts));
  expect(run.endedAttempts.length).toBe(run.request.routing.attempts.length);
  const begun = run.request.routing.attempts.filter(({ firstEventAt }) => firstEventAt !== undefined);
  // Of several that were read, all but the last broke and were continued.
  for (const one of begun.slice(0, -1)) expect(one.failure).toBeDefined();
  for (const one of begun.slice(1)) expect(one.continued).toBe(true);
  for (const { endedAt, startedAt } of run.request.routing.attempts)
    expect(endedAt).toBeGreaterThanOrEqual(startedAt);
  for (const { state, aborts } of run.transport.upstreamCalls) {
    expect(['ended', 'failed', 'aborted']).toContain(state);
    expect(aborts).toBe(state === 'aborted' ? 1 : 0);
  }
}

function expectTruthfulAnswer(run: Run): void {
  const [outcome] = run.outcomes;
  if (!run.answer) {
    expect(run.rejection).toBeInstanceOf(GatewayError);
    const code = run.rejection instanceof GatewayError ? run.rejection.code : undefined;
    expect(outcome?.kind).toBe(code === 'client_closed_request' ? 'client_gone' : 'failed');
    expect(run.request.timing.committedAt).toBeUndefined();
    return;
  }
  expect(run.rejection).toBeUndefined();
  expect(run.request.timing.committedAt).toBeDefined();
  if (run.answer.kind === 'complete') {
    expect(outcome?.kind).toBe('done');
    return;
  }
  // After a cancel there is no reader, so only the records can be checked.
  if (run.cancelled) return;
  const data = eventData(run.text);
  const errors = data.filter((text) => text.startsWith('{"error":'));
  const done = data.filter((text) => text === '[DONE]');
  expect([done.length, errors.length]).toEqual([
    outcome?.kind === 'done' ? 1 : 0,
    outcome?.kind === 'failed' ? 1 : 0,
  ]);
  if (outcome?.kind === 'done') expect(data.at(-1)).toBe('[DONE]');
  if (outcome?.kind === 'failed') expect(data.at(-1)).toBe(errors[0] ?? '');
}

describe('a request, whatever happens', () => {
  test('is completed exactly once and leaves nothing behind', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(schedule, async (plan) => {
        const run = new Run(plan);
        for (const step of plan.steps) await run.take(step);
        await run.finish();
        expectBalancedBooks(run);
        expectTruthfulAnswer(run);
        seen.add(`${run.answer?.kind ?? 'rejected'} ${run.outcomes[0]?.kind}`);
        for (const { continued, hedge } of run.request.routing.attempts) {
          if (continued) seen.add('continued');
          if (hedge) seen.add('hedged');
        }
        if (run.request.routing.queuedMs > 0) seen.add('queued');

        // Late news changes nothing.
        run.request.abort(new GatewayError('shutting_down', 'late'));
        run.request.complete({ kind: 'client_gone' });
        await settle();
        expectBalancedBooks(run);
      }),
      { numRuns: runs(4_000) },
    );
    // The schedules did reach every way to end.
    expect([...seen].sort()).toEqual([
      'complete done',
      'continued',
      'hedged',
      'queued',
      'rejected client_gone',
      'rejected failed',
      'stream client_gone',
      'stream done',
      'stream failed',
    ]);
  });
});
