import { afterEach, describe, expect, test } from 'bun:test';
import { BATCH_WIRES, type BatchWire, MockBatchApi } from '../../test/support/mock-batch-api.ts';
import { startMockUpstream } from '../../test/support/mock-upstream.ts';
import { closeBeforeResponse, status } from '../../test/support/scripts.ts';
import { systemClock } from '../core/clock.ts';
import { createHttp1Transport } from '../platform/http-client.ts';
import { type BatchSubmission, SubmissionUnknownError, type UpstreamLineResult } from './batch-upstream.ts';
import { DEFAULTS, ProviderRegistry } from './registry.ts';

const TOKEN = '0123456789abcdef01234567';
const PATHS: Readonly<Record<BatchWire, string>> = {
  openai: '/v1/chat/completions',
  mistral: '/v1/chat/completions',
  anthropic: '/v1/messages',
};

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function install(wire: BatchWire) {
  const mock = await startMockUpstream();
  closers.push(() => mock.close());
  const api = new MockBatchApi({ wire });
  mock.respondAlways((request) => api.handle(request) ?? status(404, { error: { message: 'no such path' } }));
  const transport = createHttp1Transport();
  closers.push(() => transport.close());
  const registry = new ProviderRegistry({
    ...{ kind: 'built-in', models: [] },
    profile: { label: 'x', streamUsage: 'always', needsKey: false },
  });
  const config = {
    ...DEFAULTS,
    ...{ id: 'p', kind: wire, api_key: 'sk-1', forward_batches: true, headers: { 'x-own': 'yes' } },
    base_url: wire === 'anthropic' ? mock.url : `${mock.url}/v1`,
  };
  const world = {
    transports: { upstream: () => transport, builtIn: transport },
    clock: systemClock,
    env: {},
  };
  const { batches } = await registry.create(config, world);
  if (!batches) throw new Error('no batch API');
  const url = mock.url + PATHS[wire];
  return { mock, api, batches, url };
}

const submission = (count = 3): BatchSubmission => ({
  ...{ token: TOKEN, endpoint: '/v1/chat/completions', model: 'm' },
  lines: Array.from({ length: count }, (_, at) => ({
    id: `${TOKEN}-${at + 1}`,
    body: `{"model":"m",\n"messages":[{"role":"user","content":"tab\\t ${at} ü"}],"seed":12345678901234567890}`,
  })),
});

async function all(results: AsyncIterable<UpstreamLineResult>): Promise<UpstreamLineResult[]> {
  return Array.fromAsync(results);
}

const NEVER = new AbortController().signal;

