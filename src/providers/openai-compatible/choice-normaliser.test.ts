import { describe, expect, test } from 'bun:test';
import { ChoiceNormaliser, hasOutput, normalisedMessages } from './choice-normaliser.ts';

const choice = (delta: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  index: 0,
  delta,
  finish_reason: null,
  ...more,
});
const ROLE = choice({ role: 'assistant', content: '' });

/** Sends the choices of a stream through a normaliser. */
function sent(...events: readonly Record<string, unknown>[]): unknown[] {
  const normaliser = new ChoiceNormaliser();
  return events.map((event) => (normaliser.deltas([event], 'resp-1') ?? [event])[0]);
}

const callsIn = (events: readonly unknown[]) =>
  JSON.parse(JSON.stringify(events)).flatMap(
    (event: { delta: { tool_calls?: unknown[] } }) => event.delta.tool_calls ?? [],
  );

describe('deltas', () => {
  test('of a sound stream stay as they are', () => {
    const normaliser = new ChoiceNormaliser();
    const call = { index: 0, id: 'c1', type: 'function', function: { name: 'f', arguments: '' } };
    const events = [
      ROLE,
      choice({ content: 'Hi' }),
      choice({ tool_calls: [call] }),
      choice({ tool_calls: [{ index: 0, function: { arguments: '{}' } }] }),
      choice({}, { finish_reason: 'tool_calls' }),
      choice({}),
    ];
    for (const event of events) expect(normaliser.deltas([event], 'r')).toBeUndefined();
    expect(normaliser.unfinished()).toBeUndefined();
  });

  test('of legacy completions stay as they are', () => {
    expect(new ChoiceNormaliser().deltas([{ text: 'a', finish_reason: '' }], 'r')).toBeUndefined();
    expect(new ChoiceNormaliser().deltas(undefined, 'r')).toBeUndefined();
  });

  test.each([
    ['is missing', {}],
    ['is empty', { role: '' }],
    ['is null', { role: null }],
  ])('get a role in the first event of each choice where it %s', (_, role) => {
    expect(sent(choice({ ...role, content: 'a' }), choice({ content: 'b' }))).toEqual([
      choice({ role: 'assistant', content: 'a' }),
      choice({ content: 'b' }),
    ]);
    const normaliser = new ChoiceNormaliser();
    normaliser.deltas([ROLE], 'r');
    expect(normaliser.deltas([choice({ content: 'b' }, { index: 1 })], 'r')).toEqual([
      choice({ role: 'assistant', content: 'b' }, { index: 1 }),
    ]);
  });

  test('get an index and a delta', () => {
    expect(sent({ finish_reason: 'stop' })).toEqual([
      { index: 0, delta: { role: 'assistant' }, finish_reason: 'stop' },
    ]);
  });

  test('with lists of thinking and text get texts', () => {
    const thinking = { type: 'thinking', thinking: [{ type: 'text', text: '12*12' }] };
    expect(
      sent(ROLE, choice({ content: [thinking] }), choice({ content: [{ type: 'text', text: '144' }] })),
    ).toEqual([ROLE, choice({ content: '', reasoning_content: '12*12' }), choice({ content: '144' })]);
  });

  test('an empty finish reason is none', () => {
    expect(sent(choice({ role: 'assistant' }, { finish_reason: '' }))).toEqual([
      choice({ role: 'assistant' }, { finish_reason: null }),
    ]);
  });
});

