import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../core/errors.ts';
import { ObjectMissingError } from '../platform/object-storage/object-storage.ts';
import type { Batch } from './batch.ts';
import { BatchResults, type LineResult, type ResultOutcome, type ResultPlace } from './batch-results.ts';

const BATCH: Batch = {
  ...{
    id: 'batch_1',
    tenant: 'acme',
    keyId: 'key_1',
    member: null,
    form: 'file',
    endpoint: '/v1/embeddings',
  },
  ...{ caller: { kind: 'key', name: 'k', address: '192.0.2.1' }, status: 'completed', metadata: null },
  ...{
    inputFile: 'in',
    outputFile: 'out',
    errorFile: 'err',
    errors: [],
    forwarding: null,
    models: ['m'],
    unpriced: 0,
  },
  ...{ total: 5, completed: 3, failed: 2, unfinished: 1, inputTokens: 0, outputTokens: 0, costPico: 0n },
  ...{ completionWindow: '24h', createdAt: 0, expiresAt: 1, startedAt: 0, finalizingAt: 0 },
  ...{ cancellingAt: null, endedAt: 1 },
};

const line = (number: number, status: number, body: unknown) =>
  JSON.stringify({
    ...{ id: `batch_req_${number}`, custom_id: `ü${number}`, error: null },
    response: { status_code: status, request_id: `batch_1-${number}`, body, cost_usd: '0.001' },
  });
const FILES: Readonly<Record<string, string>> = {
  out: `${[1, 3, 4].map((number) => line(number, 200, { text: 'ö'.repeat(number) })).join('\n')}\n`,
  // Without a line break at its end, as another program may write it.
  err: [
    line(2, 418, { error: { code: 'teapot', message: 'short' } }),
    JSON.stringify({ custom_id: 'ü5', response: null, error: { code: 'batch_cancelled', message: '' } }),
  ].join('\n'),
  messages: [
    { custom_id: 'a', result: { type: 'succeeded', message: { content: [] } } },
    { custom_id: 'b', result: { type: 'errored', error: { type: 'error', error: { type: 'api_error' } } } },
    { custom_id: 'c', result: { type: 'canceled' } },
  ]
    .map((value) => JSON.stringify(value))
    .join('\n'),
};

/** @param size of the pieces in which contents arrive, in bytes */
function reader(size: number) {
  return new BatchResults(
    {
      use: () => {
        throw new Error('a batch that has ended is read from its files');
      },
    },
    {
      open: async ({ id }) => {
        const text = FILES[id];
        if (text === undefined) throw new ObjectMissingError('the test', id);
        const bytes = new TextEncoder().encode(text);
        return (async function* () {
          for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
        })();
      },
    },
  );
}

async function all(batch: Batch, limit: number, size: number, outcome?: ResultOutcome) {
  const pages: (readonly LineResult[])[] = [];
  for (let after: ResultPlace | undefined; ; ) {
    const { results, next } = await reader(size).page(batch, { outcome, after, limit });
    pages.push(results);
    if (!next) return pages;
    after = next;
  }
}

describe('results of a batch that has ended', () => {
  test('are read page by page, however the files arrive', async () => {
    for (const size of [1, 2, 7, 100_000]) {
      for (const limit of [1, 2, 5]) {
        const results = (await all(BATCH, limit, size)).flat();
        expect(results.map((one) => [one.line, one.customId, one.status, one.error])).toEqual([
          [1, 'ü1', 200, null],
          [3, 'ü3', 200, null],
          [4, 'ü4', 200, null],
          [2, 'ü2', 418, 'teapot'],
          [null, 'ü5', null, 'batch_cancelled'],
        ]);
        expect(results[1]?.body).toEqual({ text: 'ööö' });
        expect(results[1]?.cost).toBe('0.001');
      }
    }
  });

  test('are those of one outcome only', async () => {
    const ids = async (outcome: ResultOutcome) =>
      (await all(BATCH, 2, 9, outcome)).map((page) => page.map(({ customId }) => customId));
    expect(await ids('completed')).toEqual([['ü1', 'ü3'], ['ü4']]);
    expect(await ids('failed')).toEqual([['ü2', 'ü5']]);
  });

  test('of Anthropic’s form are in one file', async () => {
    const batch: Batch = { ...BATCH, form: 'messages', outputFile: 'messages', errorFile: null };
    const shown = (await all(batch, 2, 11)).flat().map((one) => [one.customId, one.status, one.error]);
    expect(shown).toEqual([
      ['a', 200, null],
      ['b', null, 'api_error'],
      ['c', null, 'canceled'],
    ]);
    expect((await all(batch, 9, 11, 'failed')).flat().map(({ customId }) => customId)).toEqual(['b', 'c']);
  });

  test('are none without files; a deleted file and a place of another state are errors', async () => {
    const none = { ...BATCH, outputFile: null, errorFile: null };
    expect(await all(none, 5, 5)).toEqual([[]]);
    const code = (batch: Batch, after?: ResultPlace) =>
      reader(5)
        .page(batch, { outcome: undefined, after, limit: 5 })
        .then(
          () => 'none',
          (error: unknown) => (error instanceof GatewayError ? error.code : error),
        );
    expect(await code({ ...BATCH, outputFile: 'gone' })).toBe('not_found');
    expect(await code(BATCH, { line: 4 })).toBe('invalid_request');
    expect(await code({ ...BATCH, status: 'in_progress' }, { file: 'error', at: 0 })).toBe('invalid_request');
  });
});
