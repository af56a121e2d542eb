import { describe, expect, test } from 'bun:test';
import { toBytes, toText } from '../../../test/support/bytes.ts';
import { OutputBytes } from '../../core/bytes.ts';
import { isRecord } from '../../core/json.ts';
import { PassthroughWriter } from './passthrough-writer.ts';

const USAGE = { prompt_tokens: 3, completion_tokens: 2, x_vendor: 1 };

function writerFor(usage: 'as-is' | 'strip' | 'last' = 'as-is') {
  const writer = new PassthroughWriter({ model: 'asked', fallbackId: 'req_1', usage });
  const write = (text: string, block = `data: ${text}`) => {
    const json: unknown = JSON.parse(text);
    if (!isRecord(json)) throw new Error('a chunk is an object');
    const out = new OutputBytes();
    const isOneLine = block === `data: ${text}`;
    writer.chunk({ block: toBytes(`${block}\n\n`), isOneLine, text, json }, out);
    const pieces = out.take();
    return pieces && toText(pieces);
  };
  const done = (usageSeen: typeof USAGE | undefined) => {
    const out = new OutputBytes();
    writer.done({ usage: usageSeen && { raw: usageSeen }, finishReason: 'stop', chunks: 1 }, out);
    return toText(out.take());
  };
  return { writer, write, done };
}

describe('identity', () => {
  test('the model is the one that was asked for; everything else stays byte for byte', () => {
    const { write } = writerFor();
    const text = '{ "id":"a","created": 7,"model":"up" ,"choices":[ ],"x":12345678901234567890}';
    expect(write(text)).toBe(`data: ${text.replace('"up"', '"asked"')}\n\n`);
  });

  test('id and creation time are the first that came', () => {
    const { write } = writerFor();
    write('{"id":"a","created":7,"model":"up","choices":[]}');
    expect(write('{"id":"b","created":8,"model":"up","choices":[]}')).toBe(
      'data: {"id":"a","created":7,"model":"asked","choices":[]}\n\n',
    );
  });

  test('what is missing is added', () => {
    const { write } = writerFor();
    expect(write('{"choices":[]}')).toBe('data: {"model":"asked","id":"req_1","choices":[]}\n\n');
  });

  test('a known head that is only the beginning of another number or name is no match', () => {
    const { write } = writerFor();
    const chunk = (created: string) =>
      `{"id":"a","object":"o","model":"up","created":${created},"choices":[]}`;
    const wanted = `data: ${chunk('7').replace('"up"', '"asked"')}\n\n`;
    for (const created of ['7', '7', '77', '7.0', '7e1', '7']) {
      const spelled = created === '7.0' ? wanted.replace(':7,', ':7.0,') : wanted;
      expect(write(chunk(created))).toBe(spelled);
    }
  });

  test('events with a known head keep the rest as it came', () => {
    const { write } = writerFor();
    const chunk = (text: string) =>
      `{"id":"a","object":"o","created":7,"model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":${JSON.stringify(text)}}}] }`;
    for (const text of ['one', 'two "{,', '💧']) {
      expect(write(chunk(text))).toBe(`data: ${chunk(text).replace('"up"', '"asked"')}\n\n`);
    }
  });

  test('data over several lines stays data over several lines', () => {
    const { write } = writerFor();
    const text = '{"model":"up",\n"choices":[]}';
    expect(write(text, `data: ${text.replace('\n', '\ndata: ')}`)).toBe(
      'data: {"id":"req_1","model":"asked",\ndata: "choices":[]}\n\n',
    );
  });
});

describe('usage', () => {
  const counts = JSON.stringify(USAGE);
  const only = `{"id":"a","created":7,"model":"asked","choices":[],"usage":${counts}}`;
  const within = `{"id":"a","created":7,"model":"asked","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":"stop"}],"usage":${counts}}`;
  const empty =
    '{"id":"a","created":7,"model":"asked","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":"stop"}],"usage":null}';

  test('as-is forwards unrequested usage', () => {
    const { write, done } = writerFor('as-is');
    for (const text of [empty, within, only]) expect(write(text)).toBe(`data: ${text}\n\n`);
    expect(done(USAGE)).toBe('data: [DONE]\n\n');
  });

  test('strip takes out what only the gateway asked for', () => {
    const { write, done } = writerFor('strip');
    expect(write(empty)).toBe(
      'data: {"id":"a","created":7,"model":"asked","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":"stop"}]}\n\n',
    );
    expect(write(only)).toBeUndefined();
    expect(done(USAGE)).toBe('data: [DONE]\n\n');
  });

  test('strip keeps what an engine reports beside usage, in an event that every client can read', () => {
    const timings = '"timings":{"prompt_n":3,"predicted_per_second":41.5}';
    const { write } = writerFor('strip');
    write(empty);
    expect(
      write(`{"id":"a","created":7,"model":"up","object":"o","choices":[],"usage":${counts},${timings}}`),
    ).toBe(
      `data: {"id":"a","created":7,"model":"asked","object":"o","choices":[{"index":0,"delta":{},"finish_reason":null}],${timings}}\n\n`,
    );
    const legacy = writerFor('strip');
    expect(
      legacy.write(
        `{"id":"a","created":7,"model":"up","object":"text_completion","choices":[],"usage":${counts},${timings}}`,
      ),
    ).toContain('"choices":[{"index":0,"text":"","logprobs":null,"finish_reason":null}]');
  });

  test('last gives it once, at the end, in the event that the upstream sent for it', () => {
    const { write, done } = writerFor('last');
    expect(write(within)).toBe(`data: ${within.replace(counts, 'null')}\n\n`);
    expect(write(only)).toBeUndefined();
    expect(done(USAGE)).toBe(`data: ${only}\n\ndata: [DONE]\n\n`);
  });

  test('last gives usage that came beside text in an event of its own', () => {
    const { write, done } = writerFor('last');
    write(within);
    expect(done(USAGE)).toBe(
      `data: {"id":"a","object":"chat.completion.chunk","created":7,"model":"asked","choices":[],"usage":${counts}}\n\ndata: [DONE]\n\n`,
    );
  });

  test('last without any usage makes none up', () => {
    expect(writerFor('last').done(undefined)).toBe('data: [DONE]\n\n');
  });
});

test('comments are forwarded as they are', () => {
  const out = new OutputBytes();
  writerFor().writer.comment(toBytes(': ping\n\n'), out);
  expect(toText(out.take())).toBe(': ping\n\n');
});

test('an event that needs no edit is the same array', () => {
  const writer = new PassthroughWriter({ model: 'up', fallbackId: 'req_1', usage: 'as-is' });
  const text = '{"id":"a","object":"o","created":7,"model":"up","choices":[]}';
  const json = JSON.parse(text);
  const block = toBytes(`data: ${text}\n\n`);
  const outs = [1, 2].map(() => {
    const out = new OutputBytes();
    writer.chunk({ block, isOneLine: true, text, json }, out);
    return out.take();
  });
  expect(outs[0]).toEqual(block);
  expect(outs[1]).toBe(block);
});
