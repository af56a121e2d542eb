import { STATUS_CODES } from 'node:http';
import { type Bytes, joinBytes, splitAtRandom, toBytes } from './bytes.ts';
import type { Gate } from './gate.ts';

/** What the mock upstream is to answer, as data, and its translation to the bytes of the wire. */

export type Script = ResponseScript | RawScript;

/** Header names go out in the letter case given; a list gives one header line for each value. */
export type ScriptHeaders = Readonly<Record<string, string | readonly string[]>>;

interface Pacing {
  /**
   * Without a gate the pieces follow each other, one turn of the event loop apart. With one, each piece uses up
   * a permit, and so does what comes after the last piece, if anything: the last chunk, the close that ends the
   * body, or the scripted misbehaviour.
   */
  readonly gate?: Gate;
}

export interface ResponseScript extends Pacing {
  /** 200 when absent. */
  readonly status?: number;
  readonly headers?: ScriptHeaders;
  /** Sent in one write with the head. */
  readonly body?: Bytes;
  /** Sent after the head, each in a write of its own. Empty pieces are left out. */
  readonly pieces?: readonly Bytes[];
  /** `length` when absent, but `chunked` for pieces. `until-close` ends the body by closing. */
  readonly framing?: 'length' | 'chunked' | 'until-close';
  /** Bytes that content-length promises beyond those that are sent. 0 when absent. */
  readonly missingBytes?: number;
  /** The head too waits for a permit of the gate. */
  readonly holdHead?: boolean;
  /** What happens after the last piece; `complete` when absent. All others leave the message unfinished. */
  readonly ending?: 'complete' | 'hang' | 'close' | 'reset';
}

/** Bytes as they are, HTTP or not. */
export interface RawScript extends Pacing {
  readonly raw: readonly Bytes[];
  /** `keep-open` when the bytes are a whole message after which the connection can be used again. */
  readonly ending: 'keep-open' | 'hang' | 'close' | 'reset';
}

export interface WireScript {
  readonly writes: readonly {
    readonly bytes: Uint8Array;
    readonly gated: boolean;
    readonly isPiece: boolean;
  }[];
  readonly gate: Gate | undefined;
  readonly ending: 'keep-open' | 'hang' | 'close' | 'reset';
  /** Whether trailer and ending wait for a permit of the gate. */
  readonly endIsGated: boolean;
  /** The last chunk, written before the ending. */
  readonly trailer: Uint8Array | undefined;
  /** Whether a client sees a whole message. */
  readonly complete: boolean;
}

