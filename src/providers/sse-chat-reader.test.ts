import { describe, expect, test } from 'bun:test';
import { joinBytes, toBytes } from '../../test/support/bytes.ts';
import { testProvider } from '../../test/support/inference.ts';
import type { ChatEvent, EmitChatEvent } from '../core/chat/result.ts';
import { GatewayError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { MAX_EVENT_BYTES } from '../core/sse.ts';
import { SseChatReader } from './sse-chat-reader.ts';

/** Notes what the base class calls, and emits each event's number. */
class NotingReader extends SseChatReader {
  readonly notes: string[] = [];

  protected override event(json: JsonObject, name: string | undefined, emit: EmitChatEvent): void {
    this.notes.push(`${name ?? '-'}:${JSON.stringify(json)}`);
    emit({ type: 'delta', choice: 0, text: String(json.n) });
  }

  protected override bodyEnded(): void {
    this.notes.push('body ended');
  }

  protected override done(): void {
    this.notes.push('done');
    this.ended = true;
  }

  protected override keepAlive(): void {
    this.notes.push('keep-alive');
  }
}

function read(pieces: readonly Uint8Array[]) {
  const reader = new NotingReader(testProvider());
  const events: ChatEvent[] = [];
  let error: unknown;
  try {
    for (const piece of pieces) reader.push(piece, (event) => events.push(event));
    reader.end((event) => events.push(event));
  } catch (thrown) {
    error = thrown;
  }
  return { notes: reader.notes, texts: events.map((event) => ('text' in event ? event.text : '')), error };
}

describe('an event stream', () => {
  test('gives names, data of several lines, signs of life and the last event', () => {
    const text =
      ': hi\n\nevent: a\ndata: {"n":1}\n\ndata:\n\ndata: {"n"\ndata: :2}\n\ndata: [DONE]\n\ndata: {"n":3}\n\n';
    expect(read([toBytes(text)]).notes).toEqual([
      'keep-alive',
      'a:{"n":1}',
      'keep-alive',
      '-:{"n":2}',
      'done',
    ]);
  });

  test.each(['\n', '\r\n', '\r'])(
    'may have any line end (%j), a byte order mark and cuts anywhere',
    (end) => {
      const bytes = toBytes(`\ufeffdata: {"n":"é💧"}${end}${end}data: {"n":2}${end}${end}`);
      const pieces = [...bytes].map((byte) => Uint8Array.of(byte));
      expect(read(pieces)).toEqual(read([bytes]));
      expect(read(pieces).texts).toEqual(['é💧', '2']);
    },
  );

  test('may end without its last empty line', () => {
    for (const end of ['', '\n', '\r']) {
      expect(read([toBytes(`data: {"n":1}${end}`)]).notes).toEqual(['-:{"n":1}', 'body ended']);
    }
  });

  test('with malformed UTF-8 fails after the events before it', () => {
    const { texts, error } = read([
      joinBytes(['data: {"n":1}\n\ndata: {"n":"', Uint8Array.of(0xff), '"}\n\n']),
    ]);
    expect(texts).toEqual(['1']);
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ code: 'upstream_invalid_response' });
  });

  test.each([
    ['that is not JSON', 'data: {"n":\n\n'],
    ['that is not an object', 'data: [1]\n\n'],
  ])('with an event %s fails', (reason, text) => {
    const { error } = read([toBytes(text)]);
    expect(error).toMatchObject({ code: 'upstream_invalid_response' });
    expect(String(error)).toContain(reason);
  });

  test.each([
    ['one line', 'x'.repeat(64 * 1024)],
    ['many lines', `data: ${'x'.repeat(1_000)}\n`.repeat(64)],
  ])('with an endless event of %s fails at the size limit', (_, text) => {
    const piece = toBytes(text);
    const pieces = Array.from({ length: MAX_EVENT_BYTES / (16 * 1024) }, () => piece);
    const { error } = read([toBytes('data: '), ...pieces]);
    expect(error).toMatchObject({ code: 'upstream_invalid_response' });
    expect(String(error)).toContain('max buffer size');
  });
});
