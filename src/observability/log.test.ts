import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, type LogOptions, type RequestLine } from './log.ts';

const LINE: RequestLine = {
  ...{ request_id: 'r', tenant: 't', key: 'k', route: '/v1', model: undefined, provider: undefined },
  ...{ upstream_model: undefined, variant: undefined, stream: false, status: 200, outcome: 'done' },
  ...{
    attempts: 1,
    queued_ms: undefined,
    loading_ms: undefined,
    duration_ms: 1.5,
    first_event_ms: undefined,
  },
  ...{ input_tokens: undefined, output_tokens: undefined, finish_reason: undefined },
  ...{ error: undefined, reason: undefined },
};

describe('createLog', () => {
  let directory = '';
  let fd = 0;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'weir-log-'));
    fd = openSync(join(directory, 'log'), 'w');
  });
  afterEach(() => {
    // The descriptor stays open: the log goes on flushing to it, and another file could get its number.
    rmSync(directory, { recursive: true });
  });
  const create = (options: Partial<LogOptions> = {}) =>
    createLog({ level: 'info', format: 'json', colour: false, fd, ...options });
  const written = () => readFileSync(join(directory, 'log'), 'utf8').split('\n').slice(0, -1);

  test('writes JSON for machines, all of it by the flush', async () => {
    const log = create();
    log.logger.warn({ a: 1 }, 'hello');
    log.logger.debug('not this');
    log.request({ ...LINE, reason: 'said "no"' });
    await log.flush();
    const lines = written().map((line): unknown => JSON.parse(line));
    expect(lines).toMatchObject([
      { level: 'warn', msg: 'hello', a: 1 },
      { level: 'info', msg: 'request', request_id: 'r', status: 200, duration_ms: 1.5, reason: 'said "no"' },
    ]);
    expect(lines[1]).not.toHaveProperty('model');
    expect(JSON.stringify(lines)).not.toMatch(/"(?:pid|hostname)"/);
  });

  test('writes no line for requests at a level above', async () => {
    const log = create({ level: 'warn' });
    log.request(LINE);
    log.logger.level = 'info';
    log.request({ ...LINE, status: 201 });
    await log.flush();
    expect(written()).toHaveLength(1);
  });

  test('writes one line of text for people', async () => {
    const log = create({ format: 'text' });
    log.logger.error({ err: new Error('no "luck"'), path: '/a', text: 'two words' }, 'failed');
    await log.flush();
    expect(written()).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d ERROR failed error="no \\"luck\\"" path=\/a text="two words"$/),
    ]);
  });

  test('paints only what deserves it, and only when asked to', async () => {
    const log = create({ format: 'text', colour: true });
    log.logger.info('calm');
    log.logger.warn('careful');
    await log.flush();
    expect(written().map((line) => line.includes('\x1b['))).toEqual([false, true]);
  });
});
