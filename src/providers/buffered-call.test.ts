import { describe, expect, test } from 'bun:test';
import zlib from 'node:zlib';
import { toText } from '../../test/support/bytes.ts';
import { answering, FakeTransport } from '../../test/support/fake-transport.ts';
import { testProvider } from '../../test/support/inference.ts';
import { fetchModels, sendBuffered } from './buffered-call.ts';

const request = { method: 'GET', url: 'http://upstream.test/', headers: {} } as const;
const LONG = 60_000;

describe('sendBuffered', () => {
  test('gives status, headers and the whole body', async () => {
    const transport = new FakeTransport((recordedCall) => {
      recordedCall.head(201, { 'x-a': '1' });
      recordedCall.data('he');
      recordedCall.data('llo');
      recordedCall.end();
    });
    const { status, headers, body } = await sendBuffered(testProvider({ transport }), request, LONG);
    expect([status, headers.get('x-a'), toText(body)]).toEqual([201, '1', 'hello']);
  });

  test('fails when the upstream can’t be reached', async () => {
    const transport = new FakeTransport((recordedCall) => recordedCall.fail('connect'));
    await expect(sendBuffered(testProvider({ transport }), request, LONG)).rejects.toMatchObject({
      code: 'upstream_unreachable',
      details: { provider: 'p' },
    });
  });

  test('gives up when nothing comes in time', async () => {
    const transport = new FakeTransport();
    const output = sendBuffered(testProvider({ transport }), request, 1);
    await expect(output).rejects.toThrow('did not respond within 1 ms');
    expect(transport.last.state).toBe('aborted');
  });

  test('gives up on an endless body', async () => {
    const transport = new FakeTransport((recordedCall) => {
      recordedCall.head();
      while (recordedCall.open) recordedCall.data(new Uint8Array(4 * 1024 * 1024));
    });
    const output = sendBuffered(testProvider({ transport }), request, LONG);
    await expect(output).rejects.toThrow('sent a body of more than');
    expect([transport.last.state, transport.last.aborts]).toEqual(['aborted', 1]);
  });
});

describe('a compressed body', () => {
  const respondWith = (encoding: string, body: Uint8Array) =>
    sendBuffered(
      testProvider({ transport: answering(200, body, { 'content-encoding': encoding }) }),
      request,
      LONG,
      1_000_000,
    );

  test('is decoded', async () => {
    expect(toText((await respondWith('gzip', zlib.gzipSync('models'))).body)).toBe('models');
    expect(toText((await respondWith('zstd', zlib.zstdCompressSync('models'))).body)).toBe('models');
  });

  test('is bounded, and must be what its header says', async () => {
    const bomb = respondWith('gzip', zlib.gzipSync(new Uint8Array(64 * 1024 * 1024)));
    await expect(bomb).rejects.toThrow('sent more than 1000000 bytes');
    await expect(respondWith('gzip', new Uint8Array([1, 2, 3]))).rejects.toThrow('not valid gzip');
    await expect(respondWith('pack200', new Uint8Array([1]))).rejects.toThrow('unknown content encoding');
  });
});

describe('fetchModels', () => {
  test('asks with the credential', async () => {
    const transport = answering(200, '{"data":[{"id":"a","owned_by":"o"}]}');
    expect(await fetchModels(testProvider({ transport, credential: 'k' }), LONG)).toEqual([
      { id: 'a', ownedBy: 'o' },
    ]);
    expect(transport.last.request.headers.authorization).toBe('Bearer k');
  });

  test('takes no more models, and no longer names, than can be used', async () => {
    const data = [
      { id: 'x'.repeat(513) },
      ...Array.from({ length: 20_000 }, (_, index) => ({ id: `m${index}` })),
    ];
    const models = await fetchModels(
      testProvider({ transport: answering(200, JSON.stringify({ data })) }),
      LONG,
    );
    expect([models.length, models[0]?.id]).toEqual([10_000, 'm0']);
  });

  test('explains a refusal', async () => {
    const transport = answering(401, '{"error":{"message":"no"}}');
    await expect(fetchModels(testProvider({ transport }), LONG)).rejects.toMatchObject({
      code: 'upstream_auth_failed',
    });
  });
});
