import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { joinBytes, splitAtRandom, toBytes, toText } from '../../../test/support/bytes.ts';
import { runs } from '../../../test/support/effort.ts';
import { eventData } from '../../../test/support/event-stream.ts';
import { isRecord } from '../../core/json.ts';
import { MAX_EVENT_BYTES } from '../../core/sse.ts';
import { PassthroughWriter } from './passthrough-writer.ts';
import { OpenAiStreamDecoder } from './stream.ts';

type UsageMode = 'as-is' | 'strip' | 'last';
const MODES: readonly UsageMode[] = ['as-is', 'strip', 'last'];

function decoderFor(usage: UsageMode = 'as-is'): OpenAiStreamDecoder {
  return new OpenAiStreamDecoder(
    { id: 'p', credential: undefined },
    new PassthroughWriter({ model: 'asked', fallbackId: 'req_1', usage }),
  );
}

function decode(pieces: readonly (Uint8Array | string)[], usage: UsageMode = 'as-is') {
  const decoder = decoderFor(usage);
  const out: Uint8Array[] = [];
  for (const piece of pieces) {
    const bytes = decoder.push(toBytes(piece));
    if (bytes) out.push(bytes);
  }
  const last = decoder.end();
  if (last) out.push(last);
  const { started, finished, failure, observed } = decoder;
  return {
    bytes: joinBytes(out),
    started,
    finished,
    code: failure?.code,
    message: failure?.message,
    observed,
  };
}

const chunk = (
  delta: Record<string, unknown>,
  finish: string | null = null,
  more: Record<string, unknown> = {},
) =>
  JSON.stringify({
    id: 'a',
    object: 'chat.completion.chunk',
    created: 7,
    model: 'up',
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...more,
  });
const event = (data: string) => `data: ${data}\n\n`;
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const usageOnly = JSON.stringify({ id: 'a', created: 7, model: 'up', choices: [], usage: USAGE });

/** Members in front of the choices: their order, values and spelling differ between vendors, and within streams. */
const head = fc
  .record({
    id: fc.constantFrom('"a"', '"b"', '""', 'null', undefined),
    object: fc.constantFrom('"chat.completion.chunk"', undefined),
    created: fc.constantFrom('7', '77', '7.0', 'null', undefined),
    model: fc.constantFrom('"up"', '"asked"', '"up\\"{,"', undefined),
  })
  .chain((values) =>
    fc
      .shuffledSubarray(Object.entries(values), { minLength: 4, maxLength: 4 })
      .map((members) =>
        members.flatMap(([name, value]) => (value === undefined ? [] : [`"${name}":${value}`])),
      ),
  );
const content = fc.string({ unit: fc.constantFrom('a', '"', '\\', '{', ',', 'é', '💧', '\n'), maxLength: 5 });
const usage = fc.constantFrom('', '', '"usage":null', `"usage":${JSON.stringify(USAGE)}`);
/** One event's JSON, in which line feeds occur between members only. */
const json = fc
  .record({
    head,
    headLast: fc.integer({ min: 0, max: 9 }).map((roll) => roll === 0),
    text: content,
    choices: fc.constantFrom('one', 'one', 'one', 'none'),
    usage,
    comma: fc.constantFrom(',', ',', ',', ', ', ',\n'),
  })
  .map(({ head: members, headLast, text, choices, usage: counts, comma }) => {
    const delta = JSON.stringify({ content: text });
    const list = choices === 'none' ? '[]' : `[{"index":0,"delta":${delta},"finish_reason":null}]`;
    const rest = [`"choices":${list}`, ...(counts === '' ? [] : [counts])];
    return `{${(headLast ? [...rest, ...members] : [...members, ...rest]).join(comma)}}`;
  });
const dataLines = (text: string, prefix: string) => text.split('\n').map((line) => prefix + line);
const block = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(json, fc.constantFrom('data: ', 'data:'))
      .map(([text, prefix]) => dataLines(text, prefix)),
  },
  { weight: 1, arbitrary: json.map((text) => ['event: message', 'id: 4', ...dataLines(text, 'data: ')]) },
  { weight: 1, arbitrary: fc.constantFrom([': ping'], ['data:'], ['data: '], ['event: ping'], ['']) },
);
const opening = fc.constantFrom('', '', '\ufeff');
/** A stream that an upstream could send, complete or cut. */
const upstream = fc
  .record({
    opening,
    lineEnd: fc.constantFrom('\n', '\n', '\r\n', '\r'),
    blocks: fc.array(block, { maxLength: 12 }),
    finish: fc.boolean(),
    usage: fc.boolean(),
    done: fc.boolean(),
  })
  .map(({ opening: mark, lineEnd, blocks, finish, usage: counted, done }) => {
    const all = [...blocks];
    if (finish) all.push([`data: ${chunk({}, 'stop')}`]);
    if (counted) all.push([`data: ${usageOnly}`]);
    if (done) all.push(['data: [DONE]']);
    return mark + all.map((lines) => `${lines.join(lineEnd)}${lineEnd}${lineEnd}`).join('');
  });
