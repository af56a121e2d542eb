import { asGatewayError, GatewayError } from '../core/errors.ts';
import { type HttpResponse, ResponseHeaders } from '../core/http.ts';
import type { InferenceCall, Operation } from '../core/inference.ts';
import type { Principal } from '../core/principal.ts';
import { type JsonBody, readJsonBody } from '../http/body.ts';
import { clientAddress } from '../http/client-address.ts';
import { openAiErrorEvent } from '../http/error-body.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { HttpRouter } from '../http/http-router.ts';
import { setRateLimitHeaders } from '../http/rate-limit-headers.ts';
import { eventStreamResponse, jsonResponse } from '../http/response.ts';
import { NO_BODY, type RouteHandler, type RoutePolicy } from '../http/route-policy.ts';
import type { HandledResponse, PreparedCall } from '../pipeline/inference-handler.ts';
import { KEEP_ALIVE_COMMENT } from '../pipeline/keep-alives.ts';
import { RequestContext } from '../pipeline/request-context.ts';
import type { ModelRoute } from '../routing/directory.ts';
import { prefersAsync, queueRequest } from './async-requests.ts';
import { assertModelAllowed } from './authenticate.ts';
import { EarlyStream } from './early-stream.ts';
import { type EarlyHead, HeadWait } from './head-wait.ts';
import { beginIdempotent, ResponseRecorder } from './idempotent-request.ts';
import { InferenceResponseHeaders, wantsExplanation } from './inference-response-headers.ts';
import { limitOutput, smallerLimit } from './output-limit.ts';
import { readBody } from './read-body.ts';
import { requestControls } from './request-controls.ts';
import { requestTimeout } from './request-timeout.ts';
import { wantsMetadata, withMetadata } from './response-metadata.ts';
import type { ApiServices, ApiSnapshot } from './services.ts';
import { resolveFor, withSimulatorRule } from './simulator-access.ts';

/** How one endpoint reads requests and writes responses. */
export interface InferenceEndpoint {
  readonly operation: Operation;
  /** Reads the request from its query: the endpoint has the method GET and no body. POST when absent. */
  readonly readQuery?: (httpContext: HttpContext) => JsonBody;
  /** The call that a body asks for. @throws GatewayError when it is not valid */
  parse(
    body: JsonBody,
    snapshot: ApiSnapshot,
    httpContext: HttpContext,
    principal: Principal,
  ): InferenceCall | Promise<InferenceCall>;
  /** The model of a call, for endpoints with rules of their own. @throws GatewayError as `resolveFor` */
  resolve?(call: InferenceCall, snapshot: ApiSnapshot, principal: Principal): ModelRoute;
  /** The media type of a complete response, if it is not JSON. */
  readonly contentType?: (httpContext: HttpContext) => string | undefined;
  /** The client dialect's error event in a stream; OpenAI's, when absent. */
  readonly renderStreamError?: (error: GatewayError) => Uint8Array;
  /** The client dialect's keep-alive in a stream; a comment, when absent. */
  readonly keepAlive?: Uint8Array;
  /** The client dialect's error body; OpenAI's, when absent. */
  readonly renderError?: (error: GatewayError, requestId: string) => string;
  /** A request that works, for the errors of requests without content. */
  readonly example?: string;
  /** A dialect's own name for the request id's header. */
  readonly requestIdHeader?: string;
}

/** A request with an idempotency key, whose body has been read. */
interface Recorded {
  readonly body: JsonBody;
  readonly recorder: ResponseRecorder;
}

/** An admitted request with what its HTTP stage found out. */
interface Admitted {
  /** Undefined for requests without an idempotency key. */
  readonly recorded: Recorded | undefined;
  readonly httpContext: HttpContext;
  readonly snapshot: ApiSnapshot;
  readonly request: RequestContext;
}

/**
 * Adds one inference endpoint. What follows the router's part of the HTTP stage: request context, address concurrency, body.
 * Then the inference stage: parse, resolve the model, check that it is allowed, and run the interceptor chain.
 */