describe('tool calls', () => {
  const call = (id: string | undefined, name: string | undefined, text: unknown, index?: number) => ({
    ...(index === undefined ? {} : { index }),
    ...(id === undefined ? {} : { id }),
    function: { ...(name === undefined ? {} : { name }), arguments: text },
  });

  test('get an index by their id, and a type', () => {
    const events = sent(
      ROLE,
      choice({ tool_calls: [call('a', 'f', '{"x"'), call('b', 'g', '')] }),
      choice({ tool_calls: [call('a', undefined, ':1}')] }),
      choice({}, { finish_reason: 'stop' }),
    );
    expect(callsIn(events)).toEqual([
      { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{"x"' } },
      { index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '' } },
      expect.objectContaining({ function: { arguments: ':1}' } }),
    ]);
    expect(events.at(-1)).toEqual(choice({}, { finish_reason: 'tool_calls' }));
  });

  test('a delta without index and id continues the last call', () => {
    const events = sent(
      ROLE,
      choice({ tool_calls: [call('a', 'f', '{')] }),
      choice({ tool_calls: [call(undefined, undefined, '}')] }),
    );
    expect(callsIn(events)[1]).toEqual({ index: 0, function: { arguments: '}' } });
  });

  test('id and name are sent once', () => {
    const piece = call('call_1', 'f', '{', 0);
    const events = sent(ROLE, choice({ tool_calls: [piece] }), choice({ tool_calls: [piece] }));
    expect(callsIn(events)).toEqual([
      { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{' } },
      { index: 0, function: { arguments: '{' } },
    ]);
  });

  test('calls that are all numbered 0 are numbered apart', () => {
    const events = sent(
      ROLE,
      choice({ tool_calls: [call('a', 'f', '{}', 0)] }),
      choice({ tool_calls: [call('b', 'g', '{}', 0)] }),
      choice({ tool_calls: [call('b', 'g', ' ', 0)] }),
    );
    expect(callsIn(events).map(({ index, id }: { index: number; id?: string }) => [index, id])).toEqual([
      [0, 'a'],
      [1, 'b'],
      [1, undefined],
    ]);
  });

  test('get ids, and arguments as a text', () => {
    const events = sent(ROLE, choice({ tool_calls: [call(undefined, 'f', { x: 1 })] }));
    expect(callsIn(events)).toEqual([
      { index: 0, id: 'call_resp-1_0', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
    ]);
  });

  test('an empty "custom" beside the function is none', () => {
    const written = { ...call('a', 'f', '{}', 0), custom: { name: '', input: '' } };
    expect(callsIn(sent(ROLE, choice({ tool_calls: [written] })))).toEqual([
      { ...written, type: 'function' },
    ]);
  });
});

test('a stream that its upstream completes gets the finish reasons that are missing', () => {
  const normaliser = new ChoiceNormaliser();
  normaliser.deltas([ROLE, choice({ role: 'assistant' }, { index: 1 })], 'r');
  normaliser.deltas([choice({ tool_calls: [{ id: 'a', function: { name: 'f', arguments: '' } }] })], 'r');
  expect(normaliser.unfinished()).toEqual([
    {
      index: 0,
      delta: { tool_calls: [{ index: 0, function: { arguments: '{}' } }] },
      finish_reason: 'tool_calls',
    },
    { index: 1, delta: {}, finish_reason: 'stop' },
  ]);
});

test('only output counts as output', () => {
  const without = [ROLE, choice({}), choice({ content: null, tool_calls: [], refusal: null }), {}, null];
  for (const event of without) expect(hasOutput([event])).toBe(false);
  const outputs = [
    choice({ content: 'a' }),
    choice({ reasoning_content: 'a' }),
    choice({ tool_calls: [{}] }),
    choice({}, { finish_reason: 'stop' }),
    { text: 'a' },
  ];
  for (const event of outputs) expect(hasOutput([null, event])).toBe(true);
});

describe('complete messages', () => {
  test('that are sound stay as they are', () => {
    const message = {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
    };
    expect(normalisedMessages([{ index: 0, message, finish_reason: 'tool_calls' }], 'r')).toBeUndefined();
    expect(normalisedMessages([{ text: 'legacy', finish_reason: 'stop' }], 'r')).toBeUndefined();
  });

  test('get role, index, texts, types, ids and the finish reason of calls', () => {
    const thinking = { type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] };
    const message = {
      content: [thinking, { type: 'text', text: '144' }],
      tool_calls: [{ function: { name: 'f', arguments: {} } }],
    };
    expect(normalisedMessages([{ message, finish_reason: 'stop' }], 'resp-1')).toEqual([
      {
        index: 0,
        finish_reason: 'tool_calls',
        message: {
          role: 'assistant',
          content: '144',
          reasoning_content: 'Hm.',
          tool_calls: [{ id: 'call_resp-1_0', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
      },
    ]);
  });
});