const mode = fc.constantFrom(...MODES);

/** The events that carry JSON, as a client that follows the standard reads them. */
const jsonEvents = (bytes: Uint8Array) =>
  eventData(bytes)
    .filter((data) => data.trim() !== '' && data !== '[DONE]')
    .map((data): unknown => JSON.parse(data))
    .filter(isRecord);

/** The first choices of a stream without the role that official SDKs need in them. */
function withoutRole(choices: readonly unknown[]): unknown[] {
  return choices.map((choice) => {
    if (!isRecord(choice) || !isRecord(choice.delta)) return choice;
    const { role, ...delta } = choice.delta;
    expect(role).toBe('assistant');
    return { ...choice, delta };
  });
}

describe('any stream', () => {
  test('gives the same bytes however it was split', () => {
    fc.assert(
      fc.property(upstream, fc.integer(), mode, (text, seed, wanted) => {
        const bytes = toBytes(text);
        const whole = decode([bytes], wanted);
        expect(decode(splitAtRandom(bytes, seed), wanted)).toEqual(whole);
        expect(
          decode(
            [...bytes].map((byte) => Uint8Array.of(byte)),
            wanted,
          ),
        ).toEqual(whole);
      }),
      { numRuns: runs(1_500) },
    );
  });

  test('reads as one coherent answer: one model, one id, one time, and otherwise what the upstream said', () => {
    fc.assert(
      fc.property(upstream, mode, (text, wanted) => {
        const bytes = toBytes(text);
        const { bytes: out, finished } = decode([bytes], wanted);
        const sent = jsonEvents(bytes);
        const seen = jsonEvents(out);
        for (const item of seen) expect(item.model).toBe('asked');

        const ids = [...new Set(seen.map((item) => item.id))];
        expect(ids.length).toBeLessThan(2);
        expect(['req_1', ...sent.map((item) => item.id)]).toEqual(expect.arrayContaining(ids));
        expect(
          new Set(seen.map((item) => item.created).filter((at) => typeof at === 'number')).size,
        ).toBeLessThan(2);

        const texts = (items: Record<string, unknown>[]) =>
          items.flatMap((item) =>
            Array.isArray(item.choices) && item.choices.length > 0 ? [item.choices] : [],
          );
        const [first, ...rest] = texts(seen);
        const wantedTexts = texts(sent);
        const isClosed = JSON.stringify(wantedTexts).includes('"finish_reason":"stop"');
        if (finished && !isClosed) wantedTexts.push([{ index: 0, delta: {}, finish_reason: 'stop' }]);
        expect(first === undefined ? [] : [withoutRole(first), ...rest]).toEqual(wantedTexts);
        expect(eventData(out).filter((data) => data === '[DONE]')).toHaveLength(finished ? 1 : 0);
      }),
      { numRuns: runs(1_500) },
    );
  });

  test('shows usage where the client expects it and nowhere else', () => {
    fc.assert(
      fc.property(upstream, mode, (text, wanted) => {
        const bytes = toBytes(text);
        const { bytes: out, finished, observed } = decode([bytes], wanted);
        const seen = jsonEvents(out);
        const withUsage = seen.filter((item) => isRecord(item.usage));
        const only = seen.filter(
          (item) => Array.isArray(item.choices) && item.choices.length === 0 && isRecord(item.usage),
        );
        if (wanted === 'strip') expect(only).toEqual([]);
        if (wanted === 'last') {
          expect(withUsage).toHaveLength(finished && observed.usage ? 1 : 0);
          expect(withUsage).toEqual(only);
          if (withUsage.length > 0) expect(seen.at(-1)).toEqual(withUsage[0] ?? {});
        }
      }),
      { numRuns: runs(1_000) },
    );
  });

  test('that is cut anywhere before its finish reason is a failure, never a clean end', () => {
    const whole = toBytes(event(chunk({ content: 'é' })) + event(chunk({ content: '💧' })));
    for (let length = 0; length <= whole.length; length += 1) {
      const { finished, code } = decode([whole.subarray(0, length)]);
      expect(finished).toBe(false);
      expect(['upstream_closed', 'upstream_invalid_response']).toContain(code ?? '');
    }
  });

  test('never makes the decoder throw, whatever its bytes are', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom('data: {', '"choices":[', '\n\n', '}', '\r').map(toBytes),
    );
    fc.assert(
      fc.property(fc.array(noise, { maxLength: 12 }), (pieces) => {
        const { finished, code } = decode(pieces);
        expect(finished).toBe(false);
        expect(code).toBeDefined();
      }),
      { numRuns: runs(1_000) },
    );
  });
});