export function addInferenceRoute(
  router: HttpRouter,
  services: ApiServices,
  path: string,
  endpoint: InferenceEndpoint,
): void {
  const { renderError, requestIdHeader, readQuery } = endpoint;
  const policy: RoutePolicy<Principal> = {
    access: services.callers.key,
    body: readQuery ? NO_BODY : services.bodyLimit,
    takesAddressSlot: true,
    selectDialect: (httpContext) => {
      httpContext.renderError = renderError;
      httpContext.requestIdHeader = requestIdHeader;
    },
  };
  const { handle } = new InferenceRoute(services, endpoint);
  if (!readQuery) services.background.add(path, { handle, renderError });
  router.route(readQuery ? 'GET' : 'POST', path, policy, handle);
}

class InferenceRoute {
  readonly #headers: InferenceResponseHeaders;

  constructor(
    private readonly services: ApiServices,
    private readonly endpoint: InferenceEndpoint,
  ) {
    this.#headers = new InferenceResponseHeaders(services.clock, () => services.snapshot().prices);
  }

  readonly handle: RouteHandler<Principal> = (httpContext, principal) => {
    const { headers } = httpContext.request;
    if (prefersAsync(httpContext.route, headers)) return this.#queue(httpContext, principal);
    const key = headers.get('idempotency-key');
    return key === null
      ? this.#run(httpContext, principal, undefined)
      : this.#runOnce(httpContext, principal, key);
  };

