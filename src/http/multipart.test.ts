import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { boundaryOf, formParts, textOfPart } from './multipart.ts';

async function* inPieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(body: string | Buffer, size = 7) {
  const parts: { name: string; filename: string | undefined; text: string }[] = [];
  for await (const part of formParts(inPieces(Buffer.from(body), size), 'b')) {
    parts.push({ name: part.name, filename: part.filename, text: await textOfPart(part) });
  }
  return parts;
}

const part = (head: string, content: string) => `--b\r\n${head}\r\n\r\n${content}\r\n`;
const field = (name: string, content: string) =>
  part(`Content-Disposition: form-data; name="${name}"`, content);

describe('a form', () => {
  test('has its fields and files, however it is split', async () => {
    const body = `${field('purpose', 'batch')}${part('content-type: text/plain\r\ncontent-disposition: form-data; name="file"; filename="a \\"b\\".jsonl"', 'one\r\n--c\r\ntwo')}--b--\r\n`;
    for (const size of [1, 2, 3, 10, 1_000]) {
      expect(await read(body, size)).toEqual([
        { name: 'purpose', filename: undefined, text: 'batch' },
        { name: 'file', filename: 'a "b".jsonl', text: 'one\r\n--c\r\ntwo' },
      ]);
    }
  });

  test('of the runtime is read', async () => {
    const form = new FormData();
    form.set('purpose', 'batch');
    form.set('file', new File(['{"a":1}\n'], 'ü.jsonl'));
    const request = new Request('http://localhost', { method: 'POST', body: form });
    const boundary = boundaryOf(request.headers.get('content-type')) ?? '';
    const found: string[] = [];
    for await (const one of formParts(inPieces(Buffer.from(await request.arrayBuffer()), 11), boundary)) {
      found.push(`${one.name} ${one.filename} ${await textOfPart(one)}`);
    }
    expect(found).toEqual(['purpose undefined batch', 'file ü.jsonl {"a":1}\n']);
  });

  test('with any content is read as it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.integer({ min: 1, max: 40 }), async (content, size) => {
        fc.pre(!content.includes('\r\n--b'));
        expect(await read(`${field('a', content)}--b--`, size)).toEqual([
          { name: 'a', filename: undefined, text: content },
        ]);
      }),
      { numRuns: runs(100) },
    );
  });

  test.each([
    ['nothing', ''],
    ['no boundary', 'abc'],
    ['a part without an end', field('a', 'x')],
    ['a part without headers', '--b\r\n\r\nx\r\n--b--'],
    ['no name', part('content-disposition: form-data', 'x')],
    ['another disposition', part('content-disposition: attachment; name="a"', 'x')],
    ['text after a boundary', '--bx\r\n'],
    ['headers that are too long', part(`x: ${'y'.repeat(9_000)}`, 'x')],
    ['too many parts', `${field('a', 'x').repeat(101)}--b--`],
    ['a field that is too long', `${field('a', 'x'.repeat(70_000))}--b--`],
  ])('is rejected with %s', async (_, body) => {
    await expect(read(body, 100)).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

test('the boundary is that of the content type', () => {
  expect(boundaryOf('multipart/form-data; boundary=abc')).toBe('abc');
  expect(boundaryOf('multipart/form-data; charset=utf-8; boundary="a b"')).toBe('a b');
  for (const other of [
    null,
    'application/json',
    'multipart/form-data',
    `multipart/form-data; boundary=${'x'.repeat(71)}`,
  ]) {
    expect(boundaryOf(other)).toBeUndefined();
  }
});
