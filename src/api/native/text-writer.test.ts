import { describe, expect, test } from 'bun:test';
import { toText } from '../../../test/support/bytes.ts';
import { parseEventStream } from '../../../test/support/event-stream.ts';
import { GatewayError } from '../../core/errors.ts';
import { answerText, plainUsage, TextWriter, textErrorEvent } from './text-writer.ts';

const write = (delta: Record<string, unknown>) => {
  const json = { choices: [{ delta }] };
  const text = JSON.stringify(json);
  return new TextWriter().chunk({ block: new Uint8Array(), text, json });
};
const events = (bytes: Uint8Array | undefined) =>
  parseEventStream(bytes ?? new Uint8Array()).events.map(({ event, data }): unknown => [
    event,
    JSON.parse(data),
  ]);

describe('TextWriter', () => {
  test('writes text and reasoning as events of their own', () => {
    expect(events(write({ content: 'a\n"b"', reasoning_content: 'hm' }))).toEqual([
      ['reasoning', { reasoning: 'hm' }],
      ['message', { text: 'a\n"b"' }],
    ]);
    expect(events(write({ reasoning: 'hm' }))).toEqual([['reasoning', { reasoning: 'hm' }]]);
  });

  test('writes nothing for what holds no text', () => {
    for (const delta of [{}, { content: '' }, { content: null }, { role: 'assistant' }, { tool_calls: [] }]) {
      expect(write(delta)).toBeUndefined();
    }
    for (const json of [{}, { choices: [] }, { choices: [null] }, { choices: [{ delta: null }] }]) {
      expect(new TextWriter().chunk({ block: new Uint8Array(), text: '', json })).toBeUndefined();
    }
    expect(new TextWriter().comment()).toBeUndefined();
  });

  test('ends with the reason and the usage, where they are known', () => {
    const done = (observed: Parameters<TextWriter['done']>[0]) => events(new TextWriter().done(observed));
    expect(
      done({ usage: { inputTokens: 1, outputTokens: 0, raw: {} }, finishReason: 'stop', chunks: 1 }),
    ).toEqual([['done', { finish_reason: 'stop', usage: { input_tokens: 1, output_tokens: 0 } }]]);
    expect(done({ usage: undefined, finishReason: undefined, chunks: 0 })).toEqual([
      ['done', { finish_reason: null, usage: null }],
    ]);
  });
});

test('a failure is an event that can be told apart', () => {
  const bytes = textErrorEvent(new GatewayError('upstream_closed', 'broke\noff'));
  expect(toText(bytes)).toStartWith('event: error\n');
  expect(events(bytes)).toMatchObject([
    ['error', { error: { message: 'broke\noff', code: 'upstream_closed' } }],
  ]);
});

test('answerText is the first choice’s text, or nothing', () => {
  expect(answerText({ choices: [{ message: { content: 'a' } }, { message: { content: 'b' } }] })).toBe('a');
  for (const json of [{}, { choices: [] }, { choices: [{ message: { content: null } }] }])
    expect(answerText(json)).toBe('');
});

test('plainUsage leaves out what was not reported', () => {
  expect(plainUsage({ usage: { outputTokens: 3, raw: {} } })).toEqual({ output_tokens: 3 });
  expect(plainUsage({ usage: undefined })).toBeNull();
});