  /** Checks a request as if it ran now, and queues it. */
  async #queue(httpContext: HttpContext, principal: Principal): Promise<HttpResponse> {
    const { endpoint, services } = this;
    const snapshot = services.snapshot();
    const { headers } = httpContext.request;
    const body = await this.#read(httpContext);
    const call = await endpoint.parse(body, snapshot, httpContext, principal);
    requestControls(call, headers);
    requestTimeout(headers, snapshot.limits.maxRequestMs);
    if (principal.scopes?.models) assertModelAllowed(principal, call.model);
    if (endpoint.resolve) endpoint.resolve(call, snapshot, principal);
    else resolveFor(snapshot, principal, call.model);
    return queueRequest(services, httpContext, principal, body, call.model);
  }

  /** Executes the first request with a key, and repeats its response. */
  async #runOnce(httpContext: HttpContext, principal: Principal, key: string): Promise<HttpResponse> {
    const body = await this.#read(httpContext);
    const { model } = body.json;
    if (typeof model === 'string') assertModelAllowed(principal, model);
    const begun = await beginIdempotent(this.services.replays, key, httpContext, principal, body.text);
    if (!(begun instanceof ResponseRecorder)) return begun;
    try {
      return await this.#run(httpContext, principal, { body, recorder: begun });
    } catch (error) {
      await begun.release();
      throw error;
    }
  }

  #read(httpContext: HttpContext): JsonBody | Promise<JsonBody> {
    const { readQuery, example } = this.endpoint;
    if (readQuery) return readQuery(httpContext);
    if (example !== undefined && httpContext.request.headers.get('content-length') === '0') {
      throw new GatewayError('invalid_request', `The request has no body. Example: ${example}`);
    }
    return readJsonBody(httpContext.request, httpContext.bodyLimit);
  }

  async #run(
    httpContext: HttpContext,
    principal: Principal,
    recorded: Recorded | undefined,
  ): Promise<HttpResponse> {
    const snapshot = this.services.snapshot();
    const request = this.#begin(httpContext, principal, snapshot);
    recorded?.recorder.follow(request);
    try {
      return await this.#respond({ httpContext, snapshot, request, recorded });
    } catch (thrown) {
      const error = asGatewayError(thrown);
      if (!wantsExplanation(httpContext.request.headers)) throw error;
      const explained = { ...error.details.headers, 'x-weir-explain': this.#headers.explanation(request) };
      throw error.with({ headers: explained });
    }
  }

  /** Makes the request context. From here on, the inference handler completes the request exactly once. */
  #begin(
    httpContext: HttpContext,
    principal: Principal,
    { limits, sharedAddressRules, isProxy }: ApiSnapshot,
  ): RequestContext {
    const {
      clock,
      lifecycle,
      recorder,
      requests,
      rejected,
      live,
      inference,
      addressSubjects,
      tracer,
      auditor,
    } = this.services;
    const { request: http, requestId, route, startedAt, client } = httpContext;
    const deadlineAt = startedAt + requestTimeout(http.headers, limits.maxRequestMs);
    const { operation } = this.endpoint;
    const address = clientAddress(httpContext, isProxy);
    const request: RequestContext = new RequestContext(
      { id: requestId, principal, operation, route, startedAt, deadlineAt, address },
      (error) => inference.onFault(error, request),
    );
    if (sharedAddressRules && client !== undefined) {
      request.limits.addressLimits = addressSubjects.of(client, sharedAddressRules);
    }
    const { background } = httpContext;
    request.forwarding = background?.forwarding;
    // It is recorded when it has a result.
    const isCaptured = request.forwarding?.kind === 'capture';
    request.trace = isCaptured ? undefined : tracer.begin(http.headers);
    httpContext.traceId = request.trace?.exemplarId;
    request.audit = isCaptured ? undefined : auditor.begin(principal);
    httpContext.defer();
    lifecycle.begin(request);
    let endedAt = startedAt;
    request.onEnd(() => {
      lifecycle.end(request);
      endedAt = clock.now();
      httpContext.finish(request.response.status ?? 200);
    });
    request.afterEnd((outcome) => {
      if (isCaptured) return;
      // First: metrics refer to traces that are exported.
      if (request.trace) tracer.completed(request, outcome, endedAt);
      recorder.requestCompleted(request, outcome, endedAt);
      requests.add(request, endedAt, clock.wallTime());
      rejected?.add(request, endedAt);
      live.completed(request, endedAt, clock.wallTime());
      if (request.audit || request.guardrails?.blocked) auditor.completed(request, outcome, endedAt);
    });
    if (background) reportCost(request, background.onSettled);
    http.onDisconnect(() => request.abort(clientGone()));
    return request;
  }

  async #respond(admitted: Admitted) {
    const { httpContext, request, snapshot } = admitted;
    const { inference, deadlines, clock } = this.services;
    const running = inference.handle(request, () => this.#prepare(admitted));
    const { startsEngines, headAfterMs } = snapshot;
    const wait =
      startsEngines || headAfterMs !== Number.POSITIVE_INFINITY
        ? new HeadWait(request, deadlines, () => clock.now(), headAfterMs)
        : undefined;
    const response = wait ? await wait.race(running) : await running;
    if (typeof response === 'string') return this.#sendEarly(admitted, running, response);
    const headers = this.#headers.of(request, response.source, httpContext.addressRate);
    if (wantsExplanation(httpContext.request.headers)) {
      headers.set('x-weir-explain', this.#headers.explanation(request));
    }
    return this.#write(admitted, response, headers);
  }

  /** Reads the body and everything that decides where the call goes. */
  async #prepare({ httpContext, snapshot, request, recorded }: Admitted): Promise<PreparedCall> {
    const { endpoint, services } = this;
    const { principal } = request.identity;
    if (httpContext.client !== undefined) {
      const leave = await services.addressLimiter.enter(httpContext.client, request);
      request.onEnd(leave);
    }
    const reading = recorded?.body ?? this.#read(httpContext);
    const body = reading instanceof Promise ? await readBody(reading, request, services.deadlines) : reading;
    request.audit?.readRequest(body.text);
    const parsed = endpoint.parse(body, snapshot, httpContext, principal);
    const call = parsed instanceof Promise ? await parsed : parsed;
    const controls = requestControls(call, httpContext.request.headers);
    const constraints = withSimulatorRule(controls.constraints, snapshot, principal);
    request.controls = constraints === controls.constraints ? controls : { ...controls, constraints };
    if (httpContext.background?.isBatch) request.controls = { ...request.controls, isBatch: true };
    if (principal.scopes?.models) assertModelAllowed(principal, call.model);
    const route =
      endpoint.resolve?.(call, snapshot, principal) ?? resolveFor(snapshot, principal, call.model);
    request.routing.route = route;
    const { chain } = snapshot;
    return {
      call: withinOutputLimit(call, request, route),
      chain,
      renderStreamError: endpoint.renderStreamError ?? openAiErrorEvent,
      keepAlive: endpoint.keepAlive,
    };
  }

  async #write(
    { httpContext, request, recorded }: Admitted,
    response: HandledResponse,
    headers: ResponseHeaders,
  ) {
    if (response.kind === 'stream') {
      const body = recorded?.recorder.stream(response.body, headers) ?? response.body;
      return eventStreamResponse(request.audit?.follow(body) ?? body, headers);
    }
    const contentType = this.endpoint.contentType?.(httpContext);
    if (contentType !== undefined) headers.set('content-type', contentType);
    let { text } = response.result;
    const { principal } = request.identity;
    const isWanted =
      principal.wantsMetadata ||
      request.routing.route?.responseMetadata ||
      wantsMetadata(httpContext.request.headers);
    if (isWanted && contentType === undefined) {
      text = withMetadata(text, this.#headers.metadata(request, response.source));
    }
    request.audit?.writeResponse(text);
    if (recorded) await recorded.recorder.complete(text, headers, contentType);
    return jsonResponse(httpContext.request, 200, text, headers);
  }

  /** Sends the head now, and keep-alives until the response begins. */
  #sendEarly(
    { request, httpContext, recorded }: Admitted,
    running: Promise<HandledResponse>,
    reason: EarlyHead,
  ) {
    const { clock, keepAlives } = this.services;
    request.timing.headersSentAt = clock.now();
    const headers = ResponseHeaders.of({ 'x-weir-cache': 'bypass' });
    const { body } = new EarlyStream({
      response: recorded ? running.then((response) => recordedStream(response, recorded, headers)) : running,
      keepAlives,
      keepAlive: reason === 'loading' ? MODEL_LOADING : (this.endpoint.keepAlive ?? KEEP_ALIVE_COMMENT),
      renderStreamError: this.endpoint.renderStreamError ?? openAiErrorEvent,
      onCancel: () => request.abort(clientGone()),
    });
    if (httpContext.addressRate) setRateLimitHeaders(headers, httpContext.addressRate);
    return eventStreamResponse(request.audit?.follow(body) ?? body, headers);
  }
}

