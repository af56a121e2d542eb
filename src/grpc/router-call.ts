import { decodeUtf8, encodeUtf8 } from '../core/bytes.ts';
import type { HttpRequest, HttpResponse, ResponseHeaders } from '../core/http.ts';
import { parseJsonText } from '../core/json.ts';
import { PushStream, type StreamBody, type StreamSink } from '../core/push-stream.ts';
import { parseBlock, SseFramer } from '../core/sse.ts';
import type { GrpcCall } from './grpc-call.ts';
import { failureOf, GrpcFailure, textOf } from './grpc-failure.ts';

export type HandleRequest = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

/** The request over HTTP that a call becomes. Its response has OpenAI's form. */
export interface RoutedRequest {
  readonly method: 'GET' | 'POST';
  readonly target: string;
  /** Makes the body of a message. Absent where it has none. */
  readonly body?: () => Promise<unknown>;
}

/**
 * Lets the router handle a call: authentication, limits and the whole pipeline are those of HTTP.
 * @returns the response, whose body is JSON or an event stream
 * @throws GrpcFailure for a response with an error status
 */
export async function handleByRouter(
  handle: HandleRequest,
  call: GrpcCall,
  { method, target, body }: RoutedRequest,
): Promise<HttpResponse> {
  const request = call.httpRequest(method, target, body && (async () => encodeUtf8(jsonText(await body()))));
  const response = await handle(request);
  if (response.status >= 400) {
    throw GrpcFailure.ofResponse(response.status, textOf(response), response.headers);
  }
  return response;
}

/**
 * Sends the events of a stream as messages.
 * @param onEvent the message of an event of OpenAI's form; undefined to send none
 * @returns resolves at the end of the stream, also where its client is gone
 * @throws GrpcFailure for an error event, and for a stream that ends before its last event
 */
export async function sendEvents(
  call: GrpcCall,
  body: StreamBody,
  headers: ResponseHeaders,
  onEvent: (event: unknown) => unknown,
): Promise<void> {
  let isComplete = false;
  let failure: GrpcFailure | undefined;
  const framer = new SseFramer();
  let hasRoom = true;
  const onBlock = (block: Uint8Array) => {
    const { data } = parseBlock(decodeUtf8(block));
    if (data === undefined || failure) return;
    if (data === '[DONE]') {
      isComplete = true;
      return;
    }
    const event = parseJsonText(data);
    if (typeof event === 'object' && event !== null && 'error' in event) {
      failure = GrpcFailure.ofResponse(500, data, headers);
      return;
    }
    const message = onEvent(event);
    if (message !== undefined) hasRoom = call.send(message);
  };
  await readBody(call, body, (bytes) => {
    hasRoom = true;
    framer.push(bytes, onBlock);
    return hasRoom;
  });
  if (call.isOver) return;
  const rest = framer.end();
  if (rest.length > 0) onBlock(rest);
  if (failure) throw failure;
  if (!isComplete) {
    throw GrpcFailure.simple('UNAVAILABLE', 'upstream_closed', 'The stream ended before it was complete.');
  }
}

/** Reads a body no faster than the client of the call. @param write returns false to wait for room */
async function readBody(
  call: GrpcCall,
  body: StreamBody,
  write: (bytes: Uint8Array) => boolean,
): Promise<void> {
  if (body instanceof PushStream) return readPushed(call, body, write);
  const reader = body.getReader();
  call.onLost(() => void reader.cancel().catch(() => undefined));
  for (;;) {
    const { done, value } = await reader.read();
    if (done || call.isOver) return;
    if (write(value)) continue;
    await new Promise<void>((resolve) => call.onDrain(resolve));
  }
}

function readPushed(call: GrpcCall, body: PushStream, write: (bytes: Uint8Array) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const sink: StreamSink = {
      write: (bytes) => {
        try {
          if (write(bytes)) return true;
        } catch (error) {
          body.cancel();
          reject(error);
          return true;
        }
        call.onDrain(() => body.ready());
        return false;
      },
      end: resolve,
    };
    call.onLost(() => {
      body.cancel();
      resolve();
    });
    body.pipe(sink);
  });
}

/** The JSON of a complete response. @throws GrpcFailure where it is none */
export function jsonOf(response: HttpResponse): unknown {
  const json = parseJsonText(textOf(response));
  if (json !== undefined) return json;
  throw failureOf(new Error('a response is no JSON'), () => undefined);
}

/** Integers of 64 bits keep all their digits. */
function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? rawJson(String(item)) : item,
  );
}

/** `JSON.rawJSON` of ECMAScript, which the compiler's library does not declare yet. */
function rawJson(digits: string): unknown {
  return 'rawJSON' in JSON && typeof JSON.rawJSON === 'function' ? JSON.rawJSON(digits) : Number(digits);
}
