import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { joinBytes, splitAtRandom, toBytes, toSlice, toText } from '../../../test/support/bytes.ts';
import { AnswerText } from '../../core/answer-text.ts';
import type { Pieces } from '../../core/pieces.ts';
import { EventPatterns, SharedPatterns } from './event-patterns.ts';
import { PassthroughWriter } from './passthrough-writer.ts';
import { OpenAiStreamDecoder } from './stream.ts';

type UsageMode = 'as-is' | 'strip' | 'last';

/** Counts how often an event was handed on without being read in full. */
class CountedPatterns extends EventPatterns {
  applied = 0;

  override apply(...args: Parameters<EventPatterns['apply']>): Pieces | undefined {
    const out = super.apply(...args);
    if (out) this.applied += 1;
    return out;
  }
}

function decode(
  pieces: readonly Uint8Array[],
  usage: UsageMode,
  patterns: EventPatterns,
  { model = 'asked', fallbackId = 'req_1' } = {},
) {
  const writer = new PassthroughWriter({ model, fallbackId, usage });
  const decoder = new OpenAiStreamDecoder({ id: 'p', credential: undefined }, writer, patterns);
  let out = '';
  for (const piece of pieces) out += toText(decoder.push(toSlice(piece)));
  out += toText(decoder.end());
  const { observed, started, finished, failure } = decoder;
  return {
    out,
    started,
    finished,
    failure: failure?.message,
    answer: String(observed.text),
    chunks: observed.chunks,
    usage: observed.usage,
    finish: observed.finishReason,
  };
}

const words = fc.string({
  unit: fc.constantFrom('a', ' ', '"', '\\', '\n', '{', ':', ',', 'é', '💧', '\u2028', 'weir-hole-0'),
  maxLength: 5,
});
/** As vendors spell the same text: with and without escapes. */
const literal = fc
  .tuple(words, fc.boolean())
  .map(([text, ascii]) =>
    ascii
      ? JSON.stringify(text).replaceAll(
          /[\u0080-\uffff]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
        )
      : JSON.stringify(text),
  );
const noise = fc
  .string({ unit: fc.constantFrom('x', 'y', 'é'), maxLength: 3 })
  .map((text) => JSON.stringify(text));

/** Makes the events of one vendor: the same members in each, of which some have a text of their own every time. */
const vendor = fc.record({
  id: fc.constantFrom('"id":"a",', '"id":"",', '', '"id":NOISE,'),
  created: fc.constantFrom('"created":7,', '"created":7,"model":"up",', '"created":7,"model":NOISE,'),
  object: fc.constantFrom('"object":"chat.completion.chunk",', '"object":"",', '"object":NOISE,', ''),
  delta: fc.constantFrom(
    '"delta":{"content":WORDS}',
    '"delta":{"role":"assistant","content":WORDS}',
    '"delta":{"content":null,"reasoning_content":WORDS}',
    '"delta":{"content":WORDS,"reasoning":WORDS}',
    '"delta":{"content":"","reasoning":WORDS}',
    '"delta":{"content":WORDS,NOISE:1}',
    '"delta":{"tool_calls":[{"index":0,"function":{"arguments":WORDS}}]}',
    '"delta":{"tool_calls":[{"index":0,"id":NOISE,"function":{"arguments":WORDS}}]}',
    '"text":WORDS',
  ),
  finish: fc.constantFrom('"finish_reason":null', '"finish_reason":null,"native_finish_reason":NOISE'),
  tail: fc.constantFrom(
    '',
    ',"usage":null',
    ',"obfuscation":NOISE',
    ',"usage":null,"obfuscation":NOISE',
    ',"usage":NOISE',
  ),
  choices: fc.constantFrom(1, 1, 1, 2),
});
type VendorKind = typeof vendor extends fc.Arbitrary<infer Kind> ? Kind : never;
const special = fc.constantFrom(
  'data: {"id":"a","created":7,"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
  'data: {"error":{"message":"no room"}}',
  'data: {"id":"a","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],"error":"no"}',
  ': ping',
  'data: [DONE]',
  'event: ping\ndata:',
);

