import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import type OpenAI from 'openai';
import { toFile } from 'openai';
import { isRecord } from '../../src/core/json.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { status } from '../support/scripts.ts';
import { completion, eventually, expectError, mockConfig, post, weir } from './harness.ts';
import { done } from './helpers/admin.ts';

const PRICES = [{ model: 'upstream-chat', input: '1', output: '10', batch: '0.5' }];
/** 3 input and 2 output tokens at half the price. */
const LINE_COST = '0.0000115';
const WAIT_MS = 30_000;

let mock: MockUpstream;
let gateway: Gateway;
let openai: OpenAI;

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways(completion());
  mock.when(
    (request) => request.text().includes('teapot'),
    status(418, '{"error":{"message":"short and stout","type":"invalid_request_error"}}'),
  );
  gateway = await startGateway({
    config: mockConfig(mock.url, { prices: PRICES, batches: { max_lines: 2_000 } }),
  });
  openai = gateway.openai();
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

const line = (customId: string, content = 'Hi', model = 'chat') =>
  JSON.stringify({
    ...{ custom_id: customId, method: 'POST', url: '/v1/chat/completions' },
    body: { model, messages: [{ role: 'user', content }] },
  });

const upload = async (text: string, client = openai) =>
  client.files.create({ file: await toFile(Buffer.from(text), 'input.jsonl'), purpose: 'batch' });

const create = async (text: string) =>
  openai.batches.create({
    input_file_id: (await upload(text)).id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
    metadata: { team: 'search' },
  });

/** @returns the status of an SDK's error; 200 without one */
async function statusOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    await call;
    return 200;
  } catch (error) {
    return isRecord(error) ? error.status : error;
  }
}

/** @returns a client of a tenant of its own */
async function clientOf(tenant: string, limits: readonly unknown[] = []): Promise<OpenAI> {
  await done(gateway, 'POST', '/tenants', { id: tenant, limits });
  const { key } = await done(gateway, 'POST', `/tenants/${tenant}/keys`, { name: 'k' });
  return gateway.openai({ apiKey: String(key) });
}

const ENDED = ['completed', 'failed', 'cancelled', 'expired'];

async function ended(id: string): Promise<OpenAI.Batch> {
  let batch = await openai.batches.retrieve(id);
  await eventually(
    'the batch ends',
    async () => {
      batch = await openai.batches.retrieve(id);
      return ENDED.includes(batch.status);
    },
    WAIT_MS,
  );
  return batch;
}

async function linesOf(file: string | null | undefined): Promise<Record<string, unknown>[]> {
  if (!file) return [];
  const text = await (await openai.files.content(file)).text();
  return text
    .split('\n')
    .filter((one) => one !== '')
    .map((one) => {
      const parsed: unknown = JSON.parse(one);
      if (!isRecord(parsed)) throw new Error(one);
      return parsed;
    });
}

