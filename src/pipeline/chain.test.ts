import { describe, expect, test } from 'bun:test';
import { eventData } from '../../test/support/event-stream.ts';
import { settle } from '../../test/support/fake-clock.ts';
import { chatEvent, NO_ESTIMATES, UNOBSERVED } from '../../test/support/inference.ts';
import { expectNothingLeft, RequestRun } from '../../test/support/request-run.ts';
import { GatewayError } from '../core/errors.ts';
import { ModelDirectory } from '../routing/directory.ts';
import { TargetStates } from '../routing/health/target-states.ts';
import { createRoutingState, Router } from '../routing/router.ts';
import { composeChain } from './chain.ts';
import type { FrameSink, Interceptor, Next, StreamMode, StreamTransform } from './interceptor.ts';
import type { InterceptorServices } from './interceptor-services.ts';
import { INTERCEPTORS } from './order.ts';

const PLAN = { stream: true, targets: ['sends'], hedged: false, busy: false, continued: false, turns: [] };

/** Runs a streamed request through interceptors of the test. */
function runWith(...interceptors: readonly Interceptor[]): RequestRun {
  return new RequestRun(PLAN, () => interceptors);
}

function around(name: string, handle: Interceptor['handle'], more: Partial<Interceptor> = {}): Interceptor {
  return { name, stream: 'bytes', handle, ...more };
}

const idle = (name: string) => around(name, (call, scope, next) => next(call, scope));

/** An interceptor with one stage. */
function staged(name: string, frame: StreamTransform['frame'], stream: StreamMode = 'bytes'): Interceptor {
  return {
    name,
    stream,
    async handle(call, scope, next) {
      const response = await next(call, scope);
      const { body } = response;
      if (body.kind !== 'stream') return response;
      return {
        ...response,
        body: { kind: 'stream', stream: body.stream.through({ frame, end: () => undefined }) },
      };
    },
  };
}

/** Lets the upstream of a run begin a stream. */
async function begin(run: RequestRun): Promise<void> {
  await settle();
  await run.take({ kind: 'head', head: 'stream' });
  await run.take({ kind: 'data', piece: chatEvent('a') });
  await settle();
}

describe('composition', () => {
  const states = new TargetStates();
  const directory = new ModelDirectory([], [], () => new Map());
  const services: InterceptorServices = {
    clock: { now: () => 0, wallTime: () => 0, sleep: () => Promise.resolve() },
    router: new Router({ ...createRoutingState(states), directory, random: () => 0 }),
    useEstimates: NO_ESTIMATES,
    routes: directory.routes(),
    mirrorObserver: UNOBSERVED,
  };

  test('leaves out every interceptor that the configuration does not use', () => {
    expect(INTERCEPTORS.flatMap(({ create }) => create(undefined, services) ?? [])).toEqual([]);
    const settings: Readonly<Record<string, unknown>> = {
      server_timing: { enabled: false },
      system_prompt_prefix: { models: {} },
    };
    expect(INTERCEPTORS.flatMap(({ name, create }) => create(settings[name], services) ?? [])).toEqual([]);
  });

  test('without interceptors is dispatch itself', () => {
    const dispatch: Next = () => Promise.reject(new TypeError('not called'));
    expect(composeChain([], dispatch)).toBe(dispatch);
  });

  test('delivers a frame through all stages in the turn in which it arrives', async () => {
    const seen: string[] = [];
    const stage = (name: string) =>
      staged(name, (frame, out) => {
        seen.push(name);
        out.write(frame);
      });
    const run = runWith(stage('outer'), stage('middle'), stage('inner'));
    await begin(run);
    seen.length = 0;
    run.transport.last.data(chatEvent('b'));
    expect(seen).toEqual(['inner', 'middle', 'outer']);
    await run.finish();
    expectNothingLeft(run);
  });
});

