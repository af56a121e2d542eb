import { expect, test } from 'bun:test';
import { toBytes } from '../../test/support/bytes.ts';
import { deltaText } from './delta-text.ts';

const of = (text: string) => deltaText(toBytes(text));

test.each([
  ['event: content_block_delta\ndata: {"delta":{"type":"text_delta","text":"a\\n💧"}}', 'a\n💧'],
  ['data: {"delta":{"type":"thinking_delta","thinking":"hm"}}', 'hm'],
  ['data: {"delta":{"type":"input_json_delta","partial_json":"{\\"a\\""}}', '{"a"'],
  ['data: {"type":"response.output_text.delta","delta":"word"}', 'word'],
  ['data: {"delta":{"type":"signature_delta","signature":"x"}}', undefined],
  ['data: {"delta":7}', undefined],
  ['data: [1]', undefined],
  ['data: {broken', undefined],
  [': ping', undefined],
])('%j adds %j', (block, text) => {
  expect(of(block)).toBe(text);
});
