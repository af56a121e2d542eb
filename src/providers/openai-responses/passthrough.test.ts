import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { splitAtRandom, toBytes, toText } from '../../../test/support/bytes.ts';
import { runs } from '../../../test/support/effort.ts';
import { GatewayError } from '../../core/errors.ts';
import { responsesPassthrough } from './index.ts';
import { attemptContext, responsesCall, responsesTarget } from './test-support.ts';

const target = responsesTarget();
const call = responsesCall({ model: 'asked', input: 'hi' });

function decode(text: string, seed?: number) {
  const decoder = responsesPassthrough.decoder(call, target, attemptContext());
  const bytes = toBytes(text);
  let out = '';
  for (const piece of seed === undefined ? [bytes] : splitAtRandom(bytes, seed)) {
    out += toText(decoder.push(toBytes(piece)));
  }
  out += toText(decoder.end());
  return { out, decoder };
}

const event = (type: string, rest: string) => `event: ${type}\ndata: {"type":"${type}",${rest}}\n\n`;
const response = (more = '') =>
  `"response":{"id":"r", "temperature":1.0,"model":"up"${more}},"sequence_number":1`;
const CREATED = event('response.created', response());
const DELTA = event(
  'response.output_text.delta',
  '"delta": "h\\u00e9 \\"model\\":\\"up\\"",  "sequence_number":7',
);
const COMPLETED = event(
  'response.completed',
  response(',"status":"completed","usage":{"input_tokens":3,"output_tokens":2}'),
);
const renamed = (text: string) => text.replace('"model":"up"', '"model":"asked"');

describe('a request', () => {
  test('goes on byte for byte, but for the model', () => {
    const text = '{ "input": "hi", "model" : "asked", "n": 9007199254740993 }';
    const { url, body } = responsesPassthrough.build(
      responsesCall({ model: 'asked' }, text),
      target,
      attemptContext(),
    );
    expect([url, body]).toEqual([
      'http://upstream.test/v1/responses',
      '{ "input": "hi", "model" : "upstream-model", "n": 9007199254740993 }',
    ]);
    const same = responsesCall({ model: 'upstream-model' }, '{"model":"upstream-model"}');
    expect(responsesPassthrough.build(same, target, attemptContext()).body).toBe(same.text);
  });
});

describe('a whole answer', () => {
  const parse = (body: string) =>
    responsesPassthrough.parse(
      { status: 200, headers: new Headers(), body: toBytes(body) },
      call,
      target,
      attemptContext(),
    );

  test('goes on under the model that was asked for', () => {
    const body =
      '{"model":"up","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[],"temperature":1.0,"usage":{"input_tokens":3}}';
    expect(parse(body)).toEqual({
      text: renamed(body),
      usage: { inputTokens: 3, raw: { input_tokens: 3 } },
      finishReason: 'max_output_tokens',
    });
  });

  test.each([
    ['{"status":"failed","error":{"code":"server_error","message":"oops"},"output":[]}', 'upstream_error'],
    ['{"error":{"code":"rate_limit_exceeded","message":"slow"}}', 'upstream_rate_limited'],
    ['{"choices":[]}', 'upstream_invalid_response'],
    ['<html>', 'upstream_invalid_response'],
  ])('that is none leaves the way to another target open: %s', (body, code) => {
    expect(() => parse(body)).toThrow(expect.objectContaining({ code }));
  });
});

describe('a stream', () => {
  test('goes on byte for byte, but for the model', () => {
    const { out, decoder } = decode(`: hi\n\n${CREATED}${DELTA}${COMPLETED}data: [DONE]\n\n`);
    expect(out).toBe(`: hi\n\n${renamed(CREATED)}${DELTA}${renamed(COMPLETED)}`);
    expect([decoder.started, decoder.finished, decoder.failure]).toEqual([true, true, undefined]);
    expect(decoder.observed).toMatchObject({
      usage: { inputTokens: 3, outputTokens: 2, raw: { input_tokens: 3, output_tokens: 2 } },
      finishReason: 'completed',
      chunks: 1,
    });
  });

  test('may have events without names', () => {
    const bare = (text: string) => text.replaceAll(/event: .*\n/g, '');
    const { out, decoder } = decode(bare(CREATED + DELTA + COMPLETED));
    expect(out).toBe(bare(renamed(CREATED) + DELTA + renamed(COMPLETED)));
    expect([decoder.finished, decoder.observed.chunks]).toEqual([true, 1]);
  });

  test('may lack the empty line at its end', () => {
    expect(decode((CREATED + COMPLETED).trimEnd()).decoder.finished).toBe(true);
  });

  test('commits with its first output, not with its greeting', () => {
    const decoder = responsesPassthrough.decoder(call, target, attemptContext());
    decoder.push(toBytes(CREATED));
    expect(decoder.started).toBe(false);
    decoder.push(toBytes(DELTA));
    expect(decoder.started).toBe(true);
  });

  const FAILED = event('response.failed', response(',"error":{"code":"server_error","message":"oops"}'));
  const ERROR = event('error', '"code":"rate_limit_exceeded","message":"slow","sequence_number":8');

  test('that fails before its first output leaves the way to another target open', () => {
    const { out, decoder } = decode(CREATED + FAILED);
    expect([decoder.started, decoder.failure?.code, out]).toEqual([
      false,
      'upstream_error',
      renamed(CREATED),
    ]);
  });

  test.each([
    [FAILED, 'upstream_error'],
    [ERROR, 'upstream_rate_limited'],
  ])('that fails later says so in its own words: %#', (last, code) => {
    const { out, decoder } = decode(CREATED + DELTA + last);
    const { failure } = decoder;
    if (!failure) throw new Error('no failure');
    expect(failure.code).toBe(code as typeof failure.code);
    expect(out + toText(decoder.failureEvent?.(failure))).toBe(renamed(CREATED) + DELTA + renamed(last));
  });

  test('that breaks ends in an error event with the next number', () => {
    const { out, decoder } = decode(CREATED + DELTA);
    expect([out, decoder.failure?.code, decoder.finished]).toEqual([
      renamed(CREATED) + DELTA,
      'upstream_closed',
      false,
    ]);
    const told = decoder.failureEvent?.(new GatewayError('upstream_timeout', 'silent'));
    expect(toText(told)).toBe(
      'event: error\ndata: {"type":"error","code":"upstream_timeout","message":"silent","param":null,"sequence_number":8}\n\n',
    );
  });

  test('is checked where it is looked into', () => {
    for (const text of ['event: response.created\ndata: {\n\n', 'data: {"type":"error"\n\n']) {
      expect(decode(text).decoder.failure?.code).toBe('upstream_invalid_response');
    }
    expect(decode('').decoder.failure?.code).toBe('upstream_closed');
  });

  test('does not depend on where the bytes are split', () => {
    const block = fc.oneof(
      fc.constantFrom(CREATED, DELTA, ERROR, ': hi\n\n', 'data: \n\n'),
      fc
        .string({ unit: 'grapheme' })
        .map((text) => event('response.output_text.delta', `"delta":${JSON.stringify(text)}`)),
    );
    fc.assert(
      fc.property(fc.array(block, { maxLength: 8 }), fc.boolean(), fc.nat(), (blocks, ends, seed) => {
        const text = blocks.join('') + (ends ? COMPLETED : '');
        const whole = decode(text);
        const split = decode(text, seed);
        expect([split.out, split.decoder.failure?.code, split.decoder.observed]).toEqual([
          whole.out,
          whole.decoder.failure?.code,
          whole.decoder.observed,
        ]);
      }),
      { numRuns: runs(200) },
    );
  });
});
