import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { anthropicMessagesDialect } from '../../src/api/anthropic/dialect.ts';
import { promptDialect } from '../../src/api/native/prompt-dialect.ts';
import { openAiChatDialect } from '../../src/api/openai/chat/dialect.ts';
import { openAiCompletionsDialect } from '../../src/api/openai/completions/dialect.ts';
import { responsesDialect } from '../../src/api/openai/responses/dialect.ts';
import type { ClientDialect } from '../../src/core/chat/dialect.ts';
import type { ChatRequest } from '../../src/core/chat/request.ts';
import { editCall } from '../../src/core/edit-call.ts';
import { editFirstItem } from '../../src/core/json-edit.ts';
import { runs } from '../support/effort.ts';
import { testCall } from '../support/inference.ts';
import { text } from './arbitraries.ts';

/** Edits of a request's text: only the member concerned changes, and both forms of the request say the same. */

const space = fc.constantFrom('', ' ', '\n', '\t ', '\r\n  ');
/** Values that a parser and a serialiser do not bring back as they were. */
const oddValue = fc.constantFrom(
  '12345678901234567890',
  '1.0',
  '-0',
  '1e400',
  '"\\u0061\\/"',
  '[ ]',
  '{"messages":[1],"system":"no","instructions":{}}',
  '"{\\"messages\\":[]}"',
  'null',
);
const oddMember = fc
  .tuple(space, fc.constantFrom('x_id', 'x_id', 'metadata2', '', '\\u0078'), space, space, oddValue, space)
  .map(([a, name, b, c, value, d]) => `${a}"${name}"${b}:${c}${value}${d}`);
const oddMembers = fc.array(oddMember, { maxLength: 4 });
const json = (value: unknown) => fc.constantFrom(JSON.stringify(value), JSON.stringify(value, undefined, 2));
const said = fc.oneof(text, fc.constantFrom('', '"', '\\', '\u2028', 'a\nb', '}]'));

/** How a dialect says what comes before the conversation: the member's text, or none. */
interface Case {
  readonly dialect: ClientDialect;
  readonly member: string;
  readonly value: fc.Arbitrary<string | undefined>;
  readonly rest: Readonly<Record<string, string>>;
}

const user = { role: 'user', content: 'Hi' };
const chatFirst = fc.oneof(
  said.chain((content) => json([{ role: 'system', content }, user])),
  said.chain((content) => json([{ role: 'developer', name: 'a', content }, user])),
  said.chain((one) =>
    json([
      { role: 'system', content: [{ type: 'text', text: `${one}x`, cache_control: { type: 'ephemeral' } }] },
      user,
    ]),
  ),
  json([user]),
  json([user, { role: 'system', content: 'late' }]),
  json([{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }]),
);

const CASES: Readonly<Record<string, Case>> = {
  'OpenAI chat': { dialect: openAiChatDialect, member: 'messages', value: chatFirst, rest: { model: '"m"' } },
  'OpenAI responses': {
    dialect: responsesDialect(),
    member: 'instructions',
    value: fc.oneof(
      fc.constant(undefined),
      said.map((value) => JSON.stringify(value)),
      fc.constant('null'),
    ),
    rest: { model: '"m"', input: '"Hi"' },
  },
  'Anthropic messages': {
    dialect: anthropicMessagesDialect,
    member: 'system',
    value: fc.oneof(
      fc.constant(undefined),
      said.map((value) => JSON.stringify(value)),
      said.chain((value) =>
        json([{ type: 'text', text: `${value}x`, cache_control: { type: 'ephemeral' } }]),
      ),
      fc.constant('[]'),
    ),
    rest: { model: '"m"', max_tokens: '7', messages: JSON.stringify([user]) },
  },
};

const PREFIX = 'Be "kind".\\\n🌍';

function callOf(dialect: ClientDialect, body: string) {
  const parsed: Readonly<Record<string, unknown>> = { ...Object(JSON.parse(body)) };
  return testCall(parsed, {
    dialect,
    text: body,
    chat: () => dialect.toChat(parsed),
    view: () => dialect.requestView(parsed),
  });
}

function instructionsOf({ messages }: ChatRequest): string {
  const [first] = messages;
  if (first?.role !== 'system' && first?.role !== 'developer') return '';
  return first.content.map((part) => (part.type === 'text' ? part.text : '')).join('\n\n');
}

/** Everything but the instructions. */
function conversationOf(request: ChatRequest): unknown {
  return request.messages.filter(({ role }) => role !== 'system' && role !== 'developer');
}

