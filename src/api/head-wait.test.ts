import { expect, test } from 'bun:test';
import { testRequest } from '../../test/support/pipeline.ts';
import { DeadlineMonitor } from '../dispatch/deadlines.ts';
import { NO_CONTROLS } from '../dispatch/request.ts';
import { HeadWait } from './head-wait.ts';

function create(headAfterMs: number) {
  let now = 0;
  const deadlines = new DeadlineMonitor(
    () => now,
    () => () => undefined,
  );
  const { request } = testRequest();
  const wait = new HeadWait(request, deadlines, () => now, headAfterMs);
  const { promise, resolve } = Promise.withResolvers<{ readonly done: true }>();
  const result = wait.race(promise);
  const at = (time: number) => {
    now = time;
    deadlines.sweep();
  };
  const parsed = (stream: boolean) => {
    request.controls = { ...NO_CONTROLS, model: 'm', stream };
  };
  return { request, at, parsed, resolve: () => resolve({ done: true }), result };
}

test('a stream that stays silent gets its head', async () => {
  const { at, parsed, result } = create(5_000);
  parsed(true);
  at(5_000);
  expect(await result).toBe('silent');
});

test('a response in time is the response, and so is one of a plain request', async () => {
  const early = create(5_000);
  early.parsed(true);
  early.at(4_999);
  early.resolve();
  expect(await early.result).toEqual({ done: true });
  const plain = create(5_000);
  plain.parsed(false);
  plain.request.routing.onSlowStart?.();
  plain.at(60_000);
  plain.resolve();
  expect(await plain.result).toEqual({ done: true });
});

test('a stream whose engine loads gets its head after three seconds', async () => {
  const { request, at, parsed, result } = create(Number.POSITIVE_INFINITY);
  parsed(true);
  at(1_000);
  request.routing.onSlowStart?.();
  at(4_000);
  expect(await result).toBe('loading');
});

test('a body that is still arriving is waited for', async () => {
  const { at, parsed, result } = create(1_000);
  at(1_000);
  parsed(true);
  at(1_500);
  at(2_000);
  expect(await result).toBe('silent');
});
