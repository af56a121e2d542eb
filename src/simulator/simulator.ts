import type { Clock } from '../core/clock.ts';
import { isRecord } from '../core/json.ts';
import { ApiError, errorBody, invalidRequest } from './api-error.ts';
import { chatEndpoint } from './chat.ts';
import { completionEndpoint } from './completions.ts';
import { embeddingEndpoint } from './embeddings.ts';
import { FaultChoice } from './fault-choice.ts';
import { type FaultName, isStatusFault, STATUS_FAULTS } from './fault-names.ts';
import { jsonBody, streamBody, tokenInterval } from './faulty-body.ts';
import {
  checkNoTextFault,
  type Endpoint,
  type GeneratedResponse,
  NO_STEPS,
  type ResponseContext,
} from './generated-response.ts';
import { checkModel, describeModel, listModels } from './models.ts';
import { OPTIONS_HEADER, readOptions, type SimulatorOptions, splitModelName } from './options.ts';
import { rerankEndpoint } from './rerank.ts';
import { connectionError, timedBody } from './timed-body.ts';
import { Turns } from './turns.ts';

/** Dependencies of the simulator. */
export interface SimulatorDeps {
  readonly clock: Clock;
  /** Returns a new id of about 24 letters and digits; by default from the platform's random source. */
  readonly randomId?: () => string;
}

/**
 * Responds to one request as a remote server would. Resolves when the response head is due.
 * @throws the signal's reason when the request is aborted, or a TypeError when the connection breaks, as `fetch` does
 */
export type Simulator = (request: Request) => Promise<Response>;

/** The header in which OpenAI's SDKs number their retries. */
const RETRY_COUNT_HEADER = 'x-stainless-retry-count';
const BASE_PATH = '/v1';
const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([
  ['/chat/completions', chatEndpoint],
  ['/completions', completionEndpoint],
  ['/embeddings', embeddingEndpoint],
  ['/rerank', rerankEndpoint],
]);
const HTML_PAGE =
  '<!doctype html>\n<html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>\n';

/** A valid request. */
interface Prepared {
  readonly options: SimulatorOptions;
  /** Equal for equal requests, for the choice of faults. */
  readonly identity: () => string;
  readonly wantsStream: boolean;
  readonly generate: (fault: FaultName) => GeneratedResponse;
}

/** Creates a server inside the process that implements OpenAI's API with generated responses. */
export function createSimulator({ clock, randomId = newId }: SimulatorDeps): Simulator {
  const faults = new FaultChoice();
  const turns = new Turns();

  const prepare = async (request: Request): Promise<Prepared> => {
    const path = pathOf(request);
    const header = request.headers.get(OPTIONS_HEADER);
    const endpoint = ENDPOINTS.get(path);
    if (endpoint === undefined) return prepareModels(request, path, header);
    checkMethod(request, 'POST');
    const text = await request.text();
    const body = parseJson(text);
    if (typeof body.model !== 'string') throw missingModel(body.model);
    const { base, options: modelOptions } = splitModelName(body.model);
    checkModel(base);
    const options = readOptions(modelOptions, header);
    const generate = endpoint(body);
    const context: Omit<ResponseContext, 'fault'> = {
      options,
      baseModel: base,
      randomId,
      created: Math.floor(clock.wallTime() / 1000),
      turns,
    };
    return {
      options,
      identity: () => JSON.stringify([path, header, text]),
      wantsStream: body.stream === true,
      generate: (fault) => generate({ ...context, fault }),
    };
  };

  return async (request) => {
    const { signal } = request;
    signal.throwIfAborted();
    const attempt = request.headers.get(RETRY_COUNT_HEADER) ?? '0';
    const headers = { 'x-request-id': `req_${randomId()}` };
    try {
      const prepared = await prepare(request);
      const fault = faults.decide(prepared.options, prepared.identity, attempt);
      return await respond(prepared, fault, { headers, clock, signal, turns });
    } catch (error) {
      // A request that is aborted while its body is read fails with the reader's error; the reason is more specific.
      signal.throwIfAborted();
      if (error instanceof ApiError) return errorResponse(error, headers);
      throw error;
    }
  };
}

interface Surroundings {
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly turns: Turns;
}