const streamOf = (kind: VendorKind) => {
  const event = fc.array(fc.tuple(literal, noise), { minLength: 8, maxLength: 8 }).map((texts) => {
    const texture = [...texts];
    const fill = (text: string) =>
      text.replaceAll(/WORDS|NOISE/g, (hole) => {
        const [word, other] = texture.pop() ?? ['""', '""'];
        return hole === 'WORDS' ? word : other;
      });
    const choice = () => `{"index":0,${fill(kind.delta)},${fill(kind.finish)}}`;
    const choices = Array.from({ length: kind.choices }, choice).join(',');
    return `data: {${fill(kind.id)}${fill(kind.object)}${fill(kind.created)}"choices":[${choices}]${fill(kind.tail)}}`;
  });
  const finished = event.map((text) => text.replace('"finish_reason":null', '"finish_reason":"stop"'));
  return fc
    .tuple(
      fc.array(fc.oneof({ weight: 40, arbitrary: event }, { weight: 1, arbitrary: special }), {
        minLength: 4,
        maxLength: 30,
        size: 'max',
      }),
      finished,
    )
    .map(([events, last]) => toBytes([...events, last, 'data: [DONE]', ''].join('\n\n')));
};
const stream = vendor.chain(streamOf);
const mode = fc.constantFrom<UsageMode>('as-is', 'strip', 'last');

/** One byte is another one. */
const damage = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(10, 13, 34, 92)),
});

function damagedBy(bytes: Uint8Array, { at, byte }: { at: number; byte: number }): Uint8Array {
  const damaged = Uint8Array.from(bytes);
  damaged[Math.floor(at * (damaged.length - 1))] = byte;
  return damaged;
}

/** Where events end, each behind its empty line: as they come when each is sent by itself. */
function endsOf(bytes: Uint8Array): number[] {
  return [...bytes.keys()].filter((at) => bytes[at - 1] === 10 && bytes[at - 2] === 10);
}

function cutAt(bytes: Uint8Array, ends: readonly number[]): Uint8Array[] {
  return [...ends, bytes.length].map((end, index) => bytes.slice(ends[index - 1] ?? 0, end));
}

