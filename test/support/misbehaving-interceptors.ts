import fc from 'fast-check';
import { GatewayError } from '../../src/core/errors.ts';
import { drainStream } from '../../src/core/stream/drain.ts';
import type {
  CallScope,
  Frame,
  FrameSink,
  FrameStream,
  InferenceCall,
  InferenceResponse,
  Interceptor,
  Next,
  StreamMode,
  StreamTransform,
} from '../../src/pipeline/interceptor.ts';
import type { RequestRun } from './request-run.ts';

/** Interceptors that break their contract in one way each, for chains that must contain them. */

interface Context {
  readonly run: RequestRun;
  readonly call: InferenceCall;
  readonly scope: CallScope;
  readonly next: Next;
}

type Handle = (context: Context) => Promise<InferenceResponse>;

const pass: Handle = ({ call, scope, next }) => next(call, scope);
const never = <T>(): Promise<T> => new Promise(() => undefined);
const blocked = () => new GatewayError('invalid_request', 'blocked by a test');
const unused = () => new GatewayError('client_closed_request', 'not needed by a test');
/** A value of any type, as code without types returns it. */
const untyped = (value: unknown): InferenceResponse => Object(value);

/** Runs the rest and looks away from how it ends. */
const ignore = (running: Promise<unknown>): void => {
  running.then(
    () => undefined,
    () => undefined,
  );
};

