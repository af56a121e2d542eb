import { toText } from './bytes.ts';

/**
 * An event-stream parser for tests to compare with. It is written from the interpretation rules of the WHATWG
 * HTML standard over whole bodies, and shares no code with the product on purpose.
 */

export interface ServerSentEvent {
  /** The `event` field, `message` when absent. */
  readonly event: string;
  readonly data: string;
  /** The last `id` seen so far in the stream, empty when none. */
  readonly lastEventId: string;
}

export interface ParsedEventStream {
  readonly events: readonly ServerSentEvent[];
  /** Text after the colon of each comment line, as written. */
  readonly comments: readonly string[];
  /** Reconnection time in milliseconds, from the last valid `retry` field. */
  readonly retryMs: number | undefined;
  /** True when the stream ends inside an event, which the standard then discards. */
  readonly unterminated: boolean;
}

export function parseEventStream(body: Uint8Array): ParsedEventStream {
  // TextDecoder strips one leading byte order mark, as the standard wants.
  const lines = toText(body).split(/\r\n|\n|\r/);
  // What follows the last line end is an unfinished line: it never takes effect.
  const unfinishedLine = lines.pop() ?? '';

  const events: ServerSentEvent[] = [];
  const comments: string[] = [];
  let retryMs: number | undefined;
  let lastEventId = '';
  let event = '';
  let data = '';
  let started = false;

  for (const line of lines) {
    if (line === '') {
      if (data !== '') events.push({ event: event || 'message', data: data.slice(0, -1), lastEventId });
      event = '';
      data = '';
      started = false;
      continue;
    }
    if (line.startsWith(':')) {
      comments.push(line.slice(1));
      continue;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    started = true;
    if (field === 'event') event = value;
    else if (field === 'data') data += `${value}\n`;
    else if (field === 'id' && !value.includes('\0')) lastEventId = value;
    else if (field === 'retry' && /^[0-9]+$/.test(value)) retryMs = Number(value);
  }
  return { events, comments, retryMs, unterminated: started || unfinishedLine !== '' };
}

/** The data of every event, in order. */
export function eventData(body: Uint8Array): string[] {
  return parseEventStream(body).events.map((event) => event.data);
}

/** The data of every event but `[DONE]`, parsed as JSON. */
export function eventJson(body: Uint8Array): unknown[] {
  return eventData(body)
    .filter((data) => data !== '[DONE]')
    .map((data): unknown => JSON.parse(data));
}
