import type { Clock } from '../core/clock.ts';
import type { InferenceCall } from '../core/inference.ts';
import { readableOf } from '../core/push-stream.ts';
import type { ModelRoute } from '../routing/directory.ts';
import type { Answer } from './attempt.ts';
import { type Outcome, RequestContext } from './context.ts';

/** What one of the two that were asked the same has done. */
export interface MirrorSide {
  readonly outcome: Outcome['kind'];
  readonly durationMs: number;
  readonly firstMs: number | undefined;
  readonly outputTokens: number | undefined;
  readonly finishReason: string | undefined;
  /** US dollars. */
  readonly cost: string | undefined;
}

export interface MirrorObserver {
  /** Both have ended. */
  mirrored(model: string, mirror: string, primary: MirrorSide, copy: MirrorSide): void;
  /** A copy was not sent, because enough are under way. */
  mirrorSkipped(model: string, mirror: string): void;
}

/** Copies under way at the same time; they must not crowd out what people wait for. */
const MOST = 100;

type RunCopy = (context: RequestContext, call: InferenceCall, route: ModelRoute) => Promise<Answer>;

/** Sends copies of requests to another model, and compares what comes of them. */
export class Mirror {
  #running = 0;

  constructor(
    private readonly clock: Clock,
    private readonly observer: MirrorObserver,
  ) {}

  /** Never throws, and takes no time of the request that it copies. */
  start(context: RequestContext, call: InferenceCall, mirror: ModelRoute, run: RunCopy): void {
    const model = context.modelLabel ?? '';
    if (this.#running >= MOST) {
      this.observer.mirrorSkipped(model, mirror.label);
      return;
    }
    this.#running += 1;
    const sides: { primary?: MirrorSide; copy?: MirrorSide } = {};
    const compare = () => {
      const { primary, copy } = sides;
      if (primary && copy) this.observer.mirrored(model, mirror.label, primary, copy);
    };
    context.onCompleted = (outcome) => {
      sides.primary = this.#side(context, outcome);
      compare();
    };
    const { principal, operation, route, deadlineAt, id } = context;
    const own = new RequestContext(
      { id: `${id}-mirror`, principal, operation, route, startedAt: this.clock.now() },
      (completed, outcome) => {
        this.#running -= 1;
        sides.copy = this.#side(completed, outcome);
        compare();
      },
    );
    own.deadlineAt = deadlineAt;
    own.priority = 'low';
    own.constraints = context.constraints;
    own.stream = call.stream;
    own.wantsCost = true;
    // What the answer would be kept for is the other one's business.
    const { onResponse: _, ...copied } = 'onResponse' in call ? call : { ...call, onResponse: undefined };
    run(own, copied, mirror).then(
      (answer) => (answer.kind === 'stream' ? drain(readableOf(answer.body)) : undefined),
      // Its context has taken note of the failure.
      () => undefined,
    );
  }

  #side(context: RequestContext, outcome: Outcome): MirrorSide {
    const { startedAt, committedAt, usage, finishReason, cost } = context;
    return {
      outcome: outcome.kind,
      durationMs: this.clock.now() - startedAt,
      firstMs: committedAt === undefined ? undefined : committedAt - startedAt,
      outputTokens: usage?.outputTokens,
      finishReason,
      cost,
    };
  }
}

async function drain(body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader();
  try {
    while (!(await reader.read()).done);
  } catch {
    // A broken stream has told its context.
  }
}
