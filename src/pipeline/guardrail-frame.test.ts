import { expect, test } from 'bun:test';
import type { Frame } from '../core/stream/frame.ts';
import { FrameChecker } from './guardrail-frame.ts';

const encoder = new TextEncoder();
const frameOf = (text: string, more = ''): Frame => ({
  bytes: encoder.encode(
    `data: {"id":"c","choices":[{"delta":{"content":${JSON.stringify(text)}}}]${more}}\n\n`,
  ),
  events: [{ type: 'delta', choice: 0, text }],
});

test('frames that differ in their text alone are parsed once, and what they say besides is checked', () => {
  const seen: string[] = [];
  const checker = new FrameChecker(({ text }) => {
    seen.push(text);
    return text.replace('secret', '***');
  });
  const member = (value: string) => `,"member":${JSON.stringify(value)}`;
  for (const text of ['Hello', ' there', ' "quoted"', ' é\u{1f600}', ' back\\slash', ' again', 'a']) {
    const frame = frameOf(text, member('a member'));
    expect(checker.check(frame)).toBe(frame);
  }
  // Of the first frame, of those with quotes or escapes, and none of the others.
  expect(seen.filter((text) => text === 'a member').length).toBeLessThanOrEqual(4);
  const hidden = checker.check(frameOf(' now', member('a secret')));
  expect(new TextDecoder().decode(hidden?.bytes)).toContain('"member":"a ***"');
  // A text that ends the member early would leave the rest unread.
  const forged = `data: {"id":"c","choices":[{"delta":{"content":" x","other":"a secret"}}]${member('a member')}}\n\n`;
  const caught = checker.check({
    bytes: encoder.encode(forged),
    events: [{ type: 'delta', choice: 0, text: ' x' }],
  });
  expect(new TextDecoder().decode(caught?.bytes)).toContain('"other":"a ***"');
});

test('pieces of what tools of the provider write are left out, and comments stay', () => {
  const checker = new FrameChecker(({ text }) => text);
  const piece = { type: 'response.code_interpreter_call_code.delta', delta: 'print' };
  const event = (value: unknown): Frame => ({
    bytes: encoder.encode(`event: x\ndata: ${JSON.stringify(value)}\n\n`),
    events: [],
  });
  expect(checker.check(event(piece))).toBeUndefined();
  const audio = event({ type: 'response.audio.delta', delta: 'AAAA' });
  expect(checker.check(audio)).toBe(audio);
  const comment: Frame = { bytes: encoder.encode(': keep-alive\n\n'), events: [] };
  expect(checker.check(comment)).toBe(comment);
});