function headBytes(status: number, headers: ScriptHeaders, framingHeaders: ScriptHeaders): Uint8Array {
  const given = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}`];
  const added = Object.entries(framingHeaders).filter(([name]) => !given.has(name));
  for (const [name, value] of [...Object.entries(headers), ...added]) {
    for (const one of typeof value === 'string' ? [value] : value) lines.push(`${name}: ${one}`);
  }
  return new Uint8Array(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
}

function chunk(bytes: Uint8Array): Uint8Array {
  return joinBytes([`${bytes.length.toString(16)}\r\n`, bytes, '\r\n']);
}

function framingHeaders(script: ResponseScript, framing: string, bodyBytes: number): ScriptHeaders {
  if (framing === 'chunked') return { 'transfer-encoding': 'chunked' };
  if (framing === 'until-close') return { connection: 'close' };
  if (script.status === 204 || script.status === 304) return {};
  return { 'content-length': String(bodyBytes + (script.missingBytes ?? 0)) };
}

function connectionCloses(headers: ScriptHeaders): boolean {
  return Object.entries(headers).some(
    ([name, value]) => name.toLowerCase() === 'connection' && String(value).toLowerCase() === 'close',
  );
}

/**
 * The bytes of a script. The framing headers are added unless the script sets them itself.
 * @throws when the script contradicts itself
 */
export function compileScript(script: Script): WireScript {
  if ('raw' in script) {
    return {
      writes: script.raw.map((bytes) => ({ bytes: toBytes(bytes), gated: true, isPiece: true })),
      gate: script.gate,
      ending: script.ending,
      endIsGated: script.ending !== 'keep-open',
      trailer: undefined,
      complete: script.ending === 'keep-open',
    };
  }
  const { status = 200, headers = {}, ending = 'complete', body, missingBytes = 0 } = script;
  const framing = script.framing ?? (script.pieces === undefined ? 'length' : 'chunked');
  if (body !== undefined && script.pieces !== undefined)
    throw new Error('a script has a body or pieces, not both');
  if (missingBytes > 0 && (framing !== 'length' || ending === 'complete')) {
    throw new Error('missingBytes needs framing "length" and an ending other than "complete"');
  }

  const pieces = (script.pieces ?? [body ?? '']).map(toBytes).filter((piece) => piece.length > 0);
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const head = headBytes(status, headers, framingHeaders(script, framing, total));
  const framed = framing === 'chunked' ? pieces.map(chunk) : pieces;
  const gated = { gated: true, isPiece: true };
  const closes = framing === 'until-close' || connectionCloses(headers);
  return {
    writes:
      script.pieces === undefined
        ? [
            {
              bytes: joinBytes([head, ...framed]),
              gated: script.holdHead === true,
              isPiece: framed.length > 0,
            },
          ]
        : [
            { bytes: head, gated: script.holdHead === true, isPiece: false },
            ...framed.map((bytes) => ({ bytes, ...gated })),
          ],
    gate: script.gate,
    ending: ending !== 'complete' ? ending : closes ? 'close' : 'keep-open',
    endIsGated: ending !== 'complete' || framing !== 'length',
    trailer: framing === 'chunked' && ending === 'complete' ? toBytes('0\r\n\r\n') : undefined,
    complete: ending === 'complete',
  };
}

/**
 * The same bytes on the wire, cut anywhere: inside the head and inside chunk sizes too. A `gate` of the script
 * then counts the new pieces.
 */
export function cutOnTheWire(script: Script, seed: number, pieces?: number): RawScript {
  const { writes, trailer, ending, gate } = compileScript(script);
  const all = joinBytes([...writes.map((write) => write.bytes), trailer ?? '']);
  return { raw: splitAtRandom(all, seed, pieces), ending, ...(gate && { gate }) };
}

/** A JSON answer; 200 unless `status` says otherwise. */
export function json(
  value: unknown,
  options: { status?: number; headers?: ScriptHeaders } = {},
): ResponseScript {
  return {
    status: options.status ?? 200,
    headers: { 'content-type': 'application/json', ...options.headers },
    body: JSON.stringify(value),
  };
}

/** An answer with this status and a JSON body, such as an error. */
export function status(code: number, value: unknown, headers: ScriptHeaders = {}): ResponseScript {
  return json(value, { status: code, headers });
}

/** The event-stream bytes of each value (strings as they are, others as JSON), then of `[DONE]`. */
export function dataEvents(values: readonly unknown[], options: { done?: boolean } = {}): string[] {
  const data = values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
  if (options.done ?? true) data.push('[DONE]');
  return data.map(
    (one) =>
      `${one
        .split('\n')
        .map((line) => `data: ${line}`)
        .join('\n')}\n\n`,
  );
}

export function eventStream(
  pieces: readonly Bytes[],
  options: Omit<ResponseScript, 'body' | 'pieces'> = {},
): ResponseScript {
  return { ...options, headers: { 'content-type': 'text/event-stream', ...options.headers }, pieces };
}

/** An event stream whose pieces, and whose end, each wait for a permit of the gate. */
export function slow(pieces: readonly Bytes[], gate: Gate): ResponseScript {
  return eventStream(pieces, { gate });
}

/** Reads the request and never answers. */
export function hang(): RawScript {
  return { raw: [], ending: 'hang' };
}

/** An event stream that goes silent after its pieces. */
export function hangAfter(pieces: readonly Bytes[]): ResponseScript {
  return eventStream(pieces, { ending: 'hang' });
}

/** Reads the request and closes the connection. */
export function closeBeforeResponse(): RawScript {
  return { raw: [], ending: 'close' };
}

/** A chunked event stream that is closed without its last chunk. */
export function truncatedStream(pieces: readonly Bytes[]): ResponseScript {
  return eventStream(pieces, { ending: 'close' });
}

/** A JSON body of which `missingBytes` never come before the connection is closed. */
export function halfBody(body: Bytes, missingBytes = 100): ResponseScript {
  return { headers: { 'content-type': 'application/json' }, body, missingBytes, ending: 'close' };
}

/**
 * An event stream that ends in a TCP reset. A reset may overtake bytes that the client has not read: give a
 * gate, and its last permit only after the client has shown what it read, where that matters.
 */
export function resetAfter(pieces: readonly Bytes[], gate?: Gate): ResponseScript {
  return eventStream(pieces, { ending: 'reset', ...(gate && { gate }) });
}

/** Bytes that are not HTTP, then a close. */
export function garbage(bytes: Bytes = '\x16\x03\x01 this is not HTTP\n\n\0\xff\n'): RawScript {
  return { raw: [bytes], ending: 'close' };
}

/** The page that a proxy in front of a broken upstream shows. */
export function html(code = 502): ResponseScript {
  return {
    status: code,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: `<!DOCTYPE html><html><head><title>${code}</title></head><body><h1>Bad gateway</h1></body></html>`,
  };
}

export function redirect(location: string, code = 307): ResponseScript {
  return { status: code, headers: { location }, body: '' };
}
