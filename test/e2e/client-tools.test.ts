import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { at, listAt, textAt, valueAt } from '../compat/answer.ts';
import { dataEvents, eventStream } from '../support/scripts.ts';
import { ANSWERS, type Families, lastBody, startFamilies } from './helpers/families.ts';
import { CHAT, events, recordedCall } from './helpers/translation.ts';

/** Tools of the Responses API that the client runs itself, for upstreams that do not know them. */

let families: Families;
beforeAll(async () => {
  families = await startFamilies();
});
afterAll(() => families.stop());

interface Case {
  readonly tool: Readonly<Record<string, unknown>>;
  readonly name: string;
  /** What the model writes. */
  readonly called: Readonly<Record<string, unknown>>;
  /** The item for the client, without its ids. */
  readonly item: Readonly<Record<string, unknown>>;
  /** The arguments that return with the history. */
  readonly kept?: Readonly<Record<string, unknown>>;
  readonly result: Readonly<Record<string, unknown>>;
  readonly told: string;
}

const OUTPUT = [{ stdout: 'a.txt', stderr: '', outcome: { type: 'exit', exit_code: 0 } }];

const CASES: readonly Case[] = [
  {
    tool: { type: 'shell' },
    name: 'shell',
    called: { commands: ['ls', 'pwd'], timeout_ms: 1_000 },
    item: {
      type: 'shell_call',
      action: { commands: ['ls', 'pwd'], timeout_ms: 1_000, max_output_length: null },
    },
    result: { type: 'shell_call_output', output: OUTPUT },
    told: JSON.stringify(OUTPUT),
  },
  {
    tool: { type: 'local_shell' },
    name: 'local_shell',
    called: { command: ['bash', '-lc', 'ls'], working_directory: '/w' },
    item: {
      type: 'local_shell_call',
      action: {
        type: 'exec',
        command: ['bash', '-lc', 'ls'],
        env: {},
        working_directory: '/w',
      },
    },
    result: { type: 'local_shell_call_output', output: 'a.txt' },
    told: 'a.txt',
  },
  {
    tool: { type: 'apply_patch' },
    name: 'apply_patch',
    called: { type: 'update_file', path: 'a.txt', diff: '@@\n-a\n+b' },
    item: {
      type: 'apply_patch_call',
      operation: { type: 'update_file', path: 'a.txt', diff: '@@\n-a\n+b' },
    },
    result: { type: 'apply_patch_call_output', status: 'completed', output: 'Done.' },
    told: 'Done.',
  },
  {
    tool: {
      type: 'tool_search',
      execution: 'client',
      description: 'Finds tools of the shop.',
      parameters: { type: 'object', properties: { goal: { type: 'string' } } },
    },
    name: 'tool_search',
    called: { goal: 'buy' },
    item: { type: 'tool_search_call', execution: 'client', arguments: { goal: 'buy' } },
    result: {
      type: 'tool_search_output',
      execution: 'client',
      tools: [
        {
          type: 'namespace',
          name: 'shop',
          description: 'A shop.',
          tools: [{ type: 'function', name: 'buy' }],
        },
      ],
    },
    told: 'These tools can be called now: shop',
  },
];

