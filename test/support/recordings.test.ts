import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toText } from './bytes.ts';
import { describeRecordings } from './describe-recordings.ts';
import { eventData, parseEventStream } from './event-stream.ts';
import {
  isEventStream,
  loadRecordedCalls,
  recordedCallTitle,
  recordingsFolder,
  requestJson,
  responseJson,
} from './recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-test-recordings-'));
afterAll(() => rmSync(folder, { recursive: true }));

const stream = { 'Content-Type': 'text/event-stream; charset=utf-8' };
const plain = { 'content-type': 'application/json' };
mkdirSync(join(folder, 'acme'));
mkdirSync(join(folder, 'zeta'));
writeFileSync(join(folder, 'README.md'), 'not a provider');
writeFileSync(
  join(folder, 'acme', 'two.json'),
  JSON.stringify({
    provider: 'acme',
    name: 'two',
    exchanges: [
      {
        request: { method: 'POST', path: '/v1/chat', headers: plain, body: { model: 'm' } },
        response: { status: 200, headers: stream, body: 'data: é\n\n' },
      },
      {
        request: { method: 'GET', path: '/v1/models', query: { key: 'k' }, headers: {}, body: null },
        response: { status: 200, headers: plain, body: '{"data":[]}' },
      },
    ],
  }),
);
writeFileSync(
  join(folder, 'zeta', 'binary.json'),
  JSON.stringify({
    provider: 'zeta',
    name: 'binary',
    exchanges: [
      {
        request: { method: 'POST', path: '/v1/chat', headers: {}, body: '{"as":"text"}' },
        response: { status: 200, headers: {}, bodyBase64: 'AP8=' },
      },
    ],
  }),
);

describe('loadRecordedCalls', () => {
  test('flattens recordings in order and brings bodies into one form', () => {
    const recordedCalls = loadRecordedCalls({}, folder);
    expect(recordedCalls.map(recordedCallTitle)).toEqual(['acme/two#0', 'acme/two#1', 'zeta/binary#0']);
    const [chat, models, binary] = recordedCalls;
    if (!chat || !models || !binary) throw new Error('three exchanges were expected');
    expect(requestJson(chat)).toEqual({ model: 'm' });
    expect(isEventStream(chat)).toBe(true);
    expect(toText(chat.response.body)).toBe('data: é\n\n');
    expect(() => responseJson(chat)).toThrow('response of acme/two#0 is not JSON');
    expect(models.request).toMatchObject({ query: { key: 'k' }, body: '' });
    expect(isEventStream(models)).toBe(false);
    expect(responseJson(models)).toEqual({ data: [] });
    expect(binary.response.body).toEqual(new Uint8Array([0, 255]));
    expect(requestJson(binary)).toEqual({ as: 'text' });
  });

  test('filters by provider and by the end of the path', () => {
    expect(loadRecordedCalls({ providers: ['zeta'] }, folder)).toHaveLength(1);
    expect(loadRecordedCalls({ pathEndsWith: '/models' }, folder)).toHaveLength(1);
    expect(loadRecordedCalls({ providers: ['acme'], pathEndsWith: '/embeddings' }, folder)).toEqual([]);
  });

  test('a provider without a folder is a mistake, no folder at all is not', () => {
    expect(() => loadRecordedCalls({ providers: ['amce'] }, folder)).toThrow('"amce"');
    expect(loadRecordedCalls({ providers: ['acme'] }, null)).toEqual([]);
  });

  test('a file that is not a recording is named', () => {
    const broken = mkdtempSync(join(tmpdir(), 'weir-test-recordings-'));
    mkdirSync(join(broken, 'acme'));
    writeFileSync(join(broken, 'acme', 'odd.json'), '{"provider":"acme"}');
    expect(() => loadRecordedCalls({}, broken)).toThrow(/odd\.json: not a recording/);
    rmSync(broken, { recursive: true });
  });

  test('WEIR_RECORDINGS wins, and must exist', () => {
    expect(recordingsFolder({ WEIR_RECORDINGS: folder })).toBe(folder);
    expect(() => recordingsFolder({ WEIR_RECORDINGS: join(folder, 'absent') })).toThrow('WEIR_RECORDINGS');
  });
});

describeRecordings(
  'recorded event streams of OpenAI-compatible providers',
  {
    providers: ['openai', 'groq', 'deepseek', 'mistral', 'openrouter', 'llamacpp'],
    pathEndsWith: '/chat/completions',
    where: isEventStream,
  },
  (recordedCalls) => {
    test.each(recordedCalls.map((recordedCall) => [recordedCallTitle(recordedCall), recordedCall] as const))(
      '%s',
      (_, recordedCall) => {
        expect(requestJson(recordedCall)).toMatchObject({ stream: true });
        expect(parseEventStream(recordedCall.response.body).unterminated).toBe(false);
        const data = eventData(recordedCall.response.body);
        expect(data.at(-1)).toBe('[DONE]');
        for (const chunk of data.slice(0, -1)) expect(JSON.parse(chunk)).toHaveProperty('object');
      },
    );
  },
);
