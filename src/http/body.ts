import { GatewayError } from '../core/errors.ts';
import { isRecord } from '../core/json.ts';
import { jsonSyntaxError } from './json-error.ts';

export interface JsonBody {
  /** As it came. */
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;

function tooLarge(limit: number): GatewayError {
  return new GatewayError(
    'request_too_large',
    `The request body is larger than the limit of ${limit} bytes.`,
  );
}

async function readCounted(request: Request, limit: number): Promise<Uint8Array> {
  if (!request.body) return new Uint8Array(0);
  // No declared length: count while it comes, so that an endless body ends here.
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body) {
    length += part.length;
    if (length > limit) throw tooLarge(limit);
    parts.push(part);
  }
  return Buffer.concat(parts, length);
}

function parseObject(bytes: Uint8Array): JsonBody {
  let text: string;
  try {
    text = utf8.decode(bytes);
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

function endedEarly(error: unknown): never {
  if (error instanceof GatewayError) throw error;
  throw new GatewayError('client_closed_request', 'The request body ended before it was complete.', {
    cause: error,
  });
}

/** Why a body will not even be read, as far as the headers show. */
function refusal(headers: Headers, limit: number): GatewayError | undefined {
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
  return Number(headers.get('content-length')) > limit ? tooLarge(limit) : undefined;
}

/**
 * Reads a request body that must be a JSON object.
 * @param limit in bytes
 * @throws GatewayError `unsupported_media_type`, `request_too_large` or `invalid_json`, the last with the position
 */
export function readJsonBody(request: Request, limit: number): Promise<JsonBody> {
  const refused = refusal(request.headers, limit);
  if (refused) return Promise.reject(refused);
  if (!request.headers.has('content-length'))
    return readCounted(request, limit).then(parseObject, endedEarly);
  return request.arrayBuffer().then((buffer) => parseObject(new Uint8Array(buffer)), endedEarly);
}
