import { expect, test } from 'bun:test';
import { anthropicMessagesDialect } from './anthropic/dialect.ts';
import { openAiChatDialect } from './openai/chat/dialect.ts';
import { responsesDialect } from './openai/responses/dialect.ts';
import { known, unreadMembers } from './unread-members.ts';

test('members are listed by their paths, also in lists and in objects of objects', () => {
  const members = known('', { list: known('a', { inner: known('b') }), chosen: () => undefined });
  const body = {
    unread: 1,
    list: [{ a: 1, c: 2 }, 'text', { inner: { b: 1, d: { e: 1 } } }],
    chosen: { anything: 1 },
  };
  expect(unreadMembers(body, members)).toEqual(['list[0].c', 'list[2].inner.d']);
});

test('members without a value count as absent', () => {
  const body = { object: { a: null, b: undefined, c: [] } };
  expect(unreadMembers(body, known('', { object: known('x') }))).toEqual([]);
});

test('names that all objects have are members like others', () => {
  const body = JSON.parse('{ "object": { "constructor": 1, "__proto__": 2 } }');
  expect(unreadMembers(body, known('', { object: known('x') }))).toEqual([
    'object.constructor',
    'object.__proto__',
  ]);
});

test('a member of thousands of messages is listed once', () => {
  const list = Array.from({ length: 5_000 }, () => ({ x: 1, a: 1 }));
  expect(unreadMembers({ list: [{ x: 1 }, ...list] }, known('', { list: known('x') }))).toEqual([
    'list[1].a',
  ]);
});

test('a list of thousands of unread members is cut', () => {
  const object = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`m${index}`, 1]));
  const list = [object, object, object];
  expect(unreadMembers({ list }, known('', { list: known('x') }))).toHaveLength(100);
});

test('each dialect lists what it does not read', () => {
  const chat = {
    messages: [
      { role: 'assistant', content: 'Hi', annotations: [{ type: 'url_citation' }] },
      { role: 'user', content: [{ type: 'video_url', video_url: { url: 'x', fps: 2 } }] },
    ],
  };
  expect(openAiChatDialect.unreadMembers?.(chat)).toEqual(['messages[0].annotations']);
  const responses = {
    truncation: 'auto',
    include: ['reasoning.encrypted_content', 'file_search_call.results'],
    input: [
      {
        type: 'message',
        role: 'assistant',
        id: 'msg_1',
        status: 'completed',
        phase: 'commentary',
        content: [],
      },
    ],
  };
  expect(responsesDialect().unreadMembers?.(responses)).toEqual([
    'include[1]',
    'truncation',
    'input[0].phase',
  ]);
  const messages = {
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'Hi', citations: [{ type: 'char_location' }] }] },
    ],
  };
  expect(anthropicMessagesDialect.unreadMembers?.(messages)).toEqual(['messages[0].content[0].citations']);
});