describe.each(Object.entries(CASES))('a prefix in the words of %s', (_, { dialect, member, value, rest }) => {
  test('changes that member only, and both forms of the request show it', () => {
    fc.assert(
      fc.property(value, oddMembers, oddMembers, space, space, space, (own, before, after, a, b, c) => {
        const others = Object.entries(rest).map(([name, text]) => `"${name}":${text}`);
        const head = `${a}{${[...before, ...others].join(',')},`;
        const tail = `${after.map((one) => `,${one}`).join('')}}${c}`;
        const body =
          own === undefined ? `${head}"x":1${tail}` : `${head}${b}"${member}"${c}:${a}${own}${tail}`;
        const call = callOf(dialect, body);
        const edited = editCall(call, { type: 'prepend-system', text: PREFIX });
        if (!edited) throw new TypeError('the dialect has instructions');

        if (own === undefined) {
          const opening = `${a}{"${member}":`;
          expect(edited.text.startsWith(opening)).toBe(true);
          expect(edited.text.endsWith(`,${body.slice(a.length + 1)}`)).toBe(true);
          const added = edited.text.slice(opening.length, edited.text.length - body.length + a.length);
          expect(added).toBe(JSON.stringify(PREFIX));
        } else {
          const kept = `${head}${b}"${member}"${c}:${a}`;
          expect(edited.text.startsWith(kept)).toBe(true);
          expect(edited.text.endsWith(tail)).toBe(true);
        }
        const reread = dialect.toChat(edited.body);
        for (const request of [edited.chat(), reread]) {
          expect(instructionsOf(request).startsWith(PREFIX)).toBe(true);
          expect(instructionsOf(request)).toContain(instructionsOf(call.chat()));
          expect(conversationOf(request)).toEqual(conversationOf(call.chat()));
        }
        expect(instructionsOf(edited.chat())).toBe(instructionsOf(reread));
        // Lists are compared as JSON text.
        const shown = edited.view().promptParts().join('\n');
        expect(shown.includes(PREFIX) || shown.includes(JSON.stringify(PREFIX))).toBe(true);
        expect(JSON.parse(edited.text)).toEqual(edited.body);
      }),
      { numRuns: runs(500) },
    );
  });

  test('twice puts the later one first', () => {
    fc.assert(
      fc.property(value, (own) => {
        const others = Object.entries(rest).map(([name, text]) => `"${name}":${text}`);
        const body = `{${[...others, ...(own === undefined ? [] : [`"${member}":${own}`])].join(',')}}`;
        const once = editCall(callOf(dialect, body), { type: 'prepend-system', text: 'inner' });
        const twice = once && editCall(once, { type: 'prepend-system', text: 'outer' });
        if (!twice) throw new TypeError('the dialect has instructions');
        expect(instructionsOf(twice.chat()).startsWith('outer\n\ninner')).toBe(true);
        expect(instructionsOf(dialect.toChat(twice.body))).toBe(instructionsOf(twice.chat()));
      }),
      { numRuns: runs(100) },
    );
  });
});

describe('a prefix in other dialects', () => {
  test('of a native prompt is in the canonical request, which is what is sent', () => {
    for (const system of [undefined, 'Own.']) {
      const body = JSON.stringify({ model: 'm', prompt: 'Hi', ...(system === undefined ? {} : { system }) });
      const edited = editCall(callOf(promptDialect(false), body), { type: 'prepend-system', text: PREFIX });
      expect(edited?.text).toBe(body);
      expect(edited && instructionsOf(edited.chat())).toBe(system ? `${PREFIX}\n\n${system}` : PREFIX);
    }
  });

  test('does not exist for legacy completions', () => {
    const call = callOf(openAiCompletionsDialect, '{"model":"m","prompt":"Hi"}');
    expect(editCall(call, { type: 'prepend-system', text: PREFIX })).toBeUndefined();
  });
});

test('the first item of a list is edited in place, whatever surrounds it', () => {
  fc.assert(
    fc.property(fc.array(oddValue, { maxLength: 3 }), oddMembers, space, space, (items, members, a, b) => {
      const list = `[${a}${items.join(`${b},${a}`)}${b}]`;
      const around = members.map((one) => `${one},`).join('');
      const body = `{${around}"list"${a}:${b}${list}}`;
      const prepended = editFirstItem(body, 'list', () => ({ before: '"new"' }));
      const replaced = editFirstItem(body, 'list', (item) =>
        item === undefined ? {} : { replace: '"new"' },
      );
      expect(JSON.parse(prepended).list).toEqual(['new', ...JSON.parse(list)]);
      expect(JSON.parse(replaced).list).toEqual(
        items.length === 0 ? [] : ['new', ...JSON.parse(list).slice(1)],
      );
      expect(prepended.replace(items.length > 0 ? '"new",' : '"new"', '')).toBe(body);
      if (items[0] !== undefined) {
        const at = body.length - list.length - 1 + 1 + a.length;
        expect(replaced).toBe(`${body.slice(0, at)}"new"${body.slice(at + items[0].length)}`);
      }
      expect(editFirstItem(body, 'other', () => ({ before: '1' }))).toBe(body);
    }),
    { numRuns: runs(500) },
  );
});
