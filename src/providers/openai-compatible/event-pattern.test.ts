import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { joinBytes, splitAtRandom, toBytes, toSlice, toText } from '../../../test/support/bytes.ts';
import { PiecesBuilder } from '../../core/pieces.ts';
import { EventPatterns } from './event-pattern.ts';
import { PassthroughWriter } from './passthrough-writer.ts';
import { OpenAiStreamDecoder } from './stream.ts';

type UsageMode = 'as-is' | 'strip' | 'last';

/** Counts how often an event was handed on without being read in full. */
class CountedPatterns extends EventPatterns {
  applied = 0;

  override apply(...args: Parameters<EventPatterns['apply']>): string | undefined {
    const words = super.apply(...args);
    if (words !== undefined) this.applied += 1;
    return words;
  }
}

function decode(pieces: readonly Uint8Array[], usage: UsageMode, patterns: EventPatterns) {
  const writer = new PassthroughWriter({ model: 'asked', fallbackId: 'req_1', usage });
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
const special = fc.constantFrom(
  'data: {"id":"a","created":7,"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
  'data: {"error":{"message":"no room"}}',
  'data: {"id":"a","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],"error":"no"}',
  ': ping',
  'data: [DONE]',
  'event: ping\ndata:',
);

const stream = vendor.chain((kind) => {
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
});
const mode = fc.constantFrom<UsageMode>('as-is', 'strip', 'last');

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
        const full = decode([bytes], usage, new EventPatterns(0));
        expect(quick).toEqual(full);
        const aligned = new CountedPatterns();
        expect(decode(cutAt(bytes, endsOf(bytes)), usage, aligned)).toEqual(full);
        applied += patterns.applied + aligned.applied;
      }),
      { numRuns: 1_500 },
    );
    expect(applied).toBeGreaterThan(2_000);
  });

  test('and are damaged fail as if they had been read in full', () => {
    const damage = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(10, 13, 34, 92)),
    });
    fc.assert(
      fc.property(stream, mode, damage, (bytes, usage, { at, byte }) => {
        const damaged = Uint8Array.from(bytes);
        damaged[Math.floor(at * (damaged.length - 1))] = byte;
        const full = decode([damaged], usage, new EventPatterns(0));
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
      patterns.learn(text, read);
  });

  test('are not looked for for ever where there are none', () => {
    const patterns = new EventPatterns();
    let read = 0;
    for (let at = 0; at < 100; at += 1) {
      patterns.learn(`{"a":"${at}"}`, () => {
        read += 1;
        return undefined;
      });
    }
    expect(read).toBeLessThan(10);
    expect(patterns.apply(toSlice('data: {"a":"x"}'), new PiecesBuilder())).toBeUndefined();
  });
});