describe('the end of a stream', () => {
  const output = event(chunk({ content: 'hi' })) + event(chunk({}, 'stop'));

  test('is [DONE], after which nothing counts', () => {
    const { bytes, finished, observed } = decode([
      `${output}data: [DONE]\n\n${event('{"error":{"message":"late"}}')}`,
    ]);
    expect([finished, observed.finishReason, observed.chunks]).toEqual([true, 'stop', 2]);
    expect(eventData(bytes).at(-1)).toBe('[DONE]');
  });

  test('may come without [DONE], and without the last empty line', () => {
    for (const text of [
      output,
      output.slice(0, -1),
      output.slice(0, -2),
      output.replaceAll('\n', '\r\n').slice(0, -2),
    ]) {
      const { bytes, finished, code } = decode([text]);
      expect([finished, code]).toEqual([true, undefined]);
      expect(eventData(bytes).at(-1)).toBe('[DONE]');
    }
  });

  test('[DONE] without a finish reason completes each choice', () => {
    const { finished, code, bytes, observed } = decode([
      `${event(chunk({ role: 'assistant', content: 'hi' }))}data: [DONE]\n\n`,
    ]);
    expect([finished, code, observed.finishReason]).toEqual([true, undefined, 'stop']);
    expect(eventData(bytes).slice(1)).toEqual([chunk({}, 'stop').replace('"up"', '"asked"'), '[DONE]']);
  });

  test('[DONE] before any output is a failure', () => {
    for (const before of ['', event(chunk({ role: 'assistant', content: '' }))]) {
      const { finished, code } = decode([`${before}data: [DONE]\n\n`]);
      expect([finished, code]).toEqual([false, 'upstream_closed']);
    }
  });

  test('the end of the body before a finish reason is a failure', () => {
    const { finished, code, bytes } = decode([event(chunk({ content: 'hi' }))]);
    expect([finished, code]).toEqual([false, 'upstream_closed']);
    expect(eventData(bytes)).toHaveLength(1);
  });

  test('of an empty stream is a failure', () => {
    expect(decode([])).toMatchObject({ started: false, finished: false, code: 'upstream_closed' });
  });
});

describe('a broken stream', () => {
  const good = event(chunk({ content: 'hi' }));

  test.each([
    ['malformed JSON', event('{"choices":[}'), 'upstream_invalid_response'],
    ['JSON that is no object', event('[1]'), 'upstream_invalid_response'],
    ['text', event('hello'), 'upstream_invalid_response'],
    ['an error object', event('{"error":{"message":"out of memory"}}'), 'upstream_error'],
    [
      'an error with a status',
      event('{"error":{"message":"slow down","code":429}}'),
      'upstream_rate_limited',
    ],
    [
      'an error as an event',
      `event: error\n${event('{"error":"no room","type":"overloaded_error"}')}`,
      'upstream_error',
    ],
  ] as const)('with %s keeps what came before and fails', (_, bad, wanted) => {
    const { bytes, code, finished, started } = decode([good, bad, good]);
    expect(eventData(bytes)).toEqual([
      chunk({ role: 'assistant', content: 'hi' }).replace('"up"', '"asked"'),
    ]);
    expect<string | undefined>(code).toBe(wanted);
    expect([finished, started]).toEqual([false, true]);
  });

  test('with bytes that are not UTF-8 fails', () => {
    const { code } = decode([joinBytes(['data: {"a":"', Uint8Array.of(0xff), '"}\n\n'])]);
    expect(code).toBe('upstream_invalid_response');
  });

  test('with an error before anything else has not started', () => {
    expect(decode([event('{"error":{"message":"no"}}')])).toMatchObject({
      started: false,
      code: 'upstream_error',
    });
  });

  test('with an error that is null goes on', () => {
    expect(decode([event(chunk({}, 'stop', { error: null }))]).finished).toBe(true);
  });

  test('quotes a long event only in part', () => {
    expect(decode([event(`{${'x'.repeat(5_000)}`)]).message?.length).toBeLessThan(200);
  });

  test('with an event that never ends fails', () => {
    const decoder = decoderFor();
    decoder.push(toBytes(`data: {"x":"`));
    const piece = toBytes(new Uint8Array(MAX_EVENT_BYTES / 4).fill(97));
    for (let count = 0; count < 4; count += 1) decoder.push(piece);
    expect(decoder.failure?.code).toBe('upstream_invalid_response');
    expect(decoder.push(piece)).toBeUndefined();
  });
});

test('comments are forwarded, pings without data are not', () => {
  const { bytes } = decode([`: keep-alive\n\ndata:\n\nevent: ping\n\n${event(chunk({}, 'stop'))}`]);
  expect(toText(bytes).startsWith(': keep-alive\n\ndata: {')).toBe(true);
  expect(eventData(bytes)).toHaveLength(2);
});
