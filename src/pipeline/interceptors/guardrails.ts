import { setImmediate as nextTurn } from 'node:timers/promises';
import { GatewayError } from '../../core/errors.ts';
import type { InferenceCall } from '../../core/inference.ts';
import { strongerMode } from '../../core/stream/frame.ts';
import type { AskModel, Guardrail } from '../../guardrails/guardrail.ts';
import type { LineCapture } from '../../providers/line-forwarding.ts';
import { Pseudonyms } from '../../redaction/pseudonyms.ts';
import { askModel } from '../ask-model.ts';
import { sortGuardrails } from '../guardrail-check.ts';
import { RemoteGuardrailStream } from '../guardrail-remote-stream.ts';
import {
  type AskAgain,
  checkWhole,
  type WholeCheck,
  WholeResponseStream,
  wholeCheckers,
} from '../guardrail-repair.ts';
import { type CheckedRequest, checkRequest } from '../guardrail-request.ts';
import { checkResult } from '../guardrail-response.ts';
import { GuardrailRun, HEADER } from '../guardrail-run.ts';
import { GuardrailStream } from '../guardrail-stream.ts';
import {
  type CallScope,
  defineInterceptor,
  type InferenceResponse,
  type Interceptor,
  type Next,
  type RequestContext,
} from '../interceptor.ts';
import type { GuardrailServices, InterceptorServices } from '../interceptor-services.ts';

const LOGPROBS_WARNING = {
  kind: 'changed',
  param: 'logprobs',
  message: 'Log probabilities of a text that a guardrail changed are left out, because they name its tokens.',
} as const;

/** Applies the guardrails to requests before the cache and the providers, and to responses after them. */
export const interceptor = defineInterceptor({
  name: 'guardrails',
  create: (_, services): Interceptor | undefined =>
    services.guardrails && new GuardrailInterceptor(services, services.guardrails),
});

class GuardrailInterceptor implements Interceptor {
  readonly name = 'guardrails';
  /** Each request asks for more where one of its guardrails needs it. */
  readonly stream = 'bytes';

  constructor(
    private readonly services: InterceptorServices,
    private readonly guardrails: GuardrailServices,
  ) {}

  applies({ headers }: InferenceCall, { request }: CallScope): boolean {
    return this.guardrails.sets.has(request.identity.principal) || headers.get(HEADER) !== null;
  }

  async handle(call: InferenceCall, scope: CallScope, next: Next): Promise<InferenceResponse> {
    const { request } = scope;
    const list = await this.#listOf(call, request);
    if (list.length === 0) return next(call, scope);
    const { clock } = this.services;
    const now = () => clock.now();
    const run = this.#begin(request, list, askModel(scope, next, this.services, this.guardrails.question));
    const checked = await checkRequest(call, run, scope, now, request.forwarding?.kind);
    this.#requireMode(request, list);
    const header = announce(request, run, undefined);
    const response = await respond(checked, scope, next);
    const whole = wholeCheckers(sortGuardrails(list, 'output').text);
    const checkedWhole =
      whole.length === 0
        ? response
        : await this.#checkWhole(response, {
            guardrails: whole,
            run,
            call: checked.call,
            ask: this.#askAgain(scope, next),
          });
    return this.#checkResponse(checkedWhole, call, scope, run, header);
  }

  async #listOf(
    { headers }: InferenceCall,
    { identity, routing }: RequestContext,
  ): Promise<readonly Guardrail[]> {
    const all = await this.guardrails.sets.of(identity.principal);
    const requested = requestedIds(headers.get(HEADER), all);
    const model = routing.route?.id ?? '';
    return all.filter((guardrail) => guardrail.appliesTo(model, identity.operation, requested));
  }

  #begin(request: RequestContext, list: readonly Guardrail[], ask: AskModel): GuardrailRun {
    const { identity, routing } = request;
    const context = {
      requestId: identity.id,
      tenant: identity.principal.tenant,
      regions: identity.principal.residency?.allowed,
      model: routing.route?.id ?? '',
      pseudonyms: new Pseudonyms(),
      pause: () => nextTurn(),
      ask,
    };
    const run = new GuardrailRun(list, context, this.guardrails.observer, () => this.services.clock.now());
    request.guardrails = run;
    request.onEnd(() => run.finish());
    return run;
  }

  #requireMode({ routing }: RequestContext, list: readonly Guardrail[]): void {
    const readers = list.filter(({ readsResponses }) => readsResponses);
    if (readers.length === 0) return;
    const changes = readers.some(
      ({ changesResponses, policy }) => changesResponses || policy.fail === 'closed',
    );
    routing.requireStreamMode(strongerMode(changes ? 'rewrite' : 'observe', routing.streamMode));
  }

  #checkWhole(
    response: InferenceResponse,
    check: WholeCheck,
  ): InferenceResponse | Promise<InferenceResponse> {
    const { body } = response;
    if (body.kind === 'complete') return checkWhole(response, check);
    const stream = body.stream.through(new WholeResponseStream(check, true));
    return { ...response, body: { kind: 'stream', stream } };
  }

  /** @throws GatewayError where a limit has no room for another call, or the call fails */
  #askAgain(scope: CallScope, next: Next): AskAgain {
    return async (call) => {
      const { routing, limits } = scope.request;
      const { route, respondedBy, plan, warnings } = routing;
      const reserving = route && limits.reserveMore?.(call, this.services.router.possibleRoutes(route));
      if (reserving !== undefined && !(await reserving)) {
        throw new GatewayError('quota_exceeded', 'The limits of this request have no room for a repair.');
      }
      if (respondedBy) respondedBy.rejected = 'schema';
      routing.respondedBy = undefined;
      // The target that responded may be asked again.
      routing.plan = undefined;
      try {
        return await next(call, scope);
      } catch (error) {
        routing.respondedBy = respondedBy;
        routing.plan = plan;
        routing.warnings = warnings;
        throw error;
      }
    };
  }

  async #checkResponse(
    response: InferenceResponse,
    call: InferenceCall,
    scope: CallScope,
    run: GuardrailRun,
    header: [string, string] | undefined,
  ): Promise<InferenceResponse> {
    const sorted = sortGuardrails(run.guardrails, 'output');
    if (sorted.text.length === 0 && sorted.remote.length === 0) return response;
    const { request } = scope;
    const now = () => this.services.clock.now();
    const { body } = response;
    if (body.kind === 'complete') {
      const { result, lacksLogprobs } = await checkResult(body.result, sorted, run, scope, now);
      announce(request, run, header);
      if (lacksLogprobs) warn(request);
      return { ...response, body: { kind: 'complete', result } };
    }
    if (asksForLogprobs(call) && sorted.text.some(({ guardrail }) => guardrail.changesResponses))
      warn(request);
    let { stream } = body;
    if (sorted.text.length > 0) stream = stream.through(new GuardrailStream(sorted.text, run));
    if (sorted.remote.length > 0) {
      stream = stream.through(new RemoteGuardrailStream(sorted.remote, run, scope, now));
    }
    return { ...response, body: { kind: 'stream', stream } };
  }
}

