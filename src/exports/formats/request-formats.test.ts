import { expect, test } from 'bun:test';
import type { ExportedRequest } from '../record.ts';
import { datadogFormat } from './datadog.ts';
import { kafkaRestFormat } from './kafka-rest.ts';
import { langfuseFormat } from './langfuse.ts';
import { linesFormat } from './lines.ts';
import { otlpFormat } from './otlp.ts';

/** A logged request in the format of each API. */

const RECORD: ExportedRequest = {
  ...{ id: 'log_1', tenant: 'acme', request_id: 'req_1', at: '2026-11-30T09:00:00.000Z', key: 'key_1' },
  ...{
    user: 'usr_1',
    model: 'fast',
    provider: 'azure',
    upstream_model: 'gpt',
    operation: 'chat',
    tags: ['t'],
  },
  ...{ status: 200, outcome: 'done', attempts: 1, input_tokens: 8, output_tokens: 2, cached_tokens: 3 },
  ...{ reasoning_tokens: 0, cost_usd: '0.25', estimated: false, duration_ms: 840, first_event_ms: 210 },
  ...{ error: null, trace_id: 'a'.repeat(32), truncated: ['response'] },
  request: { model: 'fast', messages: [{ role: 'user', content: 'Hello.' }] },
  response: { choices: [{ message: { role: 'assistant', content: 'Hi.' }, finish_reason: 'stop' }] },
};
const BATCH = { tenant: 'acme', from: { sequence: 5, line: 0 }, records: [RECORD] };

test('Langfuse gets a trace and a generation with input and output', () => {
  const { body } = langfuseFormat('https://x', 'pk', 'sk').requestOf(BATCH);
  const [trace, generation] = JSON.parse(body).batch;
  expect([trace.id, trace.type, generation.id, generation.type]).toEqual([
    ...['log_1:trace', 'trace-create', 'log_1:generation', 'generation-create'],
  ]);
  expect(trace.body).toMatchObject({ id: 'req_1', input: RECORD.request, output: RECORD.response });
  expect(generation.body).toMatchObject({
    ...{ id: 'log_1', traceId: 'req_1', model: 'fast', input: RECORD.request, output: RECORD.response },
    ...{ usageDetails: { input: 5, input_cached_tokens: 3, output: 2 }, costDetails: { total: 0.25 } },
    ...{ startTime: RECORD.at, endTime: '2026-11-30T09:00:00.840Z', metadata: { truncated: ['response'] } },
  });
});

test('OTLP gets the event of the GenAI conventions, with structured messages', () => {
  const format = otlpFormat({
    ...{ url: 'https://x', headers: {}, now: () => 5 },
    providerName: (id) => (id === 'azure' ? 'azure.ai.openai' : id),
  });
  const recordOf = (record: ExportedRequest) => {
    const { body } = format.requestOf({ ...BATCH, records: [record] });
    const [log] = JSON.parse(body).resourceLogs[0].scopeLogs[0].logRecords;
    const list: { key: string; value: unknown }[] = log.attributes;
    return { log, attributes: Object.fromEntries(list.map(({ key, value }) => [key, value])) };
  };
  const { log, attributes } = recordOf(RECORD);
  expect([log.eventName, log.traceId]).toEqual(['gen_ai.client.inference.operation.details', 'a'.repeat(32)]);
  expect(attributes).toMatchObject({
    'gen_ai.operation.name': { stringValue: 'chat' },
    'gen_ai.provider.name': { stringValue: 'azure.ai.openai' },
    'gen_ai.request.model': { stringValue: 'fast' },
    'gen_ai.response.model': { stringValue: 'gpt' },
    'gen_ai.usage.input_tokens': { intValue: '8' },
    'gen_ai.usage.output_tokens': { intValue: '2' },
    'gen_ai.response.finish_reasons': { arrayValue: { values: [{ stringValue: 'stop' }] } },
    'weir.record_id': { stringValue: 'log_1' },
    'weir.truncated': { arrayValue: { values: [{ stringValue: 'response' }] } },
  });
  const text = (content: string) => ({
    kvlistValue: {
      values: [
        { key: 'type', value: { stringValue: 'text' } },
        { key: 'content', value: { stringValue: content } },
      ],
    },
  });
  expect(attributes['gen_ai.input.messages']).toEqual({
    arrayValue: {
      values: [
        {
          kvlistValue: {
            values: [
              { key: 'role', value: { stringValue: 'user' } },
              { key: 'parts', value: { arrayValue: { values: [text('Hello.')] } } },
            ],
          },
        },
      ],
    },
  });
  expect(attributes['weir.request.body']).toBeUndefined();
  const other = recordOf({ ...RECORD, operation: 'rerank', request: { documents: ['a'] }, response: 'cut' });
  expect(other.attributes).toMatchObject({
    'weir.request.body': { stringValue: '{"documents":["a"]}' },
    'weir.response.body': { stringValue: 'cut' },
  });
});

test('Datadog, Kafka and HTTP get the record itself', () => {
  const [log] = JSON.parse(datadogFormat('https://x', 'key').requestOf(BATCH).body);
  expect(log).toMatchObject({ ddsource: 'weir', message: 'chat fast 200', request_log: RECORD });
  const kafka = JSON.parse(kafkaRestFormat('https://x', 'topic', {}).requestOf(BATCH).body);
  expect(kafka.records).toEqual([{ key: 'acme', value: RECORD }]);
  const lines = linesFormat({
    ...{ export: 'one', url: 'https://x', headers: {}, body: 'ndjson', secret: null, now: () => 5 },
  });
  expect(lines.requestOf(BATCH).body).toBe(`${JSON.stringify(RECORD)}\n`);
});
