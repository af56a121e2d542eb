import { expect, test } from 'bun:test';
import { LiveFeed } from '../../pipeline/live-feed.ts';
import type { LoggedSummary } from '../../storage/logged-request.ts';
import { LiveStream } from './live-stream.ts';

const SUMMARY: LoggedSummary = {
  ...{ id: 'r', at: '', tenant: 't', key: 'k', user: null, model: 'm', provider: 'p', upstream_model: 'u' },
  ...{ operation: 'chat', tags: [], status: 200, error: null, outcome: 'done', attempts: 1, input_tokens: 2 },
  ...{ output_tokens: 3, cached_tokens: 0, reasoning_tokens: 0, cost: '0', estimated: false, duration_ms: 1 },
  ...{ first_event_ms: null, trace_id: null, count: 1 },
};

/** A stream whose reader takes what it gets, until it is full. */
function watched(filter: { readonly errorsOnly?: boolean; readonly model?: string } = {}) {
  const feed = new LiveFeed();
  const stream = new LiveStream(
    feed,
    'user:a',
    () => true,
    { errorsOnly: false, ...filter },
    () => 0,
  );
  const written: string[] = [];
  let isFull = false;
  let ended = false;
  stream.body.pipe({
    write: (bytes) => {
      written.push(new TextDecoder().decode(bytes));
      return !isFull;
    },
    end: () => {
      ended = true;
    },
  });
  return {
    ...{ feed, stream, written },
    fill: (value: boolean) => {
      isFull = value;
      if (!value) stream.body.ready();
    },
    hasEnded: () => ended,
    count: (event: string) => written.filter((text) => text.includes(`event: ${event}\n`)).length,
  };
}

test('totals have every request, of which 50 each second are sent', () => {
  const { stream, written, count } = watched();
  for (let index = 0; index < 80; index += 1) stream.completed(SUMMARY, 1_000_000_000_000);
  stream.tick();
  expect(count('request')).toBe(50);
  expect(written.at(-1)).toContain(
    '"requests":80,"errors":0,"input_tokens":160,"output_tokens":240,"cost":"80"',
  );
  expect(written.at(-1)).toContain('"skipped":30');
  stream.completed(SUMMARY, undefined);
  expect(count('request')).toBe(51);
});

test('a reader that is full gets nothing until it has room, and then what was missed is in the totals', () => {
  const { stream, written, fill, count } = watched();
  fill(true);
  stream.completed(SUMMARY, 1);
  for (let second = 0; second < 5; second += 1) {
    stream.completed(SUMMARY, 1);
    stream.tick();
  }
  expect([count('request'), count('totals')]).toEqual([1, 0]);
  fill(false);
  stream.tick();
  expect(written.at(-1)).toContain('"requests":6');
});

test('a reader that stays full for ten seconds is cut off', () => {
  const { feed, stream, fill, hasEnded, written } = watched();
  fill(true);
  stream.completed(SUMMARY, 1);
  const before = written.length;
  for (let second = 0; second < 10; second += 1) {
    expect(feed.size).toBe(1);
    feed.tick();
  }
  expect([feed.size, hasEnded(), written.length]).toEqual([0, true, before]);
});

test('a stream ends after five minutes, with its client, and with the gateway', () => {
  const old = watched();
  for (let second = 0; second < 300; second += 1) old.feed.tick();
  expect([old.feed.size, old.hasEnded(), old.count('end')]).toEqual([0, true, 1]);
  const left = watched();
  left.stream.body.cancel();
  expect(left.feed.size).toBe(0);
  const closed = watched();
  closed.feed.close();
  expect([closed.feed.size, closed.hasEnded()]).toEqual([0, true]);
});

test('filters by model, and by errors', () => {
  const { stream, count } = watched({ errorsOnly: true, model: 'm' });
  stream.completed(SUMMARY, 1);
  stream.completed({ ...SUMMARY, status: 499 }, 1);
  stream.completed({ ...SUMMARY, status: 503, model: 'other' }, 1);
  stream.completed({ ...SUMMARY, status: 503 }, 1);
  expect(count('request')).toBe(1);
});

test('each caller has at most ten streams', () => {
  const feed = new LiveFeed();
  const open = (actor: string) =>
    new LiveStream(
      feed,
      actor,
      () => true,
      { errorsOnly: false },
      () => 0,
    );
  for (let index = 0; index < 10; index += 1) open('user:a');
  expect(() => open('user:a')).toThrow('You have 10');
  for (let index = 0; index < 90; index += 1) open(`user:${index}`);
  expect(() => open('user:z')).toThrow('This gateway has 100');
  expect(feed.size).toBe(100);
});
