import { decodeUtf8 } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import { BodyError, type HeaderReader, type HttpRequest } from '../core/http.ts';
import { isRecord } from '../core/json.ts';
import { jsonSyntaxError } from './json-error.ts';

export interface JsonBody {
  /** The body as the client sent it. */
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;

function tooLarge(limit: number): GatewayError {
  return new GatewayError(
    'request_too_large',
    `The request body is larger than the limit of ${limit} bytes.`,
  );
}

function parseObject(bytes: Uint8Array): JsonBody {
  let text: string;
  try {
    text = decodeUtf8(bytes);
  } catch {
    throw new GatewayError('invalid_json', 'The request body is not valid UTF-8.');
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw jsonSyntaxError(text);
  }
  if (isRecord(json)) return { text, json };
  const kind = json === null ? 'null' : Array.isArray(json) ? 'a list' : `a ${typeof json}`;
  throw new GatewayError('invalid_json', `The request body must be a JSON object, not ${kind}.`);
}

function unreadable(error: unknown, limit: number): unknown {
  if (!(error instanceof BodyError)) return error;
  if (error.reason === 'too_large') return tooLarge(limit);
  return new GatewayError('client_closed_request', 'The request body ended before it was complete.', {
    cause: error,
  });
}

/** The reason to reject a body by its headers, before it is read. */
function refusal(headers: HeaderReader): GatewayError | undefined {
  const type = headers.get('content-type');
  if (type !== null && type !== 'application/json' && type !== '' && !JSON_TYPE.test(type)) {
    return new GatewayError(
      'unsupported_media_type',
      `The content type "${type.slice(0, 100)}" is not supported; send "content-type: application/json".`,
    );
  }
  const encoding = headers.get('content-encoding');
  if (encoding !== null && encoding !== 'identity') {
    return new GatewayError(
      'unsupported_media_type',
      `The content encoding "${encoding.slice(0, 100)}" is not supported; send the body uncompressed.`,
    );
  }
  return undefined;
}

/**
 * Reads a request body that must be a JSON object.
 * @param limit in bytes
 * @returns the body where it has all arrived, else a promise
 * @throws GatewayError `unsupported_media_type`, `request_too_large` or `invalid_json`, the last with the position
 */
export function readJsonBody(
  request: Pick<HttpRequest, 'headers' | 'readBody'>,
  limit: number,
): JsonBody | Promise<JsonBody> {
  const refused = refusal(request.headers);
  if (refused) throw refused;
  try {
    const body = request.readBody(limit);
    if (!(body instanceof Promise)) return parseObject(body);
    return body.then(parseObject, (error: unknown) => {
      throw unreadable(error, limit);
    });
  } catch (error) {
    throw unreadable(error, limit);
  }
}
