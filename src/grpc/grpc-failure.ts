import { encodeUtf8 } from '../core/bytes.ts';
import { GatewayError, isErrorCode } from '../core/errors.ts';
import { type HeaderReader, type HttpResponse, ResponseHeaders } from '../core/http.ts';
import { isRecord, type JsonObject, parseJsonText } from '../core/json.ts';
import { unreadable } from '../http/body.ts';
import { errorHeaders, openAiErrorBody } from '../http/error-body.ts';
import { codeOfHttpStatus, GRPC_CODE_OF, GRPC_CODES, type GrpcCode } from './grpc-status.ts';
import { BYTES, WireWriter } from './protobuf/wire.ts';

/** Clients accept 8 KiB of metadata by default, and the message occurs twice. UTF-16 units. */
const MAX_MESSAGE = 1_000;

/** The end of a call that failed. */
export class GrpcFailure extends Error {
  override readonly name = 'GrpcFailure';

  /**
   * @param error the error object of the HTTP response, whose form is OpenAI's
   * @param headers of the HTTP response
   */
  constructor(
    readonly code: GrpcCode,
    readonly error: JsonObject,
    readonly headers: ResponseHeaders,
  ) {
    super(typeof error.message === 'string' ? error.message : code);
  }

  static of(error: GatewayError, code: GrpcCode = GRPC_CODE_OF[error.code]): GrpcFailure {
    const body = parseJsonText(openAiErrorBody(error));
    return new GrpcFailure(code, errorOf(body), errorHeaders(error));
  }

  /** @param text the body of a response with an error status, or of an event of a stream */
  static ofResponse(status: number, text: string, headers: ResponseHeaders): GrpcFailure {
    const error = errorOf(parseJsonText(text));
    const { code } = error;
    return new GrpcFailure(isErrorCode(code) ? GRPC_CODE_OF[code] : codeOfHttpStatus(status), error, headers);
  }

  /** A failure of the call itself, such as a method that does not exist. */
  static simple(code: GrpcCode, reason: string, message: string): GrpcFailure {
    const error = { message, type: 'invalid_request_error', code: reason, param: null };
    return new GrpcFailure(code, error, new ResponseHeaders());
  }

  /** `grpc-status`, `grpc-message` and the details that official clients decode. */
  statusHeaders(requestId: string | undefined): [name: string, value: string][] {
    const message = this.message.slice(0, MAX_MESSAGE);
    const details = Buffer.from(this.#status(message, requestId)).toString('base64');
    return [
      ['grpc-status', String(GRPC_CODES[this.code])],
      ['grpc-message', percentEncoded(message)],
      ['grpc-status-details-bin', details.replace(/=+$/, '')],
    ];
  }

  /** A serialized `google.rpc.Status`. */
  #status(message: string, requestId: string | undefined): Uint8Array {
    const writer = new WireWriter().tag(1, 0).varint(GRPC_CODES[this.code]).tag(2, BYTES).string(message);
    for (const [type, value] of this.#details(requestId)) {
      const any = new WireWriter().tag(1, BYTES).string(`type.googleapis.com/google.rpc.${type}`);
      writer.tag(3, BYTES).bytes(any.tag(2, BYTES).bytes(value.finish()).finish());
    }
    return writer.finish();
  }

  /** @see https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto */
  #details(requestId: string | undefined): [type: string, value: WireWriter][] {
    const { code, type, param, limit } = this.error;
    const details: [string, WireWriter][] = [];
    if (typeof code === 'string') {
      const info = new WireWriter().tag(1, BYTES).string(code.toUpperCase()).tag(2, BYTES).string('weir');
      for (const [key, value] of Object.entries({ code, type, param })) {
        if (typeof value !== 'string') continue;
        info
          .tag(3, BYTES)
          .bytes(new WireWriter().tag(1, BYTES).string(key).tag(2, BYTES).string(value).finish());
      }
      details.push(['ErrorInfo', info]);
    }
    const seconds = Number(this.headers.get('retry-after'));
    if (seconds > 0 && this.headers.get('x-should-retry') !== 'false') {
      const duration = new WireWriter().tag(1, 0).varint(Math.ceil(seconds));
      details.push(['RetryInfo', new WireWriter().tag(1, BYTES).bytes(duration.finish())]);
    }
    if (typeof param === 'string') {
      const violation = new WireWriter().tag(1, BYTES).string(param);
      details.push(['BadRequest', new WireWriter().tag(1, BYTES).bytes(violation.finish())]);
    }
    if (isRecord(limit)) {
      const violation = new WireWriter().tag(1, BYTES).string(String(limit.scope ?? ''));
      violation.tag(2, BYTES).string(`${limit.of ?? ''}${limit.per ? ` per ${limit.per}` : ''}`);
      details.push(['QuotaFailure', new WireWriter().tag(1, BYTES).bytes(violation.finish())]);
    }
    if (requestId !== undefined) {
      details.push(['RequestInfo', new WireWriter().tag(1, BYTES).string(requestId)]);
    }
    return details;
  }
}

/** @param thrown by a handler of a method */
export function failureOf(thrown: unknown, onDefect: (error: unknown) => void): GrpcFailure {
  if (thrown instanceof GrpcFailure) return thrown;
  const error = unreadable(thrown);
  if (error instanceof GatewayError) return GrpcFailure.of(error);
  onDefect(thrown);
  return GrpcFailure.of(new GatewayError('internal_error', 'The gateway failed to handle this request.'));
}

/** The text of a response that is no stream. */
export function textOf({ body }: HttpResponse): string {
  if (typeof body === 'string') return body;
  return body instanceof Uint8Array ? Buffer.from(body).toString('utf8') : '';
}

function errorOf(body: unknown): JsonObject {
  return isRecord(body) && isRecord(body.error) ? body.error : { message: 'The gateway failed.' };
}

/** @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md (Status-Message) */
function percentEncoded(text: string): string {
  let encoded = '';
  for (const byte of encodeUtf8(text)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** `grpc-timeout`: up to 8 digits and a unit. @returns milliseconds; undefined where there is none. @throws GatewayError */
export function timeoutOf(headers: HeaderReader): number | undefined {
  const value = headers.get('grpc-timeout');
  if (value === null) return undefined;
  const match = /^(\d{1,8})([HMSmun])$/.exec(value);
  const unit = UNITS[match?.[2] ?? ''];
  if (!match || unit === undefined) {
    throw new GatewayError('invalid_request', 'The metadata "grpc-timeout" is not valid.', {
      param: 'grpc-timeout',
    });
  }
  return Number(match[1]) * unit;
}

const UNITS: Readonly<Record<string, number>> = {
  ...{ H: 3_600_000, M: 60_000, S: 1_000 },
  ...{ m: 1, u: 0.001, n: 0.000_001 },
};
