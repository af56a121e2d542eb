import { describe, expect, test } from 'bun:test';
import { toBytes } from '../../../test/support/bytes.ts';
import { upstreamHeaders } from '../../../test/support/fake-transport.ts';
import { testProvider, testTarget } from '../../../test/support/inference.ts';
import { wireCitation } from '../../api/anthropic/wire.ts';
import { readConverseCitation } from './citations.ts';
import { converseChatFormat } from './index.ts';
import { assertUsable } from './response.ts';

test.each(['malformed_tool_use', 'malformed_model_output'])('%s is a failure of the model', (stopReason) => {
  const body = { output: { message: { role: 'assistant', content: [] } }, stopReason };
  const response = { status: 200, headers: upstreamHeaders({}), body: toBytes(JSON.stringify(body)) };
  const expected = expect.objectContaining({
    code: 'upstream_invalid_response',
    message: expect.stringContaining(stopReason),
  });
  expect(() => converseChatFormat.parse(response, testTarget(testProvider()), { messages: [] })).toThrow(
    expected,
  );
  expect(() => assertUsable(stopReason, { id: 'p' })).toThrow(expected);
});

describe('a citation', () => {
  const sourceContent = [{ text: 'Rust ' }, { text: 'is safe.' }];

  test('of the web has its URL', () => {
    const value = {
      title: 'Rust',
      sourceContent,
      location: { web: { url: 'https://a.test/', domain: 'a.test' } },
    };
    expect(readConverseCitation(value)).toMatchObject({
      url: 'https://a.test/',
      title: 'Rust',
      citedText: 'Rust is safe.',
    });
  });

  test.each([
    ['documentChar', 'char_location', 'char_index'],
    ['documentPage', 'page_location', 'page_number'],
    ['documentChunk', 'content_block_location', 'block_index'],
  ])('of a document has its place, also for clients of the Messages API: %s', (name, type, unit) => {
    const value = {
      title: 'Goals',
      sourceContent,
      location: { [name]: { documentIndex: 1, start: 2, end: 9 } },
    };
    const citation = readConverseCitation(value);
    expect(citation).toMatchObject({ documentIndex: 1, location: { start: 2, end: 9 } });
    expect(wireCitation(citation)).toEqual({
      type,
      cited_text: 'Rust is safe.',
      document_index: 1,
      document_title: 'Goals',
      [`start_${unit}`]: 2,
      [`end_${unit}`]: 9,
    });
  });

  test('of an unknown place keeps its title only', () => {
    const citation = readConverseCitation({ title: 'Goals', location: {} });
    expect(citation).toEqual({
      title: 'Goals',
      raw: { dialect: 'bedrock-converse', value: { title: 'Goals', location: {} } },
    });
    expect(wireCitation(citation)).toBeUndefined();
  });
});