for (const wire of BATCH_WIRES) {
  describe(`the batch API of ${wire}`, () => {
    test('takes requests of its operations, without headers that lines cannot have', async () => {
      const { batches, url } = await install(wire);
      const request = { method: 'POST', url, body: '{}' } as const;
      const usual = { 'content-type': 'application/json', accept: 'application/json', 'x-own': 'yes' };
      expect(batches.endpointOf({ ...request, headers: usual })).toBe(PATHS[wire]);
      expect(batches.endpointOf({ ...request, headers: { ...usual, 'x-beta': '1' } })).toBeUndefined();
      expect(batches.endpointOf({ ...request, url: `${url}/other`, headers: usual })).toBeUndefined();
      expect(batches.endpointOf({ ...request, url: 'http://127.0.0.1:1/x', headers: usual })).toBeUndefined();
    });

    test('runs a batch: submit, wait, read results, delete', async () => {
      const { batches, api, mock } = await install(wire);
      const id = await batches.submit(submission());
      const [batch] = api.batches;
      expect(batch?.lines.map((line) => line.id)).toEqual(submission().lines.map((line) => line.id));
      expect(batch?.lines[1]?.body).toMatchObject({ messages: [{ role: 'user', content: 'tab\t 1 ü' }] });
      expect(await batches.state(id)).toEqual({ kind: 'running' });
      if (!batch) throw new Error('no batch');
      batch.state = 'completed';
      api.respond = ({ id: line }) =>
        line.endsWith('-2')
          ? { status: 400, body: { type: 'error', error: { type: 'invalid_request_error', message: 'no' } } }
          : { status: 200, body: { id: line, big: 1 } };
      expect(await batches.state(id)).toEqual({ kind: 'ended', isPartial: false });
      const results = await all(batches.results(id, NEVER));
      expect(
        results.map((one) => [one.id.slice(-1), one.kind === 'response' && one.status]).toSorted(),
      ).toEqual([
        ['1', 200],
        ['2', 400],
        ['3', 200],
      ]);
      const keys = mock.requests.map(
        ({ headers }) => headers.get('authorization') ?? headers.get('x-api-key'),
      );
      expect(new Set(keys)).toEqual(new Set([wire === 'anthropic' ? 'sk-1' : 'Bearer sk-1']));
      await batches.discard(id);
      expect(wire === 'anthropic' ? batch.discarded : api.files === 0).toBe(true);
    });

    test('reads what a line used from its result alone', async () => {
      const { batches } = await install(wire);
      const usage = { prompt_tokens: 3, completion_tokens: 2, input_tokens: 3, output_tokens: 2 };
      const read = (body: unknown) => batches.usageOf(PATHS[wire], JSON.stringify(body));
      expect(read({ usage })).toMatchObject({ inputTokens: 3, outputTokens: 2 });
      expect([read({}), read([]), batches.usageOf(PATHS[wire], '{')]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    });

    test('bodies keep the digits of their numbers, in both directions', async () => {
      const { batches, api, mock } = await install(wire);
      const id = await batches.submit(submission(1));
      const [batch] = api.batches;
      if (!batch) throw new Error('no batch');
      expect(mock.requests.some((request) => request.text().includes('12345678901234567890'))).toBe(true);
      batch.results = [
        api
          .resultLine(`${TOKEN}-1`, { status: 200, body: { n: 1 } })
          .replace('"n":1', '"n":12345678901234567890'),
      ];
      batch.state = 'completed';
      expect(await all(batches.results(id, NEVER))).toMatchObject([{ body: '{"n":12345678901234567890}' }]);
    });

    test('a submission that is stopped before its last call creates no batch', async () => {
      const { batches, api } = await install(wire);
      const calls = wire === 'anthropic' ? 1 : 2;
      let call = 0;
      const stop = () => {
        call += 1;
        if (call === calls) throw new Error('stopped');
      };
      await expect(batches.submit(submission(), stop)).rejects.toThrow('stopped');
      expect(api.batches).toHaveLength(0);
    });

    test('a rejected submission is an error, a lost one is unknown and found', async () => {
      const { batches, api } = await install(wire);
      const isCreation = (path: string) => !path.endsWith('/files');
      api.intercept = ({ method, path }) =>
        method === 'POST' && isCreation(path)
          ? status(400, { error: { message: 'no such model' } })
          : undefined;
      await expect(batches.submit(submission())).rejects.toMatchObject({ details: { upstreamStatus: 400 } });
      api.intercept = ({ method, path }) =>
        method === 'POST' && isCreation(path) ? status(429, { error: { message: 'slow' } }) : undefined;
      await expect(batches.submit(submission())).rejects.toMatchObject({ code: 'upstream_rate_limited' });
      api.intercept = () => undefined;
      const lost = { token: TOKEN, since: Date.now(), lines: 3, known: new Set<string>() };
      expect(await batches.find(lost)).toEqual({ kind: 'none' });
      for (const after of [closeBeforeResponse(), status(500, {}), status(200, { id: '../x' })]) {
        api.afterCreate = after;
        await expect(batches.submit(submission())).rejects.toThrow(SubmissionUnknownError);
        const [batch] = api.batches;
        if (!batch) throw new Error('no batch');
        // Its lines are known when it has ended, where a batch has no name.
        if (wire === 'anthropic') expect(await batches.find(lost)).toEqual({ kind: 'unknown' });
        batch.state = 'completed';
        expect(await batches.find(lost)).toEqual({ kind: 'found', id: batch.id });
        const other = { ...lost, token: '9'.repeat(24) };
        expect(await batches.find(other)).toEqual({ kind: 'none' });
        api.batches.length = 0;
      }
    });

    test('results that are malformed are left out, and the others are read', async () => {
      const { batches, api } = await install(wire);
      const id = await batches.submit(submission());
      const [batch] = api.batches;
      if (!batch) throw new Error('no batch');
      const ok = api.resultLine(`${TOKEN}-1`, { status: 200, body: { a: 1 } });
      batch.results = [
        ...['not json', '[]', 'null', '{"custom_id":7}', `{"custom_id":"${TOKEN}-3"}`, '', ok, ok],
        ok.replace('"a":1', '"a":').slice(0, -8),
        `{"custom_id":"${TOKEN}-2","result":{"type":"?"},"response":{"status_code":"x","body":{}}}`,
        api.resultLine(`${TOKEN}-2`, 'not_run'),
      ];
      batch.state = 'expired';
      const state = await batches.state(id);
      expect(state.kind).toBe('ended');
      const results = await all(batches.results(id, NEVER));
      expect(results.map((one) => `${one.id.slice(-1)} ${one.kind}`)).toEqual([
        '1 response',
        '1 response',
        '2 not_run',
      ]);
    });

    test('is cancelled, also when it has ended', async () => {
      const { batches, api } = await install(wire);
      const id = await batches.submit(submission());
      await batches.cancel(id);
      expect(api.batches[0]?.state).toBe('cancelled');
      await batches.cancel(id);
      expect((await batches.state(id)).kind).toBe('ended');
    });

    test('failures of the provider are errors', async () => {
      const { batches, api } = await install(wire);
      const id = await batches.submit(submission());
      api.intercept = () => status(200, 'text');
      await expect(batches.state(id)).rejects.toMatchObject({ code: 'upstream_invalid_response' });
      for (const failure of [status(500, {}), closeBeforeResponse(), status(302, {})]) {
        api.intercept = () => failure;
        await expect(batches.state(id)).rejects.toHaveProperty('code');
        await expect(all(batches.results(id, NEVER))).rejects.toHaveProperty('code');
      }
      const ended = AbortSignal.abort(new Error('stopped'));
      api.intercept = () => undefined;
      const [batch] = api.batches;
      if (batch) batch.state = 'completed';
      await expect(all(batches.results(id, ended))).rejects.toThrow('stopped');
    });
  });
}
