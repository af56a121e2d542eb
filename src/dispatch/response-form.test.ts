import { expect, test } from 'bun:test';
import { toBytes, toText } from '../../test/support/bytes.ts';
import { BodyOpening, errorBodyOf, formOf, isStreamForm } from './response-form.ts';

test.each([
  ['data: {"a":1}', 'events'],
  ['\ufeffdata: x', 'events'],
  ['\r\n\n event: ping', 'events'],
  [': OPENROUTER PROCESSING', 'events'],
  ['retry: 100', 'events'],
  ['id: 7', 'events'],
  ['{"choices":[]}', 'object'],
  [' \n\t{', 'object'],
  ['[{"a":1}]', 'other'],
  ['<!doctype html>', 'other'],
  ['database is down', 'other'],
  [' '.repeat(5_000), 'other'],
  ['dat', undefined],
  ['', undefined],
  ['   ', undefined],
] as const)('%j begins a body of the form %s', (text, form) => {
  expect(formOf(toBytes(text))).toBe(form);
});

test('gzip is recognised by two bytes', () => {
  expect(formOf(new Uint8Array([0x1f]))).toBeUndefined();
  expect(formOf(new Uint8Array([0x1f, 0x8b]))).toBe('gzip');
});

test('a beginning is held until its form is known, and is then complete', () => {
  const opening = new BodyOpening();
  const known = [...'\n\ndata: {"a":1}'].map((character) => opening.push(toBytes(character)));
  const first = known.find((one) => one !== undefined);
  expect([first?.form, toText(first?.bytes ?? new Uint8Array(0))]).toEqual(['events', '\n\ndata:']);
  const short = new BodyOpening();
  short.push(toBytes('no'));
  expect(toText(short.end())).toBe('no');
});

test('streams of JSON lines begin as objects, binary ones are not recognised', () => {
  expect(isStreamForm('events', undefined)).toBe(true);
  expect(isStreamForm('object', undefined)).toBe(false);
  expect(isStreamForm('object', 'application/x-ndjson')).toBe(true);
  expect(isStreamForm('object', 'application/vnd.amazon.eventstream')).toBe(false);
});

test('an error in an event is its data', () => {
  const body = ': wait\r\n\r\nevent: error\r\ndata: {"error":{"message":"no"}}\r\n\r\n';
  expect(toText(errorBodyOf(toBytes(body)))).toBe('{"error":{"message":"no"}}');
  for (const other of ['{"error":"x"}', 'data: plain words\n\n', '<html>']) {
    expect(toText(errorBodyOf(toBytes(other)))).toBe(other);
  }
});