describe('files', () => {
  test('are uploaded, listed, read and deleted', async () => {
    const file = await upload('{"a":1}\n');
    expect(file).toMatchObject({ object: 'file', bytes: 8, filename: 'input.jsonl', purpose: 'batch' });
    expect(file.id).toMatch(/^file-[0-9a-f]{32}$/);
    expect(await (await openai.files.content(file.id)).text()).toBe('{"a":1}\n');
    expect((await openai.files.retrieve(file.id)).id).toBe(file.id);
    const second = await upload('second');
    const page = await openai.files.list({ limit: 1 });
    expect([page.data.map(({ id }) => id), page.has_more]).toEqual([[second.id], true]);
    const next = await openai.files.list({ limit: 1, after: second.id });
    expect(next.data.map(({ id }) => id)).toEqual([file.id]);
    expect(await openai.files.delete(file.id)).toMatchObject({ id: file.id, deleted: true });
    expect(await statusOf(openai.files.retrieve(file.id))).toBe(404);
  });

  test('belong to their tenant', async () => {
    const { id } = await upload('mine');
    const other = await clientOf('other-files');
    expect(await statusOf(other.files.retrieve(id))).toBe(404);
    expect(await statusOf(other.files.content(id))).toBe(404);
    expect(await statusOf(other.files.delete(id))).toBe(404);
    expect((await other.files.list()).data).toEqual([]);
  });

  test('whose content is lost, or cannot be stored, are no defect of the gateway', async () => {
    const { id } = await upload('lost');
    const folder = join(gateway.dataDir, 'files', 'files');
    rmSync(join(folder, id));
    expect(await statusOf(openai.files.content(id))).toBe(404);
    expect(await statusOf(openai.files.delete(id))).toBe(200);
    const away = `${folder}-away`;
    renameSync(folder, away);
    writeFileSync(folder, 'a file where the folder was');
    try {
      expect(await statusOf(upload('x'))).toBe(503);
    } finally {
      rmSync(folder);
      renameSync(away, folder);
    }
    expect(gateway.logs().filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('are rejected where they are no sound form', async () => {
    const send = (body: string, type: string) =>
      post(gateway, body, { path: '/v1/files', headers: { 'content-type': type } });
    await expectError(await send('{}', 'application/json'), 415, 'unsupported_media_type');
    const form = 'multipart/form-data; boundary=b';
    await expectError(await send('--b--', form), 400, 'invalid_request');
    const part = (name: string, content: string) =>
      `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${content}\r\n`;
    const wrong = await send(`${part('file', 'x')}${part('purpose', 'nothing')}--b--`, form);
    expect((await expectError(wrong, 400, 'invalid_request')).param).toBe('purpose');
    await expectError(await send(`${part('file', 'x')}`, form), 400, 'invalid_request');
    expect((await openai.files.list({ purpose: 'nothing' })).data).toEqual([]);
  });
});

describe('batches in OpenAI’s form', () => {
  test('run their lines, at batch prices, with a result or an error for each', async () => {
    const text = [line('a'), '', line('b', 'teapot'), line('c', 'Hi', 'unknown-model'), line('d')].join('\n');
    const created = await create(text);
    expect(created).toMatchObject({
      ...{ object: 'batch', status: 'validating', endpoint: '/v1/chat/completions' },
      metadata: { team: 'search' },
    });
    const batch = await ended(created.id);
    expect(batch).toMatchObject({
      status: 'completed',
      request_counts: { total: 4, completed: 2, failed: 2 },
      usage: { input_tokens: 6, output_tokens: 4, total_tokens: 10 },
      cost_usd: '0.000023',
    });
    const output = await linesOf(batch.output_file_id);
    expect(output.map(({ custom_id }) => custom_id)).toEqual(['a', 'd']);
    expect(output[0]).toMatchObject({
      error: null,
      response: {
        ...{ status_code: 200, request_id: `${batch.id}-1`, cost_usd: LINE_COST },
        body: { choices: [{ message: { content: 'Hello.' } }], model: 'chat' },
      },
    });
    const errors = await linesOf(batch.error_file_id);
    expect(errors).toMatchObject([
      { custom_id: 'b', response: { status_code: 418 } },
      { custom_id: 'c', response: { status_code: 404, body: { error: { code: 'model_not_found' } } } },
    ]);
    expect((await openai.batches.list({ limit: 1 })).data[0]?.id).toBe(batch.id);
  });

  test('are rejected line by line', async () => {
    const text = [
      line('a'),
      '{"custom_id": "b", ',
      line('a'),
      JSON.stringify({ custom_id: 'c', method: 'GET', url: '/v1/chat/completions', body: { model: 'chat' } }),
      JSON.stringify({ custom_id: 'd', method: 'POST', url: '/v1/embeddings', body: { model: 'chat' } }),
      JSON.stringify({ method: 'POST', url: '/v1/chat/completions', body: { model: 'chat' } }),
      JSON.stringify({ custom_id: 'e', method: 'POST', url: '/v1/chat/completions', body: {} }),
    ].join('\n');
    const before = mock.requests.length;
    const batch = await ended((await create(text)).id);
    expect(batch.status).toBe('failed');
    expect(batch.output_file_id).toBeNull();
    expect(batch.errors?.data?.map(({ code, line: at }) => `${at} ${code}`)).toEqual([
      '2 invalid_json_line',
      '3 duplicate_custom_id',
      '4 invalid_method',
      '5 mismatched_url',
      '6 missing_required_parameter',
      '7 missing_required_parameter',
    ]);
    expect(mock.requests.length).toBe(before);
    const long = await ended(
      (await create(Array.from({ length: 2_001 }, (_, at) => line(`l${at}`)).join('\n'))).id,
    );
    expect(long.errors?.data?.[0]?.code).toBe('too_many_tasks');
    expect((await ended((await create('\n\n')).id)).errors?.data?.[0]?.code).toBe('empty_file');
  });

  test('can be cancelled: lines that run are completed, others are not run', async () => {
    const held = Promise.withResolvers<void>();
    mock.when(
      (request) => request.text().includes('held'),
      async () => {
        await held.promise;
        return completion();
      },
    );
    const text = Array.from({ length: 250 }, (_, at) => line(`h${at}`, 'held')).join('\n');
    const { id } = await create(text);
    await eventually('lines run', () => mock.openRequests() >= 16, WAIT_MS);
    expect((await openai.batches.cancel(id)).status).toBe('cancelling');
    held.resolve();
    const batch = await ended(id);
    expect(batch.status).toBe('cancelled');
    const { total = 0, completed = 0, failed = 0 } = batch.request_counts ?? {};
    expect([total, completed + failed]).toEqual([250, 250]);
    expect(completed).toBeGreaterThanOrEqual(16);
    expect(completed).toBeLessThan(250);
    expect(await linesOf(batch.output_file_id)).toHaveLength(completed);
    const unfinished = await linesOf(batch.error_file_id);
    expect(unfinished).toHaveLength(failed);
    expect(unfinished.at(-1)).toMatchObject({ custom_id: 'h249', error: { code: 'batch_cancelled' } });
    expect((await openai.batches.cancel(id)).status).toBe('cancelled');
  });

  test('need an input that exists, for batches', async () => {
    const make = (file: string) =>
      openai.batches.create({
        ...{ input_file_id: file, endpoint: '/v1/chat/completions', completion_window: '24h' },
      });
    expect(await statusOf(make('file-none'))).toBe(404);
    const other = await openai.files.create({
      file: await toFile(Buffer.from('x'), 'x.txt'),
      purpose: 'user_data',
    });
    expect(await statusOf(make(other.id))).toBe(400);
    expect(await statusOf(openai.batches.retrieve('batch_none'))).toBe(404);
  });

  test('report what happened as durable events', async () => {
    const { id } = await create(line('a'));
    await ended(id);
    const response = await fetch(`${gateway.url}/admin/v1/events?limit=200`, {
      headers: { authorization: `Bearer ${gateway.adminKey}` },
    });
    const text = await response.text();
    for (const type of ['batch.created', 'batch.completed']) {
      expect(text).toMatch(
        new RegExp(
          `"type":"${type}"[^}]*"subject":"batch:${id}"|"subject":"batch:${id}"[^}]*"type":"${type}"`,
        ),
      );
    }
  });
});

test('operators list, show and cancel batches', async () => {
  const held = Promise.withResolvers<void>();
  mock.when(
    (request) => request.text().includes('operated'),
    async () => {
      await held.promise;
      return completion();
    },
  );
  const { id } = await create(Array.from({ length: 30 }, (_, at) => line(`o${at}`, 'operated')).join('\n'));
  await eventually('lines run', () => mock.openRequests() > 0, WAIT_MS);
  const command = (...args: string[]) => weir(['batches', ...args], { WEIR_DATA_DIR: gateway.dataDir });
  const list = await command('list', '--json', '--limit', '1');
  expect(JSON.parse(list.stdout)).toMatchObject({ id, tenant: 'default', total: 30 });
  expect((await command('cancel', id)).stdout).toContain('cancelling');
  held.resolve();
  await ended(id);
  expect(JSON.parse((await command('show', id)).stdout)).toMatchObject({ id, status: 'cancelled' });
  const ofApi = await done(gateway, 'GET', `/tenants/default/batches/${id}`);
  expect(ofApi).toMatchObject({ id, status: 'cancelled', form: 'file', models: ['chat'] });
  expect(JSON.stringify(await done(gateway, 'GET', '/tenants/default/audit'))).toContain('batch.cancel');
});

describe('batches in Anthropic’s form', () => {
  test('run, and are listed, read and deleted', async () => {
    const client = new Anthropic({ apiKey: gateway.adminKey, baseURL: gateway.url, maxRetries: 0 });
    const { batches } = client.messages;
    const request = (id: string, model = 'chat') => ({
      custom_id: id,
      params: { model, max_tokens: 10, messages: [{ role: 'user' as const, content: 'Hi' }] },
    });
    const created = await batches.create({ requests: [request('one'), request('two', 'unknown-model')] });
    expect(created).toMatchObject({ type: 'message_batch', processing_status: 'in_progress' });
    let batch = created;
    await eventually(
      'the batch ends',
      async () => {
        batch = await batches.retrieve(created.id);
        return batch.processing_status === 'ended';
      },
      WAIT_MS,
    );
    expect(batch.request_counts).toEqual({
      processing: 0,
      succeeded: 1,
      errored: 1,
      canceled: 0,
      expired: 0,
    });
    const results = [];
    for await (const result of await batches.results(created.id)) results.push(result);
    expect(results).toMatchObject([
      { custom_id: 'one', result: { type: 'succeeded', message: { content: [{ text: 'Hello.' }] } } },
      { custom_id: 'two', result: { type: 'errored', error: { error: { type: 'not_found_error' } } } },
    ]);
    expect((await batches.list({ limit: 5 })).data.map(({ id }) => id)).toEqual([created.id]);
    expect(await batches.delete(created.id)).toMatchObject({ type: 'message_batch_deleted' });
    expect(await statusOf(batches.retrieve(created.id))).toBe(404);
    const twice = batches.create({ requests: [request('one'), request('one')] });
    expect(await statusOf(twice)).toBe(400);
  });
});

test('limits hold back lines until they have room', async () => {
  const client = await clientOf('limited-batches', [{ of: 'requests', per: 'second', max: 5 }]);
  const file = await upload(Array.from({ length: 7 }, (_, at) => line(`r${at}`)).join('\n'), client);
  const { id } = await client.batches.create({
    ...{ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' },
  });
  let batch = await client.batches.retrieve(id);
  await eventually(
    'the batch ends',
    async () => {
      batch = await client.batches.retrieve(id);
      return batch.status === 'completed';
    },
    WAIT_MS,
  );
  expect(batch.request_counts).toEqual({ total: 7, completed: 7, failed: 0 });
});
