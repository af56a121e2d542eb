import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { HeaderBlock, type HeaderReader, ResponseHeaders } from '../core/http.ts';
import type { InferenceCall, Operation } from '../core/inference.ts';
import type { Principal } from '../core/principal.ts';
import { tightest } from '../core/rate-limit.ts';
import type { JsonBody } from '../http/body.ts';
import { clientAddress } from '../http/client-address.ts';
import { openAiErrorEvent } from '../http/error-body.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { RouteHandler } from '../http/http-router.ts';
import { setRateLimitHeaders } from '../http/rate-limit-headers.ts';
import { eventStreamResponse, jsonResponse } from '../http/response.ts';
import { warningsHeader } from '../http/warnings-header.ts';
import { RequestContext } from '../inference/context.ts';
import type { DeadlineMonitor, Watched } from '../inference/deadlines.ts';
import { explain } from '../inference/explain.ts';
import { recordOf } from '../inference/request-log.ts';
import { costSoFar } from '../inference/usage-meter.ts';
import { AddressSubjects } from '../limits/address-subjects.ts';
import type { Target } from '../providers/types.ts';
import { PRIORITIES, type Priority } from '../routing/admission/fair-queue.ts';
import { assertModelAllowed, authenticate } from './authenticate.ts';
import { keepAliveStream } from './keep-alive-stream.ts';
import { routingConstraintsOf } from './routing-constraints.ts';
import type { ApiServices, ApiSnapshot } from './services.ts';
import { tagsOf } from './tags.ts';

/** How one endpoint reads requests and writes answers. */
export interface InferenceEndpoint {
  readonly operation: Operation;
  /** @throws GatewayError when the body can't be read or is not valid */
  read(httpContext: HttpContext, snapshot: ApiSnapshot): JsonBody | Promise<JsonBody>;
  /** The call that a body asks for. @throws GatewayError when it is not valid */
  parse(
    body: JsonBody,
    snapshot: ApiSnapshot,
    httpContext: HttpContext,
    principal: Principal,
  ): InferenceCall | Promise<InferenceCall>;
  /** The media type of a plain answer, if it is not JSON. */
  readonly contentType?: (httpContext: HttpContext) => string | undefined;
  /** The client dialect's event for a stream that fails after it began. */
  readonly renderStreamError?: (error: GatewayError) => Uint8Array;
  /** The client dialect's error body; OpenAI's, when absent. */
  readonly renderError?: (error: GatewayError, requestId: string) => string;
  /** A dialect's own name for the request id's header. */
  readonly requestIdHeader?: string;
}

const TIMEOUT = /^(\d{1,9})(ms|s|m|h)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `x-weir-timeout`, in milliseconds, never longer than the configuration allows. */
function requestTimeout(headers: HeaderReader, maxRequestMs: number): number {
  const value = headers.get('x-weir-timeout');
  if (value === null) return maxRequestMs;
  const match = TIMEOUT.exec(value.trim());
  const milliseconds = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ''] ?? Number.NaN);
  if (!(milliseconds > 0)) {
    throw new GatewayError(
      'invalid_request',
      'The header "x-weir-timeout" must be a duration above zero with its unit, such as 500ms, 30s or 5m.',
      { param: 'x-weir-timeout' },
    );
  }
  return Math.min(milliseconds, maxRequestMs);
}

/** `x-weir-strict`: the client would rather be refused than understood in part. */
function isStrict(headers: HeaderReader): boolean {
  const value = headers.get('x-weir-strict')?.trim().toLowerCase();
  if (value === undefined || value === '0' || value === 'false') return false;
  if (value === '1' || value === 'true') return true;
  throw new GatewayError('invalid_request', 'The header "x-weir-strict" must be true or false.', {
    param: 'x-weir-strict',
  });
}

/** `x-weir-priority`: whom the request goes before, and whom it gives way to, where requests have to wait. */
function requestPriority(headers: HeaderReader): Priority {
  const value = headers.get('x-weir-priority')?.trim().toLowerCase();
  if (value === undefined) return 'normal';
  const priority = PRIORITIES.find((one) => one === value);
  if (priority) return priority;
  throw new GatewayError(
    'invalid_request',
    `The header "x-weir-priority" must be ${PRIORITIES.slice(0, -1).join(', ')} or ${PRIORITIES.at(-1)}.`,
    { param: 'x-weir-priority' },
  );
}

function explanationRequested(headers: HeaderReader): boolean {
  const value = headers.get('x-weir-explain');
  return value === '1' || value === 'true';
}

/** Bytes; proxies refuse heads that are much longer. */
const MAX_EXPLANATION = 6_000;

