import { describe, expect, test } from 'bun:test';
import { sendAndCollect } from '../../test/support/transport-collector.ts';
import type { TransportFailure } from '../core/transport.ts';
import { createFetchTransport, type FetchLike } from './fetch-transport.ts';

/** Over in-process handlers; over the network it runs in the conformance suites. */

const request = { method: 'POST', url: 'http://in-process/x', headers: { 'x-a': '1' }, body: 'hi' } as const;
const call = (fetchLike: FetchLike, onHandlerError?: (error: unknown) => void) =>
  sendAndCollect(createFetchTransport(fetchLike, onHandlerError && { onHandlerError }), request);

const failing = (code: string) => Object.assign(new TypeError(`failed: ${code}`), { code });

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('in-process handlers', () => {
  test('serve a request', async () => {
    const result = await call(async (url, init) => {
      const received = new Request(url, init);
      const text = `${received.method} ${received.url} ${received.headers.get('x-a')} ${await received.text()}`;
      return new Response(text, { status: 201, headers: { 'x-b': '2' } });
    }).done;
    expect([result.status, result.headers?.get('x-b'), result.text()]).toEqual([
      201,
      '2',
      'POST http://in-process/x 1 hi',
    ]);
  });

  test('may answer synchronously, and without a body', async () => {
    const result = await call(() => new Response(null, { status: 204 })).done;
    expect([result.status, result.ended, result.body.length]).toEqual([204, true, 0]);
  });

  test('see an abort: the signal before the response, the cancel after it', async () => {
    let signal: AbortSignal | undefined;
    const before = call((_url, init) => {
      signal = init.signal;
      return new Promise(() => undefined);
    });
    await settle();
    before.upstreamCall.abort();
    expect(signal?.aborted).toBe(true);

    const cancelled = Promise.withResolvers<void>();
    const endless = () =>
      new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(new Uint8Array(3)),
        cancel: () => {
          cancelled.resolve();
          throw new Error('a failing cancel must not become an unhandled rejection');
        },
      });
    const after = call(() => new Response(endless()));
    await after.bytes(3);
    after.upstreamCall.abort();
    await cancelled.promise;
    await settle();
    expect([after.result.ended, after.result.error, after.violations()]).toEqual([false, undefined, []]);
  });

  test('that answer after an abort have their body cancelled', async () => {
    const gate = Promise.withResolvers<Response>();
    const cancelled = Promise.withResolvers<void>();
    const aborted = call(() => gate.promise);
    aborted.upstreamCall.abort();
    gate.resolve(new Response(new ReadableStream({ cancel: () => cancelled.resolve() })));
    await cancelled.promise;
    expect([aborted.result.status, aborted.violations()]).toEqual([undefined, []]);
  });

  test('that answer during a pause which ends in an abort, too', async () => {
    const cancelled = Promise.withResolvers<void>();
    const paused = call(() => new Response(new ReadableStream({ cancel: () => cancelled.resolve() })));
    paused.upstreamCall.pause();
    await settle();
    paused.upstreamCall.abort();
    await cancelled.promise;
    expect([paused.result.status, paused.violations()]).toEqual([undefined, []]);
  });

  test('are not read from while paused', async () => {
    let pulls = 0;
    const stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          pulls += 1;
          controller.enqueue(new Uint8Array(1));
          if (pulls === 50) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const slow = call(() => new Response(stream));
    await slow.bytes(1);
    slow.upstreamCall.pause();
    await settle();
    const [before, told] = [pulls, slow.result.body.length];
    await settle();
    expect([pulls, slow.result.body.length]).toEqual([before, told]);
    expect(pulls).toBeLessThan(50);
    slow.upstreamCall.resume();
    expect((await slow.done).body.length).toBe(50);
  });
});

describe('failures', () => {
  test.each<[string, TransportFailure]>([
    ['ECONNREFUSED', 'connect'],
    ['ConnectionRefused', 'connect'],
    ['FailedToOpenSocket', 'connect'],
    ['ENOTFOUND', 'connect'],
    ['EAI_AGAIN', 'connect'],
    ['EPROTO', 'connect'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'connect'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'connect'],
    ['CERT_HAS_EXPIRED', 'connect'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'connect'],
    ['ECONNRESET', 'closed_before_response'],
    ['ETIMEDOUT', 'closed_before_response'],
    ['SomethingNew', 'closed_before_response'],
    ['Malformed_HTTP_Response', 'protocol'],
    ['InvalidContentLength', 'protocol'],
  ])('%s before the head: %s', async (code, failure) => {
    const cause = failing(code);
    const rejected = await call(() => Promise.reject(cause)).done;
    expect([rejected.error?.failure, rejected.error?.cause]).toEqual([failure, cause]);
    const thrown = await call(() => {
      throw cause;
    }).done;
    expect(thrown.error?.failure).toBe(failure);
  });

  test.each<[string, TransportFailure]>([
    ['ECONNRESET', 'closed_mid_body'],
    ['ECONNREFUSED', 'closed_mid_body'],
    ['InvalidHTTPResponse', 'protocol'],
    ['ZlibError', 'protocol'],
  ])('%s after the head: %s', async (code, failure) => {
    const stream = new ReadableStream({ pull: (controller) => controller.error(failing(code)) });
    const result = await call(() => new Response(stream)).done;
    expect([result.status, result.error?.failure]).toEqual([200, failure]);
  });

  test('what is thrown need not be an error', async () => {
    const result = await call(() => Promise.reject('odd')).done;
    expect([result.error?.failure, result.error?.message]).toEqual(['closed_before_response', 'odd']);
  });
});

test('a handler that throws ends its exchange, and is reported', async () => {
  const boom = new Error('boom');
  const faults: unknown[] = [];
  const transport = createFetchTransport(() => new Response('x'), {
    onHandlerError: (error) => faults.push(error),
  });
  const error = await new Promise((resolve) => {
    transport.send(request, {
      onHead: () => undefined,
      onData: () => {
        throw boom;
      },
      onEnd: () => resolve('ended'),
      onError: resolve,
    });
  });
  expect(error).toMatchObject({ failure: 'closed_mid_body', cause: boom });
  const ends = Promise.withResolvers<void>();
  transport.send(request, {
    onHead: () => undefined,
    onData: () => undefined,
    onEnd: () => {
      ends.resolve();
      throw boom;
    },
    onError: () => faults.push('onError after onEnd'),
  });
  await ends.promise;
  await settle();
  expect(faults).toEqual([boom, boom]);
});

test('a coding that the runtime has decoded is not reported', async () => {
  const { promise, resolve } = Promise.withResolvers<readonly (string | null)[]>();
  const transport = createFetchTransport(
    () => new Response('decoded', { headers: { 'content-encoding': 'gzip', 'x-a': '1' } }),
  );
  transport.send(
    { method: 'GET', url: 'http://upstream.test/', headers: {} },
    {
      onHead: (_, headers) => resolve([headers.get('content-encoding'), headers.get('x-a')]),
      onData: () => undefined,
      onEnd: () => undefined,
      onError: () => resolve([]),
    },
  );
  expect(await promise).toEqual([null, '1']);
});
