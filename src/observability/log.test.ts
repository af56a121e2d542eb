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
    createLog({ level: 'info', format: 'json', colour: false, wallTime: () => 1_000, fd, ...options });
  const written = () => readFileSync(join(directory, 'log'), 'utf8').split('\n').slice(0, -1);

  test('writes JSON, all of it before the flush resolves', async () => {
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

  test('writes an error with its code and causes, and none of its other properties', async () => {
    const log = create();
    const cause = Object.assign(new TypeError('inner'), { code: 'ECONNRESET', secret: 's3cret' });
    log.logger.error({ err: new Error('outer', { cause }), request_id: 'r' }, 'failed');
    log.logger.error({ err: 'just text' }, 'failed');
    await log.flush();
    const [line = '', other = ''] = written();
    expect(JSON.parse(line)).toMatchObject({
      ...{ level: 'error', time: '1970-01-01T00:00:01.000Z', msg: 'failed', request_id: 'r' },
      err: {
        type: 'Error',
        message: 'outer',
        stack: expect.stringContaining('log.test.ts'),
        cause: { type: 'TypeError', message: 'inner', code: 'ECONNRESET' },
      },
    });
    expect(line).not.toContain('s3cret');
    expect(JSON.parse(other)).toMatchObject({ err: 'just text' });
  });

  test('writes no credential and no personal data of a failure, and all ids', async () => {
    const log = create();
    const hash = '5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b5aa765d61d8327deb882cf99';
    const error = new Error('no user ada@weir.test', { cause: new Error('key sk-proj-abcDEF1234567890') });
    log.logger.warn({ err: error, hash, file: '/etc/weir.yaml' }, 'rejected ada@weir.test');
    log.request({ ...LINE, request_id: 'req_4111111111111111', reason: 'card 4111 1111 1111 1111' });
    await log.flush();
    const [first = '', second = ''] = written();
    expect(first + second).not.toMatch(/ada@|sk-proj|4111 1111/);
    expect(JSON.parse(first)).toMatchObject({ msg: 'rejected [EMAIL]', hash, file: '/etc/weir.yaml' });
    expect(JSON.parse(second)).toMatchObject({ request_id: 'req_4111111111111111', reason: 'card [CC]' });
  });

  test('gives files the same lines as JSON, whatever the format, and counts what either lost', async () => {
    const lines: [string, boolean][] = [];
    const files = {
      write: (text: string, now: boolean) => lines.push([text, now]),
      flush: () => Promise.resolve(),
      lost: 3,
    };
    const log = create({ format: 'text', files });
    log.logger.warn({ a: 1 }, 'careful');
    log.request(LINE);
    await log.flush();
    expect(lines.map(([text, now]) => [JSON.parse(text).msg, now])).toEqual([
      ['careful', true],
      ['request', false],
    ]);
    expect(log.losses).toEqual({ stdout: 0, files: 3 });
  });

  test('a field that is not serializable does not stop the line', async () => {
    const circular: Record<string, unknown> = { a: 1 };
    circular.self = circular;
    for (const format of ['json', 'text'] as const) {
      const log = create({ format });
      log.logger.warn({ circular }, 'odd');
      log.logger.warn({ big: 1n }, 'odd');
      await log.flush();
    }
    expect(written()).toEqual([
      expect.stringMatching(/^\{"level":"warn".*"not_serializable":".*","msg":"odd"\}$/),
      expect.stringMatching(/^\{"level":"warn".*"not_serializable":".*","msg":"odd"\}$/),
      expect.stringMatching(/^00:00:01 WARN {2}odd circular=\{"not_serializable":".*"\}$/),
      expect.stringMatching(/^00:00:01 WARN {2}odd big=\{"not_serializable":".*"\}$/),
    ]);
  });

  test('writes no line for requests when the level is higher than info', async () => {
    const log = create({ level: 'warn' });
    log.request(LINE);
    log.logger.level = 'info';
    log.request({ ...LINE, status: 201 });
    await log.flush();
    expect(written()).toHaveLength(1);
  });

  test('writes one line of text', async () => {
    const log = create({ format: 'text' });
    log.logger.error({ err: new Error('no "luck"'), path: '/a', text: 'two words' }, 'failed');
    await log.flush();
    expect(written()).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d ERROR failed error="no \\"luck\\"" path=\/a text="two words"$/),
    ]);
  });

  test('colours warnings and errors, when colours are on', async () => {
    const log = create({ format: 'text', colour: true });
    log.logger.info('fine');
    log.logger.warn('careful');
    await log.flush();
    expect(written().map((line) => line.includes('\x1b['))).toEqual([false, true]);
  });
});