const HANDLES = {
  pass,
  'throws a gateway error before': () => Promise.reject(blocked()),
  'throws before': () => Promise.reject(new TypeError('before')),
  'throws synchronously': () => {
    throw new TypeError('synchronously');
  },
  'throws a string': () => Promise.reject('no error'),
  'throws undefined': () => Promise.reject(undefined),
  'throws after': async (context) => {
    await pass(context);
    throw new TypeError('after');
  },
  'throws a gateway error after': async (context) => {
    await pass(context);
    throw blocked();
  },
  'throws beside': ({ call, scope, next }) => {
    next(call, scope);
    throw new TypeError('beside');
  },
  'never resolves': () => never(),
  'never resolves after': async (context) => {
    await pass(context);
    return never();
  },
  'is slow before': async (context) => {
    await context.run.clock.sleep(400);
    return pass(context);
  },
  'is slow after': async (context) => {
    const response = await pass(context);
    await context.run.clock.sleep(400);
    return response;
  },
  'calls twice and returns the first': async (context) => {
    const first = await pass(context);
    await pass(context);
    return first;
  },
  'calls twice and returns the second': async (context) => {
    await pass(context);
    return pass(context);
  },
  'calls twice at once and returns the first': async (context) => {
    const [first] = await Promise.all([pass(context), pass(context)]);
    return first;
  },
  'calls twice at once and returns the faster': (context) => Promise.race([pass(context), pass(context)]),
  'calls twice at once and returns neither': async (context) => {
    await Promise.all([pass(context), pass(context)]);
    return untyped(undefined);
  },
  'calls without waiting': async ({ call, scope, next }) => {
    next(call, scope);
    return untyped(undefined);
  },
  retries: (context) => pass(context).catch(() => pass(context)),
  'returns nothing': async () => untyped(undefined),
  'returns nothing after': async (context) => {
    await pass(context);
    return untyped(null);
  },
  'returns no body': async () => untyped({ source: { kind: 'plugin', name: 'x' } }),
  'returns an unknown kind': async () =>
    untyped({ source: { kind: 'plugin', name: 'x' }, body: { kind: 'x' } }),
  'returns a foreign result': async () =>
    untyped({ source: { kind: 'plugin', name: 'x' }, body: { kind: 'complete', result: { text: 7 } } }),
  'returns no source': async (context) => ({ ...(await pass(context)), source: untyped(undefined).source }),
  'returns a foreign stream': async () =>
    untyped({
      source: { kind: 'plugin', name: 'x' },
      body: { kind: 'stream', stream: { ended: never(), cancel: () => undefined } },
    }),
  'returns a drained stream': async (context) => {
    const response = await pass(context);
    if (response.body.kind === 'stream') drainStream(response.body.stream);
    return response;
  },
  'returns one of two stages': async (context) => {
    const response = await pass(context);
    const { body } = response;
    if (body.kind === 'complete') return response;
    drainStream(body.stream.through(stage('pass', context)));
    return { ...response, body: { kind: 'stream', stream: body.stream.through(stage('pass', context)) } };
  },
  'cancels its stream': async (context) => {
    const response = await pass(context);
    if (response.body.kind === 'stream') response.body.stream.cancel(unused());
    return response;
  },
  'cancels its stream with an error': async (context) => {
    const response = await pass(context);
    if (response.body.kind === 'stream')
      response.body.stream.cancel(new GatewayError('content_policy_violation', 'x'));
    return response;
  },
  'cancels its stream later': async (context) => {
    const response = await pass(context);
    const { body } = response;
    if (body.kind === 'stream') ignore(context.run.clock.sleep(60).then(() => body.stream.cancel(unused())));
    return response;
  },
  'calls after the end': (context) => {
    context.scope.request.onEnd(() => {
      const { next, call, scope } = context;
      ignore(next(call, scope));
      ignore(next(call, scope.fork()));
    });
    return pass(context);
  },
  'calls after its response': async (context) => {
    const response = await pass(context);
    ignore(context.run.clock.sleep(20).then(() => pass(context)));
    return response;
  },
  'throws in a listener': (context) => {
    context.scope.request.onEnd(() => {
      throw new TypeError('listener');
    });
    return pass(context);
  },
  'cancels a fork': async ({ call, scope, next, run }) => {
    const fork = scope.fork();
    const running = next(call, fork);
    ignore(run.clock.sleep(30).then(() => fork.cancel(unused())));
    return running;
  },
  'cancels a fork at once': async ({ call, scope, next }) => {
    const fork = scope.fork();
    fork.cancel(unused());
    return next(call, fork);
  },
  'hedges by forks': async ({ call, scope, next }) => {
    const forks = [scope.fork(), scope.fork()];
    const response = await Promise.any(forks.map((fork) => next(call, fork)));
    for (const fork of forks) fork.fork().cancel(unused());
    return response;
  },
  'detaches and starts nothing': (context) => {
    context.scope.detach(context.scope.deadlineAt, 'x');
    return pass(context);
  },
  'detaches and does not drain': (context) => {
    ignore(detached(context));
    return pass(context);
  },
  'detaches and drains': (context) => {
    ignore(
      detached(context).then(({ body }) => {
        if (body.kind === 'stream') drainStream(body.stream);
      }),
    );
    return pass(context);
  },
  'detaches and holds': (context) => {
    ignore(
      detached(context).then(({ body }) => {
        if (body.kind === 'stream') drainStream(body.stream.through(stage('holds forever', context)));
      }),
    );
    return pass(context);
  },
  'detaches and starts twice': (context) => {
    const { call, scope, next, run } = context;
    const branch = scope.detach(scope.deadlineAt, 'x');
    run.detached.push(branch.request);
    ignore(next(call, branch));
    return next(call, branch);
  },
  'detaches and forks first': (context) => {
    const { call, scope, next, run } = context;
    const branch = scope.detach(scope.deadlineAt, 'x');
    run.detached.push(branch.request);
    return next(call, branch.fork());
  },
  'returns a detached response': (context) => detached(context),
  'detaches for long': (context) => {
    ignore(detached(context, 5_000));
    return pass(context);
  },
} as const satisfies Readonly<Record<string, Handle>>;

function detached({ call, scope, next, run }: Context, ms = 500): Promise<InferenceResponse> {
  const branch = scope.detach(run.clock.now() + ms, 'x');
  run.detached.push(branch.request);
  return next(call, branch);
}

const EVENT: Frame = { events: [{ type: 'ping' }] };

