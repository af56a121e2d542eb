import { describe, expect, test } from 'bun:test';
import { toBytes } from '../../test/support/bytes.ts';
import { upstreamHeaders } from '../../test/support/fake-transport.ts';
import { send, TARGETS, user } from '../../test/support/vendor-targets.ts';

const parameters = {
  type: 'object',
  properties: {
    $top: { type: 'number' },
    plain: { type: 'array', items: { type: 'object', properties: { '@id': { type: 'string' } } } },
    properties: { type: 'string' },
  },
  required: ['$top', 'plain'],
};
const given = { $top: 3, plain: [{ '@id': 'x' }], properties: 'y' };
const tools = [{ type: 'function', function: { name: 'list', parameters } }];
const history = [
  user,
  {
    role: 'assistant',
    tool_calls: [
      { id: 'call_1', type: 'function', function: { name: 'list', arguments: JSON.stringify(given) } },
    ],
  },
  { role: 'tool', tool_call_id: 'call_1', content: '[]' },
];
const request = { tools, messages: history };

describe('parameters of tools with names that Claude does not take', () => {
  test.each(['anthropic', 'bedrock'] as const)('are renamed for %s, in the history too', (name) => {
    const { up, params } = send(name, request);
    const schema =
      name === 'anthropic' ? up.tools[0].input_schema : up.toolConfig.tools[0].toolSpec.inputSchema.json;
    const [top, plain, nested] = Object.keys(schema.properties);
    expect(top).toMatch(/^_top_[0-9a-f]{8}$/);
    expect([plain, nested]).toEqual(['plain', 'properties']);
    expect(schema.required).toEqual([top, 'plain']);
    const inner = Object.keys(schema.properties.plain.items.properties);
    const [block] = up.messages[1].content;
    const input = name === 'anthropic' ? block.input : block.toolUse.input;
    expect(input).toEqual({ [String(top)]: 3, plain: [{ [String(inner[0])]: 'x' }], properties: 'y' });
    expect(params).toEqual(['tools[0].parameters']);
  });

  test('return under their own names, complete and streamed in any pieces', () => {
    const { up, call, context } = send('anthropic', request);
    const { input } = up.messages[1].content[0];
    const to = TARGETS.anthropic;
    const message = {
      ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'up', stop_reason: 'tool_use' },
      content: [{ type: 'tool_use', id: 'toolu_1', name: 'list', input }],
      usage: { input_tokens: 1, output_tokens: 1 },
    };
    const body = toBytes(JSON.stringify(message));
    const { text } = to.provider.adapter.parseResponse(
      { status: 200, headers: upstreamHeaders({}), body },
      call,
      to,
      context,
    );
    const [called] = JSON.parse(text).choices[0].message.tool_calls;
    expect(JSON.parse(called.function.arguments)).toEqual(given);

    const json = JSON.stringify(input);
    const pieces = [json.slice(0, 3), json.slice(3, 20), json.slice(20)];
    const block = { type: 'tool_use', id: 'toolu_1', name: 'list', input: {} };
    const events = [
      { type: 'message_start', message: { ...message, content: [] } },
      { type: 'content_block_start', index: 0, content_block: block },
      ...pieces.map((partial_json) => ({
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'input_json_delta', partial_json },
      })),
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 1 } },
      { type: 'message_stop' },
    ];
    const stream = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
    const decoder = to.provider.adapter.streamDecoder({ ...call, stream: true }, to, context, 'bytes');
    let out = '';
    decoder.push(toBytes(stream), ({ bytes }) => {
      out += new TextDecoder().decode(bytes);
    });
    const texts = [...out.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => {
      const [choice] = JSON.parse(String(data)).choices;
      return choice?.delta?.tool_calls?.[0]?.function?.arguments ?? '';
    });
    expect(JSON.parse(texts.join(''))).toEqual(given);
  });

  test('stay for other vendors, and cause no warning', () => {
    expect(send('openai', request)).toMatchObject({ up: { tools }, warnings: [] });
  });
});
