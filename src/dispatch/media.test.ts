import { describe, expect, test } from 'bun:test';
import type { DownloadLimits } from '../platform/guarded-download.ts';
import { type DownloadFile, GuardedMediaFetcher } from './media.ts';

const LIMITS: DownloadLimits = { maxBytes: 1_000, timeoutMs: 1_000, allowedHosts: [] };
const signal = new AbortController().signal;
const urls = (count: number) => Array.from({ length: count }, (_, index) => `https://files.test/${index}`);

/** A fetcher whose files have this size, and the number of downloads. */
function fetching(bytes: number) {
  const calls: string[] = [];
  const download: DownloadFile = async (url) => {
    calls.push(url);
    return { mediaType: 'image/png', bytes: new Uint8Array(bytes) };
  };
  return { fetcher: new GuardedMediaFetcher(() => LIMITS, download), calls };
}

describe('files of one request', () => {
  test('are downloaded', async () => {
    const { fetcher } = fetching(3);
    const media = await fetcher.fetch(urls(20), signal);
    expect([media.size, media.get('https://files.test/7')]).toEqual([
      20,
      { mediaType: 'image/png', data: 'AAAA' },
    ]);
  });

  test('are at most twenty', async () => {
    const { fetcher, calls } = fetching(3);
    await expect(fetcher.fetch(urls(21), signal)).rejects.toMatchObject({ code: 'invalid_request' });
    expect(calls).toEqual([]);
  });

  test('are at most four times the largest file together', async () => {
    const { fetcher, calls } = fetching(1_000);
    expect((await fetcher.fetch(urls(4), signal)).size).toBe(4);
    calls.length = 0;
    await expect(fetcher.fetch(urls(20), signal)).rejects.toThrow('larger than 4000 bytes together');
    expect(calls.length).toBeLessThan(10);
  });
});