describe('the interceptor to blame', () => {
  test('is named to the client and its cause kept, wherever it fails', async () => {
    const cause = new TypeError('a defect');
    const throwing = () => {
      throw cause;
    };
    const cases: readonly Interceptor[] = [
      around('bad', () => Promise.reject(cause)),
      around('bad', throwing),
      around('bad', (call, scope, next) => next(call, scope), { applies: throwing }),
      around('bad', (call, scope, next) => {
        next(call, scope);
        throw cause;
      }),
    ];
    for (const bad of cases) {
      const run = runWith(idle('before'), bad, idle('after'));
      await run.finish();
      expect(run.rejection).toMatchObject({
        code: 'internal_error',
        message: 'The interceptor "bad" failed.',
        cause,
      });
      expectNothingLeft(run);
    }
  });

  test('is named in a stream, also where a spliced stream has its stage', async () => {
    const spliced: Interceptor = {
      name: 'bad',
      stream: 'bytes',
      async handle(call, scope, next) {
        const response = await next(call, scope);
        const { body } = response;
        if (body.kind !== 'stream') return response;
        const { stream } = body;
        const failing: StreamTransform = {
          frame: () => {
            throw new TypeError('a defect');
          },
          end: () => undefined,
        };
        const splicing: StreamTransform = {
          frame: (_, out) => {
            const release = out.hold();
            next(call, scope)
              .then((other) => {
                if (other.body.kind === 'stream') out.splice(other.body.stream.through(failing));
              })
              .then(release, release);
          },
          end: () => undefined,
        };
        return { ...response, body: { kind: 'stream', stream: stream.through(splicing) } };
      },
    };
    const run = new RequestRun({ ...PLAN, targets: ['sends', 'sends'] }, () => [spliced, idle('after')]);
    await begin(run);
    await begin(run);
    await run.finish();
    expect(run.outcomes).toMatchObject([
      { kind: 'failed', error: { message: 'The interceptor "bad" failed.' } },
    ]);
    expect(eventData(run.text).at(-1)).toContain('The interceptor \\"bad\\" failed.');
    expectNothingLeft(run);
  });

  test('is named in the log when the deadline has passed, before a response and while it holds a stream', async () => {
    const silent = runWith(
      idle('before'),
      around('bad', () => new Promise(() => undefined)),
      idle('after'),
    );
    await silent.finish();
    expect(silent.defects.map(String)).toEqual(['Error: The interceptor "bad" exceeded the deadline.']);
    expect(silent.rejection).toMatchObject({ code: 'deadline_exceeded' });

    const holding = runWith(
      idle('before'),
      staged('bad', (_, out) => void out.hold()),
      idle('after'),
    );
    await begin(holding);
    await holding.finish();
    expect(holding.defects.map(String)).toEqual(['Error: The interceptor "bad" exceeded the deadline.']);
    expect(holding.outcomes).toMatchObject([{ kind: 'failed', error: { code: 'deadline_exceeded' } }]);
    for (const run of [silent, holding]) expectNothingLeft(run);
  });

  test('fails a response by its own decision with its own error, and the target is not blamed', async () => {
    const blocked = new GatewayError('content_policy_violation', 'Blocked.');
    const run = runWith(staged('guard', (_, out) => out.fail(blocked)));
    await begin(run);
    await run.finish();
    expect(run.outcomes).toEqual([{ kind: 'failed', error: blocked }]);
    expect(run.request.routing.attempts.map(({ failure, outcome }) => [failure, outcome])).toEqual([
      [undefined, 'stopped'],
    ]);
    expectNothingLeft(run);
  });

  test('fails too late where the client has the whole response: it is logged', async () => {
    const late: Interceptor = staged('bad', (frame, out: FrameSink) => {
      out.write(frame);
      if (frame.isLast) throw new TypeError('late');
    });
    const run = runWith(late);
    await begin(run);
    await run.take({ kind: 'data', piece: `${chatEvent('', 'stop')}data: [DONE]\n\n` });
    await run.finish();
    expect(run.outcomes).toEqual([{ kind: 'done' }]);
    expect(eventData(run.text).at(-1)).toBe('[DONE]');
    expect(run.defects.map(String)).toEqual(['GatewayError: The interceptor "bad" failed.']);
    expectNothingLeft(run);
  });
});

describe('a call that is left behind', () => {
  test('in the queue leaves it when its request ends, and is never sent', async () => {
    let calls = 0;
    const hasty = around('hasty', (call, scope, next) => {
      calls += 1;
      next(call, scope);
      return Promise.reject(new GatewayError('invalid_request', 'no'));
    });
    const run = new RequestRun({ ...PLAN, busy: true }, () => [hasty]);
    await settle();
    expect(run.request.completed).toBe(true);
    expect([calls, run.states.queued()]).toEqual([1, 0]);
    await run.finish();
    expect(run.transport.upstreamCalls).toEqual([]);
    expectNothingLeft(run);
  });

  test('after the end of its request is rejected before any other interceptor sees it', async () => {
    const seen: string[] = [];
    const rejected: unknown[] = [];
    const keeping = around('keeping', (call, scope, next) => {
      scope.request.onEnd(() => {
        next(call, scope).catch((error: unknown) => rejected.push(error));
      });
      return next(call, scope);
    });
    const run = runWith(
      keeping,
      around('inner', (call, scope, next) => {
        seen.push('inner');
        return next(call, scope);
      }),
    );
    await run.finish();
    expect(seen).toEqual(['inner']);
    expect(rejected.map(String)).toEqual(['TypeError: the request has ended: it takes no more calls']);
    expectNothingLeft(run);
  });
});
