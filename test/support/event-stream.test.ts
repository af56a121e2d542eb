import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { joinBytes, toBytes } from './bytes.ts';
import { eventData, eventJson, parseEventStream } from './event-stream.ts';
import { dataEvents } from './scripts.ts';

const parse = (text: string) => parseEventStream(toBytes(text));
const data = (text: string) => eventData(toBytes(text));

describe('parseEventStream, by the rules of the WHATWG standard', () => {
  test('joins data lines, takes one space off, and keeps the rest', () => {
    expect(data('data: YHOO\ndata: +2\ndata:  10\n\n')).toEqual(['YHOO\n+2\n 10']);
  });

  test('an event without data is dropped, one with an empty data line is not', () => {
    expect(data('data\n\ndata\ndata\n\n')).toEqual(['', '\n']);
    expect(parse('event: ping\n\n: only a comment\n\ndata: x\n\n').events).toEqual([
      { event: 'message', data: 'x', lastEventId: '' },
    ]);
  });

  test('all three line ends end a line, mixed too', () => {
    expect(data('data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\n\n')).toEqual(['a', 'b', 'c', 'd']);
  });

  test('an id lasts, one with a NUL is ignored, and an event name does not last', () => {
    expect(parse('id: 1\nevent: add\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n').events).toEqual([
      { event: 'add', data: 'a', lastEventId: '1' },
      { event: 'message', data: 'b', lastEventId: '1' },
      { event: 'message', data: 'c', lastEventId: '' },
    ]);
  });

  test('comments, retry and unknown fields', () => {
    const parsed = parse(': hello\nretry: 250\nretry: soon\nwhatever: x\nDATA: y\ndata: z\n\n');
    expect(parsed).toMatchObject({ comments: [' hello'], retryMs: 250, unterminated: false });
    expect(parsed.events.map((event) => event.data)).toEqual(['z']);
  });

  test('a leading byte order mark is stripped, one only', () => {
    expect(data('\ufeffdata: a\n\n')).toEqual(['a']);
    expect(data('\ufeff\ufeffdata: a\n\n')).toEqual([]);
  });

  test('what the stream ends in the middle of is discarded, and said', () => {
    expect(parse('data: a\n\ndata: b\n')).toMatchObject({ events: [{ data: 'a' }], unterminated: true });
    expect(parse('data: a\n\ndata: b')).toMatchObject({ events: [{ data: 'a' }], unterminated: true });
    expect(parse('data: a\n\n').unterminated).toBe(false);
    expect(parse('').unterminated).toBe(false);
  });
});

test('dataEvents and eventJson are inverse', () => {
  fc.assert(
    fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), (values) => {
      expect(JSON.stringify(eventJson(joinBytes(dataEvents(values))))).toBe(JSON.stringify(values));
    }),
  );
});