interface Sink extends FrameSink {
  readonly count: number;
}

/** What a transform does with a frame, given how many came before. */
const FRAMES = {
  pass: (frame, out) => out.write(frame),
  'throws at once': () => {
    throw new TypeError('frame');
  },
  'throws later': (frame, out) => {
    if (out.count > 1) throw new TypeError('frame');
    out.write(frame);
  },
  'throws a gateway error': (frame, out) => {
    if (out.count > 0) throw blocked();
    out.write(frame);
  },
  'drops all': () => undefined,
  'drops some': (frame, out) => {
    if (out.count % 2 === 0) out.write(frame);
  },
  'doubles all': (frame, out) => {
    out.write(frame);
    out.write(frame);
  },
  'holds forever': (frame, out) => {
    out.write(frame);
    out.hold();
  },
  'holds for a moment': (frame, out, { run }) => {
    const release = out.hold();
    ignore(run.clock.sleep(30).then(release));
    out.write(frame);
  },
  'releases twice': (frame, out) => {
    const release = out.hold();
    release();
    release();
    out.write(frame);
  },
  'writes nothing and holds': (_, out, { run }) => {
    const release = out.hold();
    ignore(run.clock.sleep(30).then(release));
  },
  'writes later': (frame, out, { run }) => {
    ignore(run.clock.sleep(500).then(() => out.write(frame)));
    out.write(frame);
  },
  inserts: (frame, out) => {
    out.insert({ type: 'ping' });
    out.write(frame);
  },
  'inserts out of order': (frame, out) => {
    out.write(frame);
    out.insert({ type: 'delta', choice: 3, text: 'x' }, { type: 'part-end', choice: 3 });
  },
  'inserts an end': (frame, out) => {
    out.insert({ type: 'end' });
    out.write(frame);
  },
  'finishes early': (frame, out) => {
    out.write(frame);
    if (out.count > 0) out.finish({ unified: 'stop' });
  },
  'finishes and goes on': (frame, out) => {
    out.finish({ unified: 'stop' });
    out.write(frame);
    out.finish({ unified: 'length' });
    out.fail(blocked());
  },
  'fails early': (frame, out) => {
    out.write(frame);
    if (out.count > 0) out.fail(blocked());
  },
  'fails as another target might': (_, out) => out.fail(new GatewayError('upstream_error', 'x')),
  'splices at once': (frame, out, context) => {
    out.write(frame);
    if (out.count === 0) spliceLater(out, context, (stream) => out.splice(stream));
  },
  'splices twice': (frame, out, context) => {
    out.write(frame);
    if (out.count > 0) return;
    spliceLater(out, context, (stream) => out.splice(stream));
    spliceLater(out, context, (stream) => out.splice(stream));
  },
  'splices one twice': (frame, out, context) => {
    out.write(frame);
    if (out.count > 0) return;
    spliceLater(out, context, (stream) => {
      out.splice(stream);
      out.splice(stream);
    });
  },
  'splices a drained one': (frame, out, context) => {
    out.write(frame);
    if (out.count > 0) return;
    spliceLater(out, context, (stream) => {
      drainStream(stream);
      out.splice(stream);
    });
  },
  'splices itself': (_, out, { stream }) => {
    if (stream) out.splice(stream);
  },
  'splices a foreign one': (_, out) => {
    const foreign: FrameStream = {
      observed: { usage: undefined, finishReason: undefined, chunks: 0 },
      ended: never(),
      through: () => foreign,
      cancel: () => undefined,
    };
    out.splice(foreign);
  },
  'cancels the stream': (frame, out, { stream }) => {
    out.write(frame);
    stream?.cancel(unused());
  },
} as const satisfies Readonly<
  Record<
    string,
    (frame: Frame, out: Sink, context: Context & { readonly stream: FrameStream | undefined }) => void
  >
>;

