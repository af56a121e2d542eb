import { toText } from '../../support/bytes.ts';
import { eventData, eventJson } from '../../support/event-stream.ts';
import { requestBytes } from '../../support/http-raw.ts';
import type { Script } from '../../support/scripts.ts';
import { asObject, type Json, parseObject } from './json.ts';
import { ALIAS, type Pair } from './pair.ts';

/** Chat requests to a pair, with what the upstream is to answer. */

export const messages = [{ role: 'user' as const, content: 'Hello.' }];
export const plain = { model: ALIAS, messages };
export const streaming = { model: ALIAS, messages, stream: true };

export interface Streamed {
  readonly response: Response;
  readonly body: Uint8Array;
  /** What each event holds; the one JSON body where the answer is no event stream. */
  readonly events: Json[];
  readonly done: boolean;
}

/** Sends a streaming chat request that the upstream answers as scripted, and reads the whole answer. */
export async function streamChat(
  pair: Pair,
  script: Script,
  request: unknown = streaming,
): Promise<Streamed> {
  pair.mock.respond(script);
  const response = await pair.post('/v1/chat/completions', request);
  const body = new Uint8Array(await response.arrayBuffer());
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
  return {
    response,
    body,
    events: isStream ? eventJson(body).map(asObject) : [parseObject(toText(body))],
    done: isStream && eventData(body).at(-1) === '[DONE]',
  };
}

/** The text of all events' choices, joined. */
export function contentOf(events: readonly Json[]): string {
  return events
    .flatMap((event) => (Array.isArray(event.choices) ? event.choices.map(asObject) : []))
    .map((choice) => asObject(choice.delta).content ?? '')
    .join('');
}

/** The error that an answer which failed before its first byte carries. */
export async function failChat(pair: Pair, script: Script, request: unknown = plain) {
  pair.mock.respond(script);
  const response = await pair.post('/v1/chat/completions', request);
  const body = asObject(await response.json());
  return { response, error: asObject(body.error) };
}

/** What the promise rejects with; undefined when it does not. */
export function thrownBy(promise: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(promise).then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** A chat request with the admin key, for a raw connection. */
export function chatBytes(pair: Pair, body: unknown): Uint8Array {
  return requestBytes({
    method: 'POST',
    target: '/v1/chat/completions',
    headers: { authorization: `Bearer ${pair.gateway.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}