describe('events that are like those before', () => {
  test('come out as if each had been read in full', () => {
    let applied = 0;
    fc.assert(
      fc.property(stream, mode, fc.integer(), (bytes, usage, seed) => {
        const patterns = new CountedPatterns();
        const quick = decode(splitAtRandom(bytes, seed, 3), usage, patterns);
        const full = decode([bytes], usage, new EventPatterns(undefined, 0));
        expect(quick).toEqual(full);
        const aligned = new CountedPatterns();
        expect(decode(cutAt(bytes, endsOf(bytes)), usage, aligned)).toEqual(full);
        applied += patterns.applied + aligned.applied;
      }),
      { numRuns: 1_500 },
    );
    expect(applied).toBeGreaterThan(2_000);
  });

  test('of another stream come out as if each had been read in full, with the names of their own', () => {
    let applied = 0;
    const several = vendor.chain((kind) =>
      fc.array(
        fc.record({
          bytes: streamOf(kind),
          usage: fc.constantFrom<UsageMode>('as-is', 'strip'),
          id: fc.constantFrom('a', 'chatcmpl-1', 'é"', 'asked'),
          created: fc.integer({ min: 0, max: 20 }),
          model: fc.constantFrom('asked', 'up'),
          how: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, damage),
        }),
        { minLength: 2, maxLength: 5 },
      ),
    );
    fc.assert(
      fc.property(several, (streams) => {
        const shared = new SharedPatterns();
        for (const [index, { bytes, usage, id, created, model, how }] of streams.entries()) {
          const names = { model, fallbackId: `req_${index}` };
          const whole = toBytes(
            toText(bytes)
              .replaceAll('"id":"a"', () => `"id":${JSON.stringify(id)}`)
              .replaceAll('"created":7', `"created":${created}`),
          );
          const own = how ? damagedBy(whole, how) : whole;
          const patterns = new CountedPatterns(shared);
          const full = decode([own], usage, new EventPatterns(undefined, 0), names);
          expect(decode(cutAt(own, endsOf(whole)), usage, patterns, names)).toEqual(full);
          applied += patterns.applied;
        }
      }),
      { numRuns: 400 },
    );
    expect(applied).toBeGreaterThan(2_000);
  });

  test('of another stream need no reading in full either, from the second on', () => {
    const shared = new SharedPatterns();
    const events = (id: string, created: number) =>
      Array.from({ length: 10 }, (_, at) =>
        toBytes(
          `data: {"id":"${id}","object":"chat.completion.chunk","created":${created},"model":"up","choices":[{"index":0,"delta":{"content":"w${at}"},"finish_reason":null}]}\n\n`,
        ),
      );
    const outs = [1, 2, 3].map((number) => {
      const patterns = new CountedPatterns(shared);
      const { out } = decode(events(`chatcmpl-${number}`, 1_700_000_000 + number), 'as-is', patterns);
      return [patterns.applied, out.match(new RegExp(`"id":"chatcmpl-${number}"`, 'g'))?.length];
    });
    expect(outs).toEqual([
      [8, 10],
      [9, 10],
      [9, 10],
    ]);
  });

  test('go out in one piece as they came, and in three where one name is another', () => {
    const event = (word: string) =>
      toSlice(
        `data: {"id":"a","object":"x","created":7,"model":"up","choices":[{"index":0,"delta":{"content":"${word}"},"finish_reason":null}]}\n\n`,
      );
    const pieces = (model: string) => {
      const writer = new PassthroughWriter({ model, fallbackId: 'req_1', usage: 'as-is' });
      const decoder = new OpenAiStreamDecoder({ id: 'p', credential: undefined }, writer);
      return ['one', 'two', 'three'].map((word) => decoder.push(event(word))?.list.length).at(-1);
    };
    expect([pieces('up'), pieces('asked')]).toEqual([1, 3]);
  });

  test('and are damaged fail as if they had been read in full', () => {
    fc.assert(
      fc.property(stream, mode, damage, (bytes, usage, how) => {
        const damaged = damagedBy(bytes, how);
        const full = decode([damaged], usage, new EventPatterns(undefined, 0));
        expect(decode([damaged], usage, new CountedPatterns())).toEqual(full);
        expect(decode(cutAt(damaged, endsOf(bytes)), usage, new CountedPatterns())).toEqual(full);
      }),
      { numRuns: 3_000 },
    );
  });

  test('need no reading in full, whatever varies beside the words', () => {
    const event = (word: string, noise: string) =>
      toBytes(
        `data: {"id":"a","created":7,"model":"up","choices":[{"index":0,"delta":{"content":${JSON.stringify(word)}},"finish_reason":null}],"usage":null,"obfuscation":"${noise}"}\n\n`,
      );
    const patterns = new CountedPatterns();
    const events = Array.from({ length: 100 }, (_, at) => event(`w${at}\n"`, `${at * 7}`));
    const { out, answer } = decode([joinBytes(events)], 'strip', patterns);
    expect(patterns.applied).toBe(98);
    expect(answer).toBe(Array.from({ length: 100 }, (_, at) => `w${at}\n"`).join(''));
    expect(out.match(/"model":"asked"/g)).toHaveLength(100);
    expect(out).not.toContain('"usage"');
    expect(out).toContain('"obfuscation":"693"');
  });

  test('are not learned from events that are long, however often they come', () => {
    const patterns = new EventPatterns();
    const long = (letter: string) => `{"a":"${letter.repeat(20_000_000)}"}`;
    const read = () => {
      throw new Error('was looked at');
    };
    for (const text of [long('a'), long('b'), '{"a":"c"}', long('d'), '{"a":"e"}'])
      patterns.learn(text, undefined, read);
  });

  test('are not looked for for ever where there are none', () => {
    const patterns = new EventPatterns();
    let read = 0;
    for (let at = 0; at < 100; at += 1) {
      patterns.learn(`{"a":"${at}"}`, undefined, () => {
        read += 1;
        return undefined;
      });
    }
    expect(read).toBeLessThan(10);
    expect(patterns.apply(toSlice('data: {"a":"x"}\n\n'), new AnswerText())).toBeUndefined();
  });
});