/** Guardrails that ask a server are asked only about lines that go to a provider, and before they are stored there. */
async function capture(
  next: () => Promise<InferenceResponse>,
  beside: () => Promise<GatewayError | undefined>,
  forwarding: LineCapture,
): Promise<InferenceResponse> {
  try {
    return await next();
  } catch (stopped) {
    const { captured } = forwarding;
    if (!captured) throw stopped;
    forwarding.captured = undefined;
    const blocked = await beside();
    if (blocked) throw blocked;
    forwarding.captured = captured;
    throw stopped;
  }
}

/** Sends the request on. A guardrail that checks it meanwhile may cancel it. */
async function respond(
  { call, beside }: CheckedRequest,
  scope: CallScope,
  next: Next,
): Promise<InferenceResponse> {
  if (!beside) return next(call, scope);
  const { forwarding } = scope.request;
  if (forwarding?.kind === 'capture') return capture(() => next(call, scope), beside, forwarding);
  const deciding = beside();
  const branch = scope.fork();
  const responding = next(call, branch);
  responding.catch(() => undefined);
  const error = await deciding;
  if (error) {
    branch.cancel(error);
    throw error;
  }
  return responding;
}

/** @throws GatewayError `invalid_request` for a guardrail that does not exist */
function requestedIds(header: string | null, all: readonly Guardrail[]): ReadonlySet<string> {
  const ids = new Set(header?.split(',').flatMap((id) => id.trim() || []));
  for (const id of ids) {
    if (all.some((guardrail) => guardrail.id === id)) continue;
    const known = all.length === 0 ? 'there are none' : `there are: ${all.map((one) => one.id).join(', ')}`;
    throw new GatewayError(
      'invalid_request',
      `The header "${HEADER}" names the guardrail "${id.slice(0, 64)}", which does not exist: ${known}.`,
      { param: HEADER },
    );
  }
  return ids;
}

/** Writes the header, once: later calls change it. */
function announce(
  { response }: RequestContext,
  run: GuardrailRun,
  header: [string, string] | undefined,
): [string, string] | undefined {
  const ids = run.visible.join(', ');
  if (ids === '') return undefined;
  if (header) {
    header[1] = ids;
    return header;
  }
  const added: [string, string] = [HEADER, ids];
  response.headers.push(added);
  return added;
}

function warn({ response }: RequestContext): void {
  response.warnings ??= [];
  response.warnings.push(LOGPROBS_WARNING);
}

function asksForLogprobs({ body: { logprobs, top_logprobs: top, include } }: InferenceCall): boolean {
  if (Array.isArray(include) && include.includes('message.output_text.logprobs')) return true;
  return (logprobs !== undefined && logprobs !== null && logprobs !== false) || typeof top === 'number';
}
