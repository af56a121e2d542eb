import { describe, expect, test } from 'bun:test';
import { fromBinary, toBinary, toJson } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { runs } from '../../../test/support/effort.ts';
import { messageType, registry } from '../../../test/support/grpc-gateway.ts';
import { decodeMessage } from './decode.ts';
import { encodeMessage } from './encode.ts';
import { PROTO } from './generated.ts';
import { Schema } from './schema.ts';
import { BYTES, ProtobufError, VARINT, WireWriter } from './wire.ts';

const schema = new Schema(PROTO);
const CHAT = schema.message('weir.v1.ChatCompletionRequest');

/** JSON of the official implementation, whose lists and unions are messages. */
function official(name: string, bytes: Uint8Array): unknown {
  const type = messageType(name);
  return toJson(type, fromBinary(type, bytes), { useProtoFieldName: true, registry });
}

describe('encoding', () => {
  test('an independent decoder reads what is written', () => {
    const bytes = encodeMessage(CHAT, {
      model: 'm',
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x/y.png' } }] },
      ],
      seed: 9_007_199_254_740_993n,
      temperature: 0,
      stop: ['a'],
      logit_bias: { 5: -1.5 },
      metadata: { a: 'b' },
      tool_choice: { type: 'function', function: { name: 'f' } },
      custom: { list: [1, null, 'x', true, { y: {} }] },
    });
    expect(official('weir.v1.ChatCompletionRequest', bytes)).toEqual({
      model: 'm',
      messages: [
        { role: 'user', content: { text: 'Hi' } },
        {
          role: 'user',
          content: { parts: { values: [{ type: 'image_url', image_url: { url: 'https://x/y.png' } }] } },
        },
      ],
      seed: '9007199254740993',
      temperature: 0,
      stop: ['a'],
      logit_bias: { 5: -1.5 },
      metadata: { a: 'b' },
      tool_choice: { tool: { type: 'function', function: { name: 'f' } } },
      extra: { custom: { list: [1, null, 'x', true, { y: {} }] } },
    });
  });

  test('a value that does not fit its field goes to "extra"', () => {
    const bytes = encodeMessage(schema.message('weir.v1.ChatChoice'), { index: 'first', finish_reason: 7 });
    expect(official('weir.v1.ChatChoice', bytes)).toEqual({ extra: { index: 'first', finish_reason: 7 } });
  });

  test('an independent decoder and ours agree on any message', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 }).filter((value) => value.isWellFormed());
    const number = fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map((value) => (value === 0 ? 0 : value));
    const part = fc.record({ type: text, text }, { requiredKeys: ['type'] });
    const message = fc.record(
      {
        role: text,
        content: fc.oneof(text, fc.array(part, { minLength: 1, maxLength: 3 })),
        tool_calls: fc.array(fc.record({ id: text, type: text }), { minLength: 1, maxLength: 2 }),
      },
      { requiredKeys: ['role'] },
    );
    const request = fc.record(
      {
        model: text,
        messages: fc.array(message, { minLength: 1, maxLength: 3 }),
        seed: fc.maxSafeInteger(),
        max_tokens: fc.integer(),
        n: fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 }),
        temperature: number,
        logprobs: fc.boolean(),
        stop: fc.array(text, { minLength: 1, maxLength: 3 }),
        logit_bias: fc.dictionary(text, number, { minKeys: 1, maxKeys: 3 }),
      },
      { requiredKeys: ['messages'] },
    );
    fc.assert(
      fc.property(request, (value) => {
        const bytes = encodeMessage(CHAT, value);
        // Through the other implementation, which writes fields in another order.
        const type = messageType('weir.v1.ChatCompletionRequest');
        const again = toBinary(type, fromBinary(type, bytes));
        const decoded = decodeMessage(CHAT, again);
        expect(JSON.parse(JSON.stringify(decoded))).toEqual(withoutDefaults(value));
      }),
      { numRuns: runs(100) },
    );
  });
});

/** Fields without presence are absent where they have their default. */
function withoutDefaults(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, item: unknown) =>
      item === '' && ['model', 'role', 'type', 'id'].includes(key) ? undefined : item,
    ),
  );
}

describe('decoding bytes that are not trusted', () => {
  const decode = (bytes: Uint8Array) => () => decodeMessage(CHAT, bytes);

  test.each([
    ['a text beyond the end', [0x0a, 0x05, 0x61]],
    ['a varint without an end', [0x18, 0xff, 0xff]],
    ['a varint of eleven bytes', [0x18, ...new Array<number>(10).fill(0xff), 1]],
    ['the field 0', [0x02, 0x00]],
    ['a text that is not UTF-8', [0x0a, 0x01, 0xff]],
    ['a wire type that does not exist', [0xf7, 0x3f]],
    ['a group without an end', [0xa3, 0x1f, 0x08, 0x01]],
    ['the length of 4 GiB', [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])('%s', (_name, bytes) => {
    expect(decode(Uint8Array.from(bytes))).toThrow(ProtobufError);
  });

  test('unknown fields are skipped', () => {
    const bytes = new WireWriter()
      .tag(900, VARINT)
      .varint(5)
      .tag(901, BYTES)
      .string('x')
      .tag(1, BYTES)
      .string('m');
    expect(decodeMessage(CHAT, bytes.finish())).toMatchObject({ model: 'm' });
  });

  test('levels are limited, with a message and not an overflow', () => {
    let value = new WireWriter().tag(4, VARINT).varint(1).finish();
    for (let level = 0; level < 300; level += 1) {
      const list = new WireWriter().tag(1, BYTES).bytes(value).finish();
      value = new WireWriter().tag(6, BYTES).bytes(list).finish();
    }
    const entry = new WireWriter().tag(1, BYTES).string('x').tag(2, BYTES).bytes(value).finish();
    const extra = new WireWriter().tag(1, BYTES).bytes(entry).finish();
    expect(decode(new WireWriter().tag(100, BYTES).bytes(extra).finish())).toThrow('more than 128 levels');
  });

  test('values are limited: two bytes may become an object', () => {
    const bytes = new Uint8Array(2 * 1_000_001);
    for (let at = 0; at < bytes.length; at += 2) bytes[at] = 0x12;
    expect(decode(bytes)).toThrow('more than 1000000 values');
  });

  test('names of members are only names', () => {
    const entry = new WireWriter().tag(1, BYTES).string('__proto__').tag(2, BYTES).string('x').finish();
    const decoded = decodeMessage(CHAT, new WireWriter().tag(22, BYTES).bytes(entry).finish());
    expect(JSON.stringify(decoded)).toBe('{"metadata":{"__proto__":"x"}}');
  });

  test('never fails in another way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeMessage(CHAT, bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtobufError);
        }
      }),
      { numRuns: runs(300) },
    );
  });
});
