import { exportedRequestOf, exportedUsageOf } from './record.ts';
import type { ExportSink } from './sink.ts';

export interface SinkTest {
  /** Null where the receiver took the record. */
  readonly error: string | null;
  /** The beginning of the response of a receiver that did not. */
  readonly detail: string | null;
  /** Milliseconds. */
  readonly durationMs: number;
}

const NAMES = { tenant: 'test', model: 'test', operation: 'chat', tags: [], status: 200 } as const;
const COUNTS = { estimated: false, durationMs: 0, firstEventMs: null } as const;
const MAX_BYTES = 16_384;

/**
 * Sends one record of a tenant named `test`, without usage.
 * @param now Unix milliseconds
 */
export async function testSink(
  sink: ExportSink,
  source: 'usage' | 'request_log',
  now: () => number,
  signal: AbortSignal,
): Promise<SinkTest> {
  const at = now();
  const record = source === 'usage' ? usageRecord(at) : requestRecord(at);
  const outcome = await sink.send(
    { tenant: NAMES.tenant, from: { sequence: 0, line: 0 }, records: [record], isTest: true },
    signal,
  );
  const durationMs = Math.max(0, now() - at);
  if (outcome.kind === 'sent') return { error: outcome.dropped[0]?.reason ?? null, detail: null, durationMs };
  const { reason, detail = '' } = outcome;
  return { error: reason, detail: detail === '' ? null : detail, durationMs };
}

function usageRecord(at: number) {
  return exportedUsageOf({
    ...{ ...NAMES, ...COUNTS, at, id: 'ue_test', requestId: 'req_test', keyId: 'key_test', member: null },
    ...{ provider: 'test', upstreamModel: 'test', outcome: 'ok', requests: 0, costPico: 0 },
    ...{ inputTokens: 0, outputTokens: 0, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
  });
}

function requestRecord(at: number) {
  const summary = {
    ...{ ...NAMES, id: 'req_test', at: new Date(at).toISOString(), key: 'key_test', user: null },
    ...{ provider: 'test', upstream_model: 'test', error: null, outcome: 'done', attempts: 1 },
    ...{ input_tokens: 0, output_tokens: 0, cached_tokens: 0, reasoning_tokens: 0, cost: '0' },
    ...{ estimated: false, duration_ms: 0, first_event_ms: null, trace_id: null, count: 0 },
  };
  const request = { model: 'test', messages: [{ role: 'user', content: 'This is a test of an export.' }] };
  const message = { role: 'assistant', content: 'It has arrived.' };
  const response = { choices: [{ index: 0, message, finish_reason: 'stop' }] };
  return exportedRequestOf(
    { row: 'log_test', summary, request, response, truncated: [], explanation: {} },
    MAX_BYTES,
  );
}
