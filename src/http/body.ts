import { decodeUtf8, releaseBytes } from '../core/bytes.ts';
import { CONTENT_CODINGS, type ContentCoding, contentCodings } from '../core/content-coding.ts';
import { type ErrorCode, GatewayError } from '../core/errors.ts';
import { BodyError, type HeaderReader, type HttpRequest } from '../core/http.ts';
import { isRecord } from '../core/json.ts';
import { assertJsonLimits } from '../core/json-limits.ts';
import { decodedBody } from './decoded-body.ts';
import { assertUniqueKeys } from './json-duplicates.ts';
import { jsonSyntaxError } from './json-error.ts';

export interface JsonBody {
  /** The body as the client sent it. */
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;

function parseObject(bytes: Uint8Array): JsonBody {
  let text: string;
  try {
    text = decodeUtf8(bytes);
  } catch {
    throw new GatewayError('invalid_json', 'The request body is not valid UTF-8.');
  }
  releaseBytes(bytes);
  assertJsonLimits(text);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw jsonSyntaxError(text);
  }
  if (isRecord(json)) {
    assertUniqueKeys(text, json);
    return { text, json };
  }
  const kind = json === null ? 'null' : Array.isArray(json) ? 'a list' : `a ${typeof json}`;
  throw new GatewayError('invalid_json', `The request body must be a JSON object, not ${kind}.`);
}

const BODY_ERROR_CODES = {
  too_large: 'request_too_large',
  ended_early: 'client_closed_request',
  timed_out: 'request_timeout',
  no_memory: 'gateway_overloaded',
} as const satisfies Record<BodyError['reason'], ErrorCode>;

/** Bodies are held for as long as their requests run: memory is rarely free at once. */
const RETRY_AFTER_SECONDS = 5;

/** @returns a failure of reading a body as the error that the client gets; anything else as it is */
export function unreadable(error: unknown): unknown {
  if (!(error instanceof BodyError)) return error;
  return new GatewayError(BODY_ERROR_CODES[error.reason], error.message, {
    cause: error,
    ...(error.reason === 'no_memory' ? { retryAfterSeconds: RETRY_AFTER_SECONDS } : {}),
  });
}

/**
 * Reads a body of any type as it was sent.
 * @param limit in bytes
 * @throws GatewayError `request_too_large`, `request_timeout` or `gateway_overloaded`
 */
export async function readRawBody(
  request: Pick<HttpRequest, 'readBody'>,
  limit: number,
): Promise<Uint8Array> {
  try {
    return await request.readBody(limit);
  } catch (error) {
    throw unreadable(error);
  }
}

/**
 * Checks the headers of a body before it is read.
 * @returns the codings that were applied to it
 * @throws GatewayError `unsupported_media_type`
 */
function acceptedCodings(headers: HeaderReader): readonly ContentCoding[] {
  const type = headers.get('content-type');
  if (type !== null && type !== 'application/json' && type !== '' && !JSON_TYPE.test(type)) {
    throw new GatewayError(
      'unsupported_media_type',
      `The content type "${type.slice(0, 100)}" is not supported; send "content-type: application/json".`,
    );
  }
  const encoding = headers.get('content-encoding');
  const codings = contentCodings(encoding);
  if (codings) return codings;
  const supported = CONTENT_CODINGS.join(', ');
  throw new GatewayError(
    'unsupported_media_type',
    `The content encoding "${(encoding ?? '').slice(0, 100)}" is not supported; send the body uncompressed, or with ${supported}.`,
    { headers: { 'accept-encoding': supported } },
  );
}

/**
 * Reads a request body that must be a JSON object. Compressed bodies are decoded.
 * @param limit in bytes, also of the decoded body
 * @returns the body where it has all arrived and is not compressed, else a promise
 * @throws GatewayError `unsupported_media_type`, `request_too_large`, `request_timeout`, `gateway_overloaded`, `invalid_json`
 * with the position, or `invalid_request` for a body that is not what its `content-encoding` says, a key that occurs twice, too many levels, values or names
 */
export function readJsonBody(
  request: Pick<HttpRequest, 'headers' | 'readBody' | 'keepBytes' | 'onDisconnect'>,
  limit: number,
): JsonBody | Promise<JsonBody> {
  const codings = acceptedCodings(request.headers);
  try {
    const received = request.readBody(limit);
    const body = codings.length === 0 ? received : decodedBody(request, received, codings, limit);
    if (!(body instanceof Promise)) return parseObject(body);
    return body.then(parseObject, (error: unknown) => {
      throw unreadable(error);
    });
  } catch (error) {
    throw unreadable(error);
  }
}

/**
 * The bytes of a request body as they arrive; in one piece where the server reads bodies whole.
 * @param limit in bytes
 * @throws BodyError while it is read; see `bodyPartError`
 */
export async function* streamedBody(
  request: Pick<HttpRequest, 'readBody' | 'streamBody'>,
  limit: number,
): AsyncGenerator<Uint8Array> {
  if (request.streamBody) yield* request.streamBody(limit);
  else yield await request.readBody(limit);
}

/** @returns the error for the client, for what was thrown while a body was read */
export function bodyPartError(error: unknown): unknown {
  return unreadable(error);
}