async function respond(
  { options, generate, wantsStream }: Prepared,
  fault: FaultName,
  { headers, clock, signal, turns }: Surroundings,
): Promise<Response> {
  if (isStatusFault(fault) || fault === 'hang' || fault === 'disconnect') {
    await pause(options.latency, clock, signal);
    if (fault === 'hang') return await untilAborted(signal);
    if (fault === 'disconnect') throw connectionError();
    throw statusError(fault, options.retry_after);
  }
  const streamHeaders = {
    ...headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  };
  const jsonHeaders = { ...headers, 'content-type': 'application/json' };
  if (fault === 'empty' || fault === 'html') {
    await pause(options.latency, clock, signal);
    if (fault === 'html')
      return new Response(HTML_PAGE, { headers: { ...headers, 'content-type': 'text/html' } });
    return new Response('', { headers: wantsStream ? streamHeaders : jsonHeaders });
  }
  const made = generate(fault);
  if (made.kind === 'stream') {
    await pause(options.latency, clock, signal);
    const { pieces, ending } = streamBody(made.events, fault, options);
    return new Response(timedBody(pieces, ending, clock, signal, turns), { headers: streamHeaders });
  }
  // The body is generated when it is due, so that responses that wait take no memory.
  const interval = tokenInterval(options.tps);
  const steps = interval === 0 ? 0 : await made.steps();
  await pause(options.latency + options.ttft + Math.max(0, steps - 1) * interval, clock, signal);
  const body = await made.body();
  signal.throwIfAborted();
  if (fault === 'none') return new Response(body, { headers: jsonHeaders });
  const { pieces, ending } = jsonBody(body, fault, options);
  return new Response(timedBody(pieces, ending, clock, signal, turns), { headers: jsonHeaders });
}

/** @returns the path below the base path, without a trailing slash */
function pathOf(request: Request): string {
  const path = new URL(request.url).pathname.replace(/\/+$/, '');
  return path.startsWith(`${BASE_PATH}/`) ? path.slice(BASE_PATH.length) : '';
}

function prepareModels(request: Request, path: string, header: string | null): Prepared {
  const id = /^\/models(?:\/(.+))?$/.exec(path);
  if (id === null) {
    const message = `Invalid URL (${request.method} ${new URL(request.url).pathname}).`;
    throw new ApiError(404, { message, type: 'invalid_request_error', param: null, code: 'unknown_url' });
  }
  checkMethod(request, 'GET');
  const name = decodeName(id[1] ?? '');
  const { base, options } = splitModelName(name);
  const body = name === '' ? listModels() : describeModel(name, base);
  return {
    options: readOptions(options, header),
    identity: () => JSON.stringify([path, header]),
    wantsStream: false,
    generate: (fault) => {
      checkNoTextFault(fault);
      return { kind: 'json', body: () => body, steps: NO_STEPS };
    },
  };
}

function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidRequest('The model name in the URL has an invalid encoding.', 'model');
  }
}

function checkMethod(request: Request, method: 'GET' | 'POST'): void {
  if (request.method === method) return;
  const message = `Method ${request.method} is not allowed for this URL; use ${method}.`;
  throw new ApiError(
    405,
    { message, type: 'invalid_request_error', param: null, code: 'method_not_supported' },
    { allow: method },
  );
}

function parseJson(text: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw invalidRequest('The body of the request is not valid JSON.', null, 'invalid_json');
  }
  if (!isRecord(body))
    throw invalidRequest('The body of the request must be a JSON object.', null, 'invalid_type');
  return body;
}

function missingModel(model: unknown): ApiError {
  if (model === undefined)
    return invalidRequest('You must provide a model parameter.', 'model', 'missing_required_parameter');
  return invalidRequest("Invalid type for 'model': expected a string.", 'model', 'invalid_type');
}

function statusError(fault: keyof typeof STATUS_FAULTS, retryAfter: number): ApiError {
  const { status, type, code, message } = STATUS_FAULTS[fault];
  const seconds = Math.ceil(retryAfter / 1000);
  const headers: Record<string, string> =
    status === 429 ? { 'retry-after': String(seconds), 'retry-after-ms': String(Math.ceil(retryAfter)) } : {};
  return new ApiError(status, { message, type, param: null, code }, headers);
}

function errorResponse(error: ApiError, headers: Readonly<Record<string, string>>): Response {
  return new Response(errorBody(error), {
    status: error.status,
    headers: { ...headers, ...error.headers, 'content-type': 'application/json' },
  });
}

/** Waits; creates no timer for 0 ms. */
async function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  if (ms > 0) await clock.sleep(ms, signal);
  signal.throwIfAborted();
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** @returns 24 letters and digits */
function newId(): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  let id = '';
  // The remainder favours some letters; ids must be distinct, not uniform.
  for (const byte of crypto.getRandomValues(new Uint8Array(24))) id += alphabet[byte % alphabet.length];
  return id;
}
