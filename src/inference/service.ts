import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import { readableOf } from '../core/push-stream.ts';
import { estimateTokenCount } from '../core/token-estimate.ts';
import type { LimitReservation } from '../limits/limiter.ts';
import type { ModelRoute } from '../routing/directory.ts';
import type { RoutePlan } from '../routing/plan.ts';
import { RequestFacts } from '../routing/request-facts.ts';
import type { Outcome, RequestContext } from './context.ts';
import { ContinuableStream, concatStreams, type StreamContinuation } from './continuation.ts';
import { Escalation } from './escalation.ts';
import { expectedNanoUsd, expectedTokens } from './expected-use.ts';
import { FailoverExecutor } from './failover-executor.ts';
import { Mirror } from './mirror.ts';
import type {
  InferenceAnswer,
  InferenceServiceOptions,
  InferenceSnapshot,
  RenderStreamError,
  Run,
} from './run.ts';
import { unknownModel } from './service-errors.ts';

export type {
  AttemptObserver,
  InferenceAnswer,
  InferenceServiceOptions,
  InferenceSnapshot,
  MediaFetcher,
} from './run.ts';

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

/**
 * The phases behind parsing: resolve the model, order its targets, try them until one commits.
 * Completes the context exactly once, at the end of the answer's body and not at its beginning.
 */
export class InferenceService {
  readonly #now = () => this.options.clock.now();
  readonly #attempts: FailoverExecutor;
  readonly #mirror: Mirror;

  constructor(private readonly options: InferenceServiceOptions) {
    this.#attempts = new FailoverExecutor(options);
    this.#mirror = new Mirror(options.clock, options.observer);
  }

  /**
   * @param renderStreamError the client dialect's error event
   * @param target where to go in place of the model that the call names
   * @returns rejected when no target committed; the context is completed then
   */
  run(
    snapshot: InferenceSnapshot,
    context: RequestContext,
    call: InferenceCall,
    renderStreamError: RenderStreamError,
    target?: ModelRoute,
  ): Promise<InferenceAnswer> {
    const failed = (thrown: unknown) => context.complete(outcomeOf(asGatewayError(thrown)));
    try {
      const route = target ?? snapshot.directory.resolve(call.model);
      if (!route) throw unknownModel(call.model, snapshot.directory);
      context.modelLabel = route.label;
      if (route.strict) context.strict = true;
      const { principal } = context;
      const facts = new RequestFacts(call, principal.tenant, context.constraints, principal.weight);
      const run: Run = { snapshot, context, call, facts, renderStreamError };
      // Copies for comparison are the operator's own, and take nothing from anybody.
      const isCopy = target !== undefined;
      const admitting = isCopy ? undefined : this.#admit(snapshot, context, route, facts);
      const answer = admitting
        ? admitting.then((reservation) => {
            context.reservation = reservation;
            return this.#answer(run, route, isCopy);
          })
        : this.#answer(run, route, isCopy);
      // Beside the answer: whoever waits for it need not wait for this too.
      answer.catch(failed);
      return answer;
    } catch (thrown) {
      failed(thrown);
      return Promise.reject(asGatewayError(thrown));
    }
  }