function streamOf(name: string, text: string) {
  const delta = (call: object) => ({
    id: 'c',
    choices: [{ index: 0, delta: { tool_calls: [{ index: 0, ...call }] }, finish_reason: null }],
  });
  return eventStream(
    dataEvents([
      { id: 'c', choices: [{ index: 0, delta: { content: 'On it.' }, finish_reason: null }] },
      delta({ id: 'call_1', type: 'function', function: { name, arguments: '' } }),
      ...[text.slice(0, 5), text.slice(5)].map((piece) => delta({ function: { arguments: piece } })),
      { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
    ]),
  );
}

const answer = (name: string, text: string) =>
  ANSWERS.chat(
    {
      content: 'On it.',
      tool_calls: [{ id: 'call_1', type: 'function', function: { name, arguments: text } }],
    },
    'tool_calls',
  );

for (const { tool, name, called, item, kept = called, result, told } of CASES) {
  describe(`the tool ${name}`, () => {
    const request = { model: 'chat', input: [{ role: 'user', content: 'Hi' }], tools: [tool] };
    const written = JSON.stringify(called);

    test('is a function, and its call an item of its own', async () => {
      const { sent, body, warnings } = await recordedCall(
        families,
        { ...request, tool_choice: { type: name } },
        answer(name, written),
        '/v1/responses',
      );
      expect(warnings).toBe('');
      expect(listAt(sent, 'tools').map((one) => textAt(one, 'function', 'name'))).toEqual([name]);
      expect(valueAt(sent, 'tool_choice')).toEqual({ type: 'function', function: { name } });
      expect(listAt(body, 'output')).toEqual([
        expect.objectContaining({ type: 'message' }),
        { id: expect.any(String), call_id: 'call_1', status: 'completed', ...item },
      ]);
    });

    test('is streamed as a whole item', async () => {
      families.mock.respond(streamOf(name, written));
      const response = await families.post('/v1/responses', { ...request, stream: true });
      const all = events(await response.text());
      const ofItem = all.filter((event) => valueAt(event, 'output_index') === 1);
      expect(ofItem.map((event) => textAt(event, 'type'))).toEqual([
        'response.output_item.added',
        'response.output_item.done',
      ]);
      for (const event of ofItem) expect(at(event, 'item')).toMatchObject({ call_id: 'call_1', ...item });
      expect(at(all.at(-1), 'response', 'output', 1)).toEqual(at(ofItem[1], 'item'));
    });

    test('returns in the history, by the call’s id or the item’s', async () => {
      const ids = [{ call_id: 'call_1' }, ...(name === 'tool_search' ? [] : [{ id: 'item_1' }])];
      for (const id of ids) {
        const input = [
          ...request.input,
          { id: 'item_1', call_id: 'call_1', status: 'completed', ...item },
          { ...result, ...id },
        ];
        const { sent } = await recordedCall(families, { ...request, input }, CHAT(), '/v1/responses');
        const call = at(sent, 'messages', 1, 'tool_calls', 0);
        expect([call.id, textAt(call, 'function', 'name')]).toEqual(['call_1', name]);
        expect(JSON.parse(textAt(call, 'function', 'arguments'))).toEqual(kept);
        expect(at(sent, 'messages', 2)).toEqual({ role: 'tool', tool_call_id: 'call_1', content: told });
      }
    });
  });
}

test('arguments that are not those of the tool stay visible as a function call', async () => {
  for (const [name, text] of [
    ['shell', '{"commands":[]}'],
    ['apply_patch', '{"type":"rename_file","path":"a"}'],
    ['local_shell', 'ls -l'],
  ] as const) {
    const body = { model: 'chat', input: 'Hi', tools: [{ type: name }] };
    families.mock.respond(answer(name, text));
    const plain = await families.openai.responses.create(Object(body));
    expect(plain.output[1]).toMatchObject({ type: 'function_call', name, arguments: text });
    families.mock.respond(streamOf(name, text));
    const streamed = await families.post('/v1/responses', { ...body, stream: true });
    const last = events(await streamed.text()).at(-1);
    expect(at(last, 'response', 'output', 1)).toMatchObject({ type: 'function_call', name, arguments: text });
  }
});

test('a tool of the client’s own with the same name counts instead', async () => {
  const own = { type: 'custom', name: 'apply_patch' };
  const { body } = await recordedCall(
    families,
    { model: 'chat', input: 'Hi', tools: [own] },
    answer('apply_patch', '{"input":"begin"}'),
    '/v1/responses',
  );
  expect(at(body, 'output', 1)).toMatchObject({ type: 'custom_tool_call', input: 'begin' });
});

test('tools that the client has found are offered once, and their calls are given back', async () => {
  const found = CASES[3]?.result ?? {};
  const call = { type: 'tool_search_call', call_id: 'call_1', execution: 'client', arguments: {} };
  const search = CASES[3]?.tool ?? {};
  const input = [
    { role: 'user', content: 'Hi' },
    call,
    { ...found, call_id: 'call_1' },
    { ...call, call_id: 'call_2' },
    { ...found, call_id: 'call_2' },
    { type: 'additional_tools', role: 'developer', tools: [{ type: 'function', name: 'more' }] },
    { role: 'user', content: 'Go on.' },
  ];
  const { sent, body } = await recordedCall(
    families,
    { model: 'chat', input, tools: [search] },
    answer('shop__buy', '{}'),
    '/v1/responses',
  );
  expect(listAt(sent, 'tools').map((tool) => textAt(tool, 'function', 'name'))).toEqual([
    'tool_search',
    'shop__buy',
    'more',
  ]);
  expect(at(body, 'output', 1)).toMatchObject({ type: 'function_call', name: 'buy', namespace: 'shop' });
});

test('tools that run at the vendor are omitted with a warning', async () => {
  const hosted = [{ type: 'shell', environment: { type: 'container_auto' } }, { type: 'tool_search' }];
  const body = { model: 'chat', input: 'Hi', tools: hosted };
  const { sent, warnings } = await recordedCall(families, body, CHAT(), '/v1/responses');
  expect(valueAt(sent, 'tools')).toBeUndefined();
  for (const { type } of hosted) expect(warnings).toContain(type);
  expect(valueAt(lastBody(families.mock), 'tool_choice')).toBeUndefined();
});
