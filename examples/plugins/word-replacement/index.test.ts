import assert from 'node:assert/strict';
import { test } from 'node:test';
import plugin from './index.ts';

const host = { id: 'word-replacement', log: () => undefined, count: () => undefined };
const parts = plugin.setup(
  { words: { Titan: 'the product', 'Project X': 'it' }, directions: ['response'] },
  host,
);

test('replaces whole words in a complete response', () => {
  const facts = {
    id: '',
    operation: 'chat',
    model: '',
    stream: false,
    tenant: '',
    tags: [],
    headers: {},
  } as const;
  const texts = [
    { kind: 'output', text: 'titan and TITAN, not titanic' },
    { kind: 'tool_call', text: '{"name":"titan"}' },
  ] as const;
  assert.deepEqual(parts.interceptor.response?.({ ...facts, texts, usage: {} }), {
    texts: [{ index: 0, text: 'the product and the product, not titanic' }],
  });
});

test('a stream has the same result, wherever it is split', () => {
  const text = 'Project X is Titan. A titanic Project Xylophone; project x, titan';
  const whole = 'it is the product. A titanic Project Xylophone; it, the product';
  for (let size = 1; size <= text.length; size += 1) {
    let sent = '';
    let kept = '';
    for (let at = 0; at < text.length; at += size) {
      const window = kept + text.slice(at, at + size);
      const isLast = at + size >= text.length;
      const change = parts.interceptor.window?.({
        id: '',
        model: '',
        choice: 0,
        kind: 'output',
        text: window,
        isLast,
      });
      sent += change?.text ?? window;
      kept = window.slice(window.length - (change?.keep ?? 0));
    }
    assert.equal(sent, whole, `pieces of ${size}`);
  }
});