  #answer(run: Run, route: ModelRoute, isCopy: boolean): Promise<InferenceAnswer> {
    const { context, call, snapshot, renderStreamError } = run;
    const { router } = snapshot;
    const now = this.#now();
    const plan = router.plan(route, run.facts, now);
    context.plan = plan;
    if (plan.participation) context.wantsCost = true;
    const mirror = isCopy ? undefined : router.mirrorOf(route);
    if (mirror) {
      context.wantsCost = true;
      this.#mirror.start(context, call, mirror, (own, copy, to) =>
        this.run(snapshot, own, copy, renderStreamError, to),
      );
    }
    const escalation = Escalation.of(route, call);
    if (escalation) return this.#escalating(run, plan, escalation);
    const continuable = ContinuableStream.of(route, call);
    if (continuable) return this.#continuing(run, plan, continuable);
    return this.#attempts.run(run, plan, now);
  }

  /** Takes what the request may use from all limits that concern it; nothing where there are none. */
  #admit(
    snapshot: InferenceSnapshot,
    context: RequestContext,
    route: ModelRoute,
    facts: RequestFacts,
  ): Promise<LimitReservation | undefined> | undefined {
    const { limiter } = this.options;
    const { principal, tags, addressLimits } = context;
    if (!limiter) return undefined;
    const more = addressLimits ? [...addressLimits, ...(route.limits ?? [])] : route.limits;
    if (principal.limits.length === 0 && !principal.tagLimits && !more) return undefined;
    const admitted = limiter.admit({
      principal,
      tags,
      more,
      tokens: () => expectedTokens(facts),
      nanoUsd: (now) => expectedNanoUsd(snapshot.prices, route.targets, route.facts, facts, now),
    });
    if (admitted instanceof Promise) return admitted;
    context.reservation = admitted;
    return undefined;
  }

  /** Streams from one target, and from another when that breaks, as if it were one stream. */
  async #continuing(run: Run, plan: RoutePlan, stream: ContinuableStream): Promise<InferenceAnswer> {
    const { context, facts } = run;
    // In the order in which they are to be read: a short one may be over before its reader has come to it.
    const sequels: Promise<StreamContinuation>[] = [];
    const piece: Run = {
      ...run,
      hedged: false,
      renderStreamError: () => NOTHING,
      holdBack: (complete, end) => {
        if (end.kind !== 'failed' || context.aborted) {
          complete();
          if (end.kind === 'failed') sequels.push(ended(end.error));
          return;
        }
        const { error } = end;
        if (!stream.canGoOn(error) || !plan.failed(error)) {
          complete();
          sequels.push(ended(error));
          return;
        }
        const { length } = stream.text;
        const cut = context.answeredBy;
        if (cut && !cut.usage) {
          cut.usage = { inputTokens: facts.inputTokens, outputTokens: estimateTokenCount(length), raw: {} };
          cut.estimated = true;
        }
        const next = this.#attempts.run({ ...piece, call: stream.continuation() }, plan).then(
          (answer) => {
            if (context.answeredBy) context.answeredBy.continued = true;
            const { provider, model } = answer.target;
            const by = `${provider.id}/${model}`.replaceAll(/[\r\n]/g, ' ');
            return {
              body: answer.kind === 'stream' ? readableOf(answer.body) : undefined,
              before: encoder.encode(`: continued by ${by} after ${length} characters\n\n`),
            };
          },
          () => {
            const { aborted } = context;
            if (aborted) context.complete(outcomeOf(aborted));
            else complete();
            return ended(aborted ?? error);
          },
        );
        sequels.push(next);
      },
    };
    const ended = (error: GatewayError): Promise<StreamContinuation> =>
      Promise.resolve({
        body: undefined,
        before:
          error.code === 'client_closed_request'
            ? undefined
            : (stream.failureEvent(error) ?? run.renderStreamError(error)),
      });
    const answer = await this.#attempts.run({ ...piece, call: stream.call }, plan);
    return answer.kind === 'stream'
      ? {
          ...answer,
          body: concatStreams(
            readableOf(answer.body),
            () => sequels.shift(),
            () => context.abort(new GatewayError('client_closed_request', 'The client stopped reading.')),
          ),
        }
      : answer;
  }

  /** Asks the model, and a stronger one when its answer is not good enough. What it has said is better than nothing. */
  async #escalating(run: Run, plan: RoutePlan, escalation: Escalation): Promise<InferenceAnswer> {
    const { context, snapshot } = run;
    let held: (() => void) | undefined;
    const checked: Run = {
      ...run,
      call: escalation.call,
      holdBack: (complete) => {
        held = complete;
      },
    };
    const answer = await this.#attempts.run(checked, plan);
    const reason = escalation.judge(answer);
    const stronger = reason && snapshot.router.resolve(escalation.settings.model);
    const give = () => {
      held?.();
      return escalation.cleaned(answer);
    };
    if (!stronger) return give();
    const { answeredBy, committedAt } = context;
    if (answeredBy) answeredBy.rejected = reason;
    context.answeredBy = undefined;
    context.committedAt = undefined;
    plan.switchRoute(stronger, 'escalation');
    try {
      return await this.#attempts.run(run, plan);
    } catch (error) {
      if (context.aborted) throw error;
      context.answeredBy = answeredBy;
      context.committedAt = committedAt;
      return give();
    }
  }
}

function outcomeOf(error: GatewayError): Outcome {
  return error.code === 'client_closed_request' ? { kind: 'client_gone' } : { kind: 'failed', error };
}