/** @param onSettled called once, also for a request that is rejected before it costs anything */
function reportCost(request: RequestContext, onSettled: (costPico: number | undefined) => void): void {
  request.onSettled = onSettled;
  request.afterEnd(() => {
    if (!request.isSettled) onSettled(request.routing.attempts.length === 0 ? 0 : undefined);
  });
}

/** Tells people who watch a stream why it is silent. */
const MODEL_LOADING = new TextEncoder().encode(': The model is loading.\n\n');

/** The same response; where it is a stream, its content is recorded. Others are not repeated. */
async function recordedStream(
  response: HandledResponse,
  { recorder }: Recorded,
  headers: ResponseHeaders,
): Promise<HandledResponse> {
  if (response.kind === 'stream') return { ...response, body: recorder.stream(response.body, headers) };
  await recorder.release();
  return response;
}

/** @throws GatewayError `invalid_request` where the request asks for too much output, and must not be changed */
function withinOutputLimit(
  call: InferenceCall,
  { identity, controls, response }: RequestContext,
  { facts, strict }: ModelRoute,
): InferenceCall {
  const ofModel = facts?.maxOutputTokens;
  const limit = smallerLimit(
    identity.principal.outputLimit,
    ofModel === undefined ? undefined : { max: ofModel, of: 'the model' },
  );
  if (!limit) return call;
  return limitOutput(call, limit, controls.strict || strict, (warning) => {
    response.warnings = [...(response.warnings ?? []), warning];
  });
}

function clientGone(): GatewayError {
  return new GatewayError('client_closed_request', 'The client closed the connection.');
}