/** Why the request went where it went, as far as is known now, as JSON that a header may hold. */
function explanation(context: RequestContext, { clock, modelData }: ApiServices): string {
  const record = recordOf(context, clock.now(), clock.wallTime());
  const text = JSON.stringify(explain(record, (target) => modelData.of(target))).replaceAll(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  if (text.length <= MAX_EXPLANATION) return text;
  return JSON.stringify({ id: record.id, see: `/admin/v1/requests/${record.id}` });
}

/** How limits stand, and what was spent, where it is known by now. */
function addLimits(headers: ResponseHeaders, context: RequestContext): void {
  const { reservation } = context;
  if (reservation) {
    if (reservation.warnings.length > 0)
      headers.set('x-weir-limit-warnings', headerSafe(reservation.warnings.join(' ')));
  }
  if (!context.completed) return;
  const cost = costSoFar(context);
  if (cost !== undefined) headers.set('x-weir-cost', String(cost));
}

function responseHeaders(context: RequestContext, target: Target): ResponseHeaders {
  const { warnings } = context;
  const headers = new ResponseHeaders();
  if (warnings.length > 0) headers.set('x-weir-warnings', warningsHeader(warnings));
  headers.block = blockOf(target, context.attempts.length);
  const variant = context.plan?.participation?.variant;
  if (variant !== undefined) headers.set('x-weir-variant', headerSafe(variant));
  return headers;
}

const blocks = new WeakMap<Target, HeaderBlock[]>();

/** What is the same for all answers of a target that came at the same attempt. */
function blockOf(target: Target, attempts: number): HeaderBlock {
  const own = blocks.get(target) ?? [];
  const known = own[attempts];
  if (known) return known;
  const block = new HeaderBlock({
    'x-weir-provider': headerSafe(target.provider.id),
    'x-weir-model': headerSafe(target.model),
    'x-weir-attempts': String(attempts),
    'x-weir-cache': 'bypass',
  });
  own[attempts] = block;
  blocks.set(target, own);
  return block;
}

/** Upstream model names may hold anything; header values may not. */
function headerSafe(value: string): string {
  return /^[\x20-\x7e]*$/.test(value) ? value : encodeURIComponent(value);
}

/**
 * The phases of an inference request, in order: authenticate, parse, then (in the service) route, attempt and
 * commit. From the context's making on, `complete` runs exactly once, at the end of the answer.
 */
export function inferenceHandler(services: ApiServices, endpoint: InferenceEndpoint): RouteHandler {
  const addressSubjects = new AddressSubjects();
  return async (httpContext) => {
    const { request } = httpContext;
    httpContext.renderError = endpoint.renderError;
    httpContext.requestIdHeader = endpoint.requestIdHeader;
    const { addressLimiter } = services;
    const address = addressLimiter.enabled
      ? clientAddress(httpContext, services.snapshot().isProxy)
      : undefined;
    const addressRate = address === undefined ? undefined : addressLimiter.spend(address);
    const found = authenticate(services, httpContext);
    const principal = found instanceof Promise ? await found : found;
    services.lifecycle.assertAccepting();
    const snapshot = services.snapshot();
    const timeoutMs = requestTimeout(request.headers, snapshot.limits.maxRequestMs);

    let leave: (() => void) | undefined;
    const context = new RequestContext(
      {
        id: httpContext.requestId,
        principal,
        operation: endpoint.operation,
        route: httpContext.route,
        startedAt: httpContext.startedAt,
      },
      (completed, outcome) => {
        leave?.();
        services.lifecycle.end(completed);
        const endedAt = services.clock.now();
        services.recorder.requestCompleted(completed, outcome, endedAt);
        services.meter.completed(completed, outcome);
        services.requests.add(recordOf(completed, endedAt, services.clock.wallTime(), outcome));
        httpContext.finish(completed.status ?? 200);
      },
    );
    context.deadlineAt = httpContext.startedAt + timeoutMs;
    const { sharedAddressRules } = snapshot;
    if (sharedAddressRules && address !== undefined) {
      context.addressLimits = addressSubjects.of(address, sharedAddressRules);
    }
    httpContext.defer();
    services.lifecycle.begin(context);
    const onDisconnect = () =>
      context.abort(new GatewayError('client_closed_request', 'The client closed the connection.'));
    request.onDisconnect(onDisconnect);

    try {
      if (address !== undefined) leave = await addressLimiter.enter(address, request.signal);
      const arriving = endpoint.read(httpContext, snapshot);
      const body =
        arriving instanceof Promise
          ? await new BodyReadTimeout(context, services.deadlines).of(arriving)
          : arriving;
      const parsed = endpoint.parse(body, snapshot, httpContext, principal);
      const call = parsed instanceof Promise ? await parsed : parsed;
      context.model = call.model;
      if (principal.scopes?.models) assertModelAllowed(principal, call.model);
      context.stream = call.stream;
      context.strict = isStrict(request.headers);
      context.priority = requestPriority(request.headers);
      context.constraints = routingConstraintsOf(request.headers);
      context.tags = tagsOf(request.headers);
      context.call = call;
      const renderStreamError = endpoint.renderStreamError ?? openAiErrorEvent;
      const patience =
        call.stream && snapshot.startsEngines ? new EngineWaitTimeout(context, services.clock) : undefined;
      const running = services.inference.run(snapshot, context, call, renderStreamError);
      const answer = patience ? await patience.of(running) : await running;
      if (answer === undefined) {
        const body = keepAliveStream({
          answer: running,
          clock: services.clock,
          message: `${PRODUCT} is loading the model`,
          renderStreamError,
          onCancel: onDisconnect,
        });
        const headers = ResponseHeaders.of({ 'x-weir-cache': 'bypass' });
        if (addressRate) setRateLimitHeaders(headers, addressRate);
        return eventStreamResponse(body, headers);
      }
      const headers = responseHeaders(context, answer.target);
      if (explanationRequested(request.headers))
        headers.set('x-weir-explain', explanation(context, services));
      const rate = tightest(addressRate, context.reservation?.requestRate);
      if (rate) setRateLimitHeaders(headers, rate);
      addLimits(headers, context);
      if (answer.kind === 'stream') return eventStreamResponse(answer.body, headers);
      const contentType = endpoint.contentType?.(httpContext);
      if (contentType !== undefined) headers.set('content-type', contentType);
      const reply = jsonResponse(request, 200, answer.result.text, headers);
      return reply instanceof Promise ? await reply : reply;
    } catch (thrown) {
      const error = context.aborted ?? asGatewayError(thrown);
      context.complete(
        error.code === 'client_closed_request' ? { kind: 'client_gone' } : { kind: 'failed', error },
      );
      if (!explanationRequested(request.headers)) throw error;
      const headers = { ...error.details.headers, 'x-weir-explain': explanation(context, services) };
      throw error.with({ headers });
    }
  };
}

const PRODUCT = 'Weir';

/** How long a stream that waits for an engine stays silent: so long, a failure can still be told by its status. */
const KEEP_ALIVE_AFTER_MS = 3_000;

/** Waits for an answer, but not for long when an engine has to be loaded first. */
class EngineWaitTimeout {
  readonly #engineWait = Promise.withResolvers<undefined>();
  readonly #over = new AbortController();

  constructor(context: RequestContext, clock: Clock) {
    context.heldUp = () => {
      context.heldUp = undefined;
      clock.sleep(KEEP_ALIVE_AFTER_MS, this.#over.signal).then(
        () => this.#engineWait.resolve(undefined),
        () => undefined,
      );
    };
  }

  /** @returns nothing when it takes long */
  async of<T>(answer: Promise<T>): Promise<T | undefined> {
    try {
      return await Promise.race([answer, this.#engineWait.promise]);
    } finally {
      this.#over.abort();
    }
  }
}

/** A body may take this long to arrive, however slowly its client sends. */
const BODY_TIMEOUT_MS = 5 * 60_000;

/** Waits for the body, but no longer than the client may take, and not beyond an abort. */
class BodyReadTimeout implements Watched {
  slot = -1;
  readonly expiresAt: number;
  readonly #context: RequestContext;
  readonly #deadlines: DeadlineMonitor;
  readonly #outcome = Promise.withResolvers<JsonBody>();

  constructor(context: RequestContext, deadlines: DeadlineMonitor) {
    this.#context = context;
    this.#deadlines = deadlines;
    this.expiresAt = Math.min(context.deadlineAt, context.startedAt + BODY_TIMEOUT_MS);
  }

  of(body: Promise<JsonBody>): Promise<JsonBody> {
    this.#deadlines.watch(this);
    this.#context.onAbort((reason) => this.#fail(reason));
    body.then(
      (value) => {
        this.#done();
        this.#outcome.resolve(value);
      },
      (error: unknown) => this.#fail(error),
    );
    return this.#outcome.promise;
  }

  expire(): void {
    this.#context.abort(new GatewayError('request_timeout', 'The request body did not arrive in time.'));
  }

  #fail(error: unknown): void {
    this.#done();
    this.#outcome.reject(error);
  }

  #done(): void {
    this.#deadlines.unwatch(this);
    this.#context.onAbort(undefined);
  }
}