const ENDS = {
  pass: () => undefined,
  throws: () => {
    throw new TypeError('end');
  },
  'holds forever': (out) => {
    out.hold();
  },
  'holds for a moment': (out, { run }) => {
    ignore(run.clock.sleep(30).then(out.hold()));
  },
  writes: (out) => out.write(EVENT),
  fails: (out) => out.fail(blocked()),
  finishes: (out) => out.finish({ unified: 'stop' }),
  splices: (out, context) => spliceLater(out, context, (stream) => out.splice(stream)),
  'writes after the end': (out, { run }) => {
    ignore(
      run.clock.sleep(10).then(() => {
        out.write(EVENT);
        out.hold()();
        out.finish({ unified: 'stop' });
        out.fail(blocked());
      }),
    );
  },
} as const satisfies Readonly<Record<string, (out: FrameSink, context: Context) => void>>;

/** Asks for another stream while this one is held. */
function spliceLater(
  out: FrameSink,
  { next, call, scope }: Context,
  use: (stream: FrameStream) => void,
): void {
  const release = out.hold();
  next(call, scope)
    .then(
      ({ body }) => (body.kind === 'stream' ? use(body.stream) : undefined),
      () => undefined,
    )
    .then(release, release);
}

type FrameFault = keyof typeof FRAMES;
type EndFault = keyof typeof ENDS;

function stage(
  onFrame: FrameFault,
  context: Context,
  onEnd: EndFault = 'pass',
  made: { stream?: FrameStream } = {},
): StreamTransform {
  let count = 0;
  return {
    frame: (frame, out) => {
      const sink: Sink = {
        count: count++,
        write: (one) => out.write(one),
        insert: (...events) => out.insert(...events),
        hold: () => out.hold(),
        splice: (stream) => out.splice(stream),
        finish: (reason) => out.finish(reason),
        fail: (error) => out.fail(error),
      };
      FRAMES[onFrame](frame, sink, { ...context, stream: made.stream });
    },
    end: (_, out) => ENDS[onEnd](out, context),
  };
}

export interface Misbehaviour {
  readonly handle: keyof typeof HANDLES;
  readonly mode: StreamMode;
  readonly stages: readonly { readonly frame: FrameFault; readonly end: EndFault }[];
  readonly applies: 'yes' | 'throws';
}

const keysOf = <K extends string>(record: Readonly<Record<K, unknown>>): K[] =>
  Object.keys(record).filter((key): key is K => key in record);

export const misbehaviour: fc.Arbitrary<Misbehaviour> = fc.record({
  handle: fc.oneof(
    { weight: 2, arbitrary: fc.constant('pass' as const) },
    { weight: 3, arbitrary: fc.constantFrom(...keysOf(HANDLES)) },
  ),
  mode: fc.constantFrom('bytes' as const, 'observe' as const, 'rewrite' as const),
  stages: fc.array(
    fc.record({ frame: fc.constantFrom(...keysOf(FRAMES)), end: fc.constantFrom(...keysOf(ENDS)) }),
    { maxLength: 2 },
  ),
  applies: fc.oneof(
    { weight: 30, arbitrary: fc.constant('yes' as const) },
    { weight: 1, arbitrary: fc.constant('throws' as const) },
  ),
});

export function misbehaving(
  name: string,
  { handle, mode, stages, applies }: Misbehaviour,
  run: RequestRun,
): Interceptor {
  return {
    name,
    stream: mode,
    applies: () => {
      if (applies === 'throws') throw new TypeError('applies');
      return true;
    },
    handle: (call, scope, next) => {
      const context: Context = { run, call, scope, next };
      const handling = HANDLES[handle](context);
      if (stages.length === 0) return handling;
      return handling.then((response) => {
        const body = response?.body;
        if (body?.kind !== 'stream' || !('through' in body.stream)) return response;
        let { stream } = body;
        for (const { frame, end } of stages) {
          const made: { stream?: FrameStream } = {};
          stream = stream.through(stage(frame, context, end, made));
          made.stream = stream;
        }
        return { ...response, body: { kind: 'stream', stream } };
      });
    },
  };
}
