import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { type FileLine, linesOf } from '../core/line-reader.ts';
import { chunkLines, chunkText, LineChecker } from './batch-line.ts';

async function* inPieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(content: string | Uint8Array, { size = 7, maxBytes = 1_000 } = {}): Promise<FileLine[]> {
  const lines: FileLine[] = [];
  for await (const line of linesOf(inPieces(Buffer.from(content), size), maxBytes)) lines.push(line);
  return lines;
}

describe('lines of a file', () => {
  test('have their numbers, blank ones left out', async () => {
    for (const size of [1, 2, 5, 1_000]) {
      expect(await read('\ufeffone\n\n  \r\ntwo\r\nü', { size })).toEqual([
        { number: 1, text: 'one' },
        { number: 4, text: 'two\r' },
        { number: 5, text: 'ü' },
      ]);
    }
    expect(await read('')).toEqual([]);
  });

  test('that are too long or no text are named, and the others are read', async () => {
    const content = Buffer.concat([
      Buffer.from(`${'x'.repeat(20)}\n`),
      Buffer.from([0xff, 10]),
      Buffer.from('ok'),
    ]);
    expect(await read(content, { size: 3, maxBytes: 10 })).toEqual([
      { number: 1, text: undefined },
      { number: 2, text: undefined },
      { number: 3, text: 'ok' },
    ]);
  });

  test('that are short and many leave turns to others', async () => {
    for (const unit of ['\n', ' \r\n', 'x\n']) {
      let turns = 0;
      const turn = () => {
        turns += 1;
        immediate = setImmediate(turn);
      };
      let immediate = setImmediate(turn);
      const content = Buffer.from(unit.repeat(50_000));
      const count = (await read(content, { size: content.length })).length;
      clearImmediate(immediate);
      expect([unit, count, turns >= 40]).toEqual([unit, unit === 'x\n' ? 50_000 : 0, true]);
    }
  });

  test('are the same however the file is split', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string()), fc.integer({ min: 1, max: 30 }), async (texts, size) => {
        const content = texts.map((text) => text.replaceAll('\n', ' ')).join('\n');
        expect(await read(content, { size })).toEqual(await read(content, { size: 10_000 }));
      }),
      { numRuns: runs(50) },
    );
  });
});

const request = (id: unknown, more: Readonly<Record<string, unknown>> = {}) => ({
  ...{ custom_id: id, method: 'POST', url: '/v1/embeddings', body: { model: 'm', input: 'x' } },
  ...more,
});

describe('a line of a batch', () => {
  const codeOf = (text: string | undefined) => {
    const checked = new LineChecker('/v1/embeddings').check({ number: 7, text });
    return 'code' in checked ? [checked.code, checked.param, checked.line] : undefined;
  };

  test.each([
    ['no JSON', '{', ['invalid_json_line', null, 7]],
    ['a list', '[]', ['invalid_json_line', null, 7]],
    ['text', '"x"', ['invalid_json_line', null, 7]],
    ['too deep', '['.repeat(20_000) + ']'.repeat(20_000), ['invalid_json_line', null, 7]],
    ['unreadable', undefined, ['invalid_json_line', null, 7]],
    ['no id', JSON.stringify(request(undefined)), ['missing_required_parameter', 'custom_id', 7]],
    ['a number as its id', JSON.stringify(request(1)), ['missing_required_parameter', 'custom_id', 7]],
    ['a long id', JSON.stringify(request('x'.repeat(513))), ['invalid_custom_id', 'custom_id', 7]],
    ['a NUL in its id', JSON.stringify(request('a\0')), ['invalid_custom_id', 'custom_id', 7]],
    ['another method', JSON.stringify(request('a', { method: 'GET' })), ['invalid_method', 'method', 7]],
    ['another url', JSON.stringify(request('a', { url: '/v1/other' })), ['mismatched_url', 'url', 7]],
    ['no url', JSON.stringify(request('a', { url: null })), ['missing_required_parameter', 'url', 7]],
    ['no body', JSON.stringify(request('a', { body: 'x' })), ['missing_required_parameter', 'body', 7]],
    ['no model', JSON.stringify(request('a', { body: {} })), ['missing_required_parameter', 'body.model', 7]],
    [
      'a stream',
      JSON.stringify(request('a', { body: { model: 'm', stream: true } })),
      ['invalid_request', 'body.stream', 7],
    ],
  ] as const)('with %s is not valid', (_, text, expected) => {
    expect(codeOf(text)).toEqual([...expected]);
  });

  test('keeps its body as the client wrote it', () => {
    const body = '{ "model": "m",\t"input": "tab\\tand\\nbreak", "seed": 12345678901234567890 }';
    const text = `{"custom_id":"a\\t1","method":"POST","url":"/v1/embeddings","body":${body}}`;
    const line = new LineChecker('/v1/embeddings').check({ number: 3, text });
    if ('code' in line) throw new Error(line.message);
    expect(line).toEqual({ number: 3, customId: 'a\t1', url: '/v1/embeddings', body });
    expect(chunkLines(chunkText([line, { ...line, number: 4 }]))).toEqual([line, { ...line, number: 4 }]);
  });

  test('has the body that its check has read, also where names are escaped or repeated', () => {
    const read = (members: string) => {
      const text = `{"custom_id":"a","method":"POST","url":"/v1/embeddings",${members}}`;
      const line = new LineChecker('/v1/embeddings').check({ number: 1, text });
      return 'code' in line ? line.param : line.body;
    };
    const [first, last] = ['{"model":"first"}', '{"model":"last"}'];
    expect(read(`"bod\\u0079":${last}`)).toBe(last);
    expect(read(`"body":${first},"bod\\u0079":${last}`)).toBe(last);
    expect(read(`"bod\\u0079":${first},"body":${last}`)).toBe(last);
    expect(read(`"body":${first},"\\u0062ody":{"model":"m","stream":true}`)).toBe('body.stream');
    expect(read(`"body":{"model":"m","str\\u0065am":true}`)).toBe('body.stream');
  });

  test('50,000 lines with malformed and repeated ones are checked one by one', async () => {
    const checker = new LineChecker('/v1/embeddings');
    async function* content() {
      for (let at = 1; at <= 50_000; at += 1) {
        const text =
          at % 1_000 === 0 ? '{"custom_id":' : JSON.stringify(request(at % 10_001 === 0 ? 'l1' : `l${at}`));
        yield Buffer.from(`${text}\n`);
      }
    }
    const errors: string[] = [];
    let valid = 0;
    for await (const line of linesOf(content(), 10_000)) {
      const checked = checker.check(line);
      if ('code' in checked) errors.push(`${checked.line} ${checked.code}`);
      else valid += 1;
    }
    expect(errors.filter((one) => one.endsWith('invalid_json_line'))).toHaveLength(50);
    expect(errors.filter((one) => one.endsWith('duplicate_custom_id'))).toEqual([
      '10001 duplicate_custom_id',
      '20002 duplicate_custom_id',
      '30003 duplicate_custom_id',
      '40004 duplicate_custom_id',
    ]);
    expect(valid).toBe(50_000 - 54);
  });
});
